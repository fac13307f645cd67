//! Makes the built dashboard (`web/dist`) a part of the binary: a table of its files, each with its type, its tag and, if it
//! is text, its gzip form. Without `web/dist` the table is empty and the build succeeds all the same.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// Vite's hashed names: what is behind one never changes.
const HASHED: &str = "assets/";
/// Hexadecimal digits of a tag.
const ETAG_DIGITS: usize = 32;

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let (web, dist) = (root.join("web"), root.join("web/dist"));
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=Cargo.toml");
    if web.is_dir() {
        // cargo builds everything anew, always, for a watched directory that is not there.
        let _ = fs::create_dir_all(&dist);
    }
    if dist.is_dir() {
        println!("cargo::rerun-if-changed=web/dist");
    }
    let mut table = String::from("&[\n");
    for path in files(&dist)? {
        let name =
            path.strip_prefix(&dist)?.to_str().ok_or("web/dist: a name is not UTF-8")?.replace('\\', "/");
        let Some(kind) = media_type(&name) else {
            println!("cargo::warning=web/dist/{name} has an unknown ending and is left out");
            continue;
        };
        let bytes = fs::read(&path)?;
        let gzip = if is_text(kind) { Some(gzip(&bytes)?) } else { None };
        // Nothing is gained by unpacking what did not shrink.
        let gzip = match gzip.filter(|packed| packed.len() < bytes.len()) {
            None => "None".to_owned(),
            Some(packed) => {
                let place = out.join(format!("{}.gz", name.replace('/', "+")));
                fs::write(&place, packed)?;
                format!("Some(include_bytes!({:?}))", place.display().to_string())
            }
        };
        let digest = Sha256::digest(&bytes);
        let mut etag = digest.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        etag.truncate(ETAG_DIGITS);
        writeln!(
            table,
            "File {{ path: {name:?}, kind: {kind:?}, etag: \"\\\"{etag}\\\"\", immutable: {}, bytes: include_bytes!({:?}), gzip: {gzip} }},",
            name.starts_with(HASHED),
            path.display().to_string(),
        )?;
    }
    table.push(']');
    fs::write(out.join("ui_files.rs"), table)?;
    Ok(())
}

/// All files below a directory, sorted; none if it is not there.
fn files(directory: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let (mut found, mut open) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(directory) = open.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// Browsers are told not to guess; so every type is named. Maps of the sources stay out of the binary.
fn media_type(name: &str) -> Option<&'static str> {
    Some(match name.rsplit('.').next()? {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "webmanifest" => "application/manifest+json",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        _ => return None,
    })
}

fn is_text(kind: &str) -> bool {
    kind.starts_with("text/") || kind.contains("svg") || kind.contains("json")
}
