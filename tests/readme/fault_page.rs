//! docs/faults.md promises, row by row, and names the tests that show it: they exist.

use std::path::Path;

use crate::blocks;

const PAGE: &str = "docs/faults.md";
/// Its columns: number, what happens, what the others do, what Bullock does, the tests.
const COLUMNS: usize = 5;

/// All sources of a folder of tests.
fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
    all
}

/// What is wrong with a `folder::name`.
fn fault_of(shown: &str) -> Option<String> {
    let Some((folder, name)) = shown.split_once("::") else {
        return Some(format!("\"{shown}\" is no folder::name"));
    };
    let folder = blocks::root().join("tests").join(folder);
    if !folder.is_dir() {
        return Some(format!("{shown}: there is no {}", folder.display()));
    }
    let text = sources(&folder);
    let Some(at) = text.find(&format!("fn {name}(")) else {
        return Some(format!("{shown}: there is no such test"));
    };
    // Its attributes stand between it and whatever ends before it.
    let before = &text[..at];
    let attributes = &before[before.rfind("\n}").map_or(0, |end| end + 2)..];
    (!attributes.contains("test")).then(|| format!("{shown} is no test"))
}

#[test]
fn every_row_of_the_page_on_faults_is_numbered_and_names_tests_that_exist() {
    let (mut number, mut wrong) = (0, Vec::new());
    for row in blocks::page(PAGE).lines().filter(|line| line.starts_with("| ") && !line.starts_with("| |")) {
        number += 1;
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        if cells.len() != COLUMNS || cells[0] != number.to_string() {
            wrong.push(format!("row {number}: {row}"));
            continue;
        }
        let tests: Vec<&str> = cells[COLUMNS - 1].split('`').skip(1).step_by(2).collect();
        if tests.is_empty() {
            wrong.push(format!("row {number} names no test"));
        }
        wrong.extend(tests.into_iter().filter_map(fault_of).map(|fault| format!("row {number}: {fault}")));
    }
    assert!(wrong.is_empty() && number > 0, "{PAGE}:\n{}", wrong.join("\n"));
}
