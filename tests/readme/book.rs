//! The book: its table of contents names every page, every link of every page leads somewhere, and its how-tos are done.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::blocks;
use crate::shell::Reader;
use crate::{load, of_language};

/// Pages that are typed by somebody who has nothing but `bullock`, Node and a Redis.
const DONE: &[&str] = &[
    "docs/tutorials/first-five-minutes.md",
    "docs/how-to/express.md",
    "docs/how-to/nestjs.md",
    "docs/how-to/nextjs.md",
    "docs/how-to/nginx.md",
    "docs/how-to/another-machine.md",
    "docs/how-to/keda.md",
    "docs/how-to/grafana.md",
    "docs/how-to/opentelemetry.md",
];
/// Tags whose blocks are for programs of others, and are read only.
const READ_ONLY: &[&str] = &["yaml", "nginx"];

/// All Markdown pages below a directory, as paths from the root of the repository.
fn pages_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            pages_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path.strip_prefix(blocks::root()).unwrap().to_owned());
        }
    }
}

fn book() -> Vec<PathBuf> {
    let mut found = Vec::new();
    pages_below(&blocks::root().join("docs"), &mut found);
    found.sort();
    found
}

/// A page without its blocks and without code inside lines: what is left has links and headings.
fn prose(text: &str) -> String {
    let mut open = false;
    let mut out = String::new();
    for line in text.lines() {
        if line.starts_with("```") {
            open = !open;
        } else if !open && !line.starts_with("    ") {
            let spoken: Vec<&str> = line.split('`').step_by(2).collect();
            // What a heading has in code counts for its anchor.
            out.push_str(&if line.starts_with('#') { line.replace('`', "") } else { spoken.join("`") });
            out.push('\n');
        }
    }
    out
}

/// The anchors of a page's headings, as GitHub and mdBook make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

/// `a/../b` as `b`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

#[test]
fn every_link_to_a_file_or_a_heading_of_the_repository_leads_to_one() {
    let others =
        ["README.md", "SECURITY.md", "CHANGELOG.md", "examples/express/README.md", "benches/README.md"];
    let mut wrong = Vec::new();
    for page in others.iter().map(PathBuf::from).chain(book()) {
        let text = prose(&blocks::page(page.to_str().unwrap()));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if file.is_empty() { page.clone() } else { plain(&page.parent().unwrap().join(file)) };
            if !blocks::root().join(&target).exists() {
                wrong.push(format!("{}: there is no {link}", page.display()));
            } else if !anchor.is_empty()
                && !anchors(&prose(&blocks::page(target.to_str().unwrap()))).contains(anchor)
            {
                wrong.push(format!("{}: no heading makes {link}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_of_contents_names_every_page_once() {
    let summary = blocks::page("docs/SUMMARY.md");
    let links = summary.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let mut named: Vec<PathBuf> = links.map(|link| Path::new("docs").join(link)).collect();
    named.sort();
    let pages: Vec<PathBuf> = book().into_iter().filter(|page| !page.ends_with("SUMMARY.md")).collect();
    assert_eq!(named, pages);
}

async fn follow(page: &str) {
    let blocks = blocks::of(&blocks::page(page));
    let reader = Reader::new().await;
    for block in &blocks {
        match block.language.as_str() {
            "console" => {}
            "toml" => {
                load(page, block);
                reader.save(block);
            }
            "js" => {
                reader.save(block);
            }
            tag => assert!(
                READ_ONLY.contains(&tag),
                "{page} line {}: nothing runs a block of \"{tag}\"",
                block.line
            ),
        }
    }
    reader.type_in(page, &of_language(&blocks, "console")).await;
}

#[tokio::test]
async fn the_commands_of_the_tutorial_and_of_the_how_tos_work() {
    for page in DONE {
        follow(page).await;
    }
}

#[test]
fn every_how_to_of_the_directory_is_done_or_has_nothing_to_be_typed_alone() {
    for page in
        book().iter().filter(|page| page.starts_with("docs/how-to") || page.starts_with("docs/tutorials"))
    {
        let name = page.to_str().unwrap();
        // Docker and systemd are beyond a test; tests/ops does what they would. The first sync has a test of its own.
        assert!(
            DONE.contains(&name)
                || name.ends_with("docker-and-systemd.md")
                || name.ends_with("first-sync.md"),
            "{name} is not done by any test"
        );
    }
}
