//! How much a browser has to fetch, and that nothing in it writes markup.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// All files of the dashboard, packed.
const WHOLE_BYTES_MAX: usize = 100 * 1024;
/// What the first view needs, packed: the page and what it names.
const FIRST_VIEW_BYTES_MAX: usize = 50 * 1024;

fn dist() -> PathBuf {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/dist");
    assert!(dist.join("index.html").is_file(), "the dashboard is not built. Run: script/web");
    dist
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn packed(path: &Path) -> usize {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&fs::read(path).unwrap()).unwrap();
    encoder.finish().unwrap().len()
}

#[test]
fn the_whole_dashboard_is_at_most_100_kib_and_its_first_view_at_most_50_kib() {
    let dist = dist();
    let index = fs::read_to_string(dist.join("index.html")).unwrap();
    let (mut whole, mut first) = (0, 0);
    for file in files(&dist) {
        let bytes = packed(&file);
        let name = file.file_name().unwrap().to_string_lossy();
        whole += bytes;
        if name == "index.html" || index.contains(name.as_ref()) {
            first += bytes;
        }
    }
    assert!(whole <= WHOLE_BYTES_MAX, "the whole dashboard: {whole} bytes packed");
    assert!(first <= FIRST_VIEW_BYTES_MAX, "the first view: {first} bytes packed");
}

#[test]
fn the_dashboards_sources_write_text_and_never_markup_and_name_no_other_host() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/src");
    for file in files(&sources) {
        let text = fs::read_to_string(&file).unwrap();
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "https://",
        ] {
            assert!(!text.contains(word), "{} has {word}", file.display());
        }
    }
}
