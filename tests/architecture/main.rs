//! The house rules that a machine can check: who may know whom, how long a file may be, what a script must say.
//!
//! A new arrow between two rooms is a decision: it is made in `rules.rs`, with its reason, and not by an import that
//! happens to compile.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

mod rules;
mod scripts;
mod source;

use std::path::{Path, PathBuf};

use rules::Finding;
use source::SourceFile;

/// Files are meant to stay under about 300 lines; from here on they must be split.
const FILE_LINES_MAX: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `directory` with this extension, sorted.
fn files(directory: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(directory)];
    while let Some(directory) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}

fn sources() -> Vec<SourceFile> {
    let sources: Vec<SourceFile> = files("src", "rs")
        .iter()
        .map(|path| SourceFile::parse(&relative(path), &std::fs::read_to_string(path).unwrap()))
        .collect();
    assert!(sources.len() > 10, "the sources were not found");
    sources
}

fn report(rule: &str, findings: &[Finding]) {
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{rule}:\n  {}\n", lines.join("\n  "));
}

#[test]
fn imports_point_down_the_house_and_never_up() {
    let findings: Vec<Finding> = sources().iter().flat_map(rules::arrows).collect();
    report("an import that the table in tests/architecture/rules.rs does not allow", &findings);
}

#[test]
fn redis_http_clients_and_the_web_framework_are_each_named_in_one_room() {
    let findings: Vec<Finding> = sources().iter().flat_map(rules::owned_crates).collect();
    report("a crate that only its own room may name", &findings);
}

#[test]
fn job_is_pure() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let crates = rules::crates_of(&manifest);
    assert!(crates.contains(&"tokio".to_owned()), "the manifest was not understood: {crates:?}");
    let findings: Vec<Finding> = sources().iter().flat_map(|file| rules::purity(file, &crates)).collect();
    report("src/job may use std and a few crates without effects", &findings);
}

#[test]
fn no_module_is_called_util_common_helpers_or_manager() {
    let findings: Vec<Finding> = sources().iter().flat_map(rules::names).collect();
    report("a name that says nothing about what is inside", &findings);
}

#[test]
fn files_stay_short_enough_to_be_read() {
    let mut findings = Vec::new();
    for path in files("src", "rs").into_iter().chain(files("lua", "lua")) {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        if lines > FILE_LINES_MAX {
            findings.push(Finding::new(&relative(&path), lines, format!("more than {FILE_LINES_MAX} lines")));
        }
    }
    report("files are meant to stay under about 300 lines", &findings);
}

#[test]
fn every_module_opens_with_what_it_is() {
    let mut findings = Vec::new();
    // The entry point is left to rustc, which asks for a crate's documentation itself.
    for path in files("src", "rs").into_iter().filter(|path| !path.ends_with("src/main.rs")) {
        if !std::fs::read_to_string(&path).unwrap().starts_with("//!") {
            findings.push(Finding::new(&relative(&path), 1, "no module documentation".to_owned()));
        }
    }
    report("a module opens with what it owns, what it must never know, and who calls it", &findings);
}

#[test]
fn every_script_names_its_keys_arguments_reply_and_invariant() {
    let mut count = 0;
    let mut findings = Vec::new();
    for dialect in ["lua/bull", "lua/bullmq", "lua/read"] {
        for path in files(dialect, "lua") {
            count += 1;
            findings.extend(scripts::header(&relative(&path), &std::fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(count > 0, "no script in lua/bull");
    report("a script opens with `-- KEYS`, `-- ARGV`, `-- Reply` and `-- Kept` (the invariant)", &findings);
}

#[test]
fn every_include_of_a_script_resolves_and_every_fragment_is_used() {
    let scripts: Vec<(String, String)> = files("lua", "lua")
        .iter()
        .map(|path| (relative(path), std::fs::read_to_string(path).unwrap()))
        .collect();
    assert!(!scripts.is_empty(), "no script in lua/");
    report("includes", &scripts::includes(&scripts));
}
