//! What a Lua script must say at its top, and what it may include.

use std::collections::HashSet;

use crate::rules::Finding;

/// Labels that the opening comment of a script must have, each with a text.
const LABELS: &[&str] = &["KEYS", "ARGV", "Reply", "Kept"];

/// Labels missing from the opening comment.
pub(crate) fn header(file: &str, text: &str) -> Vec<Finding> {
    let comment: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("--")).collect();
    let has = |label: &str| {
        comment.iter().any(|line| {
            line.trim_start_matches('-').trim_start().strip_prefix(label).is_some_and(|rest| {
                rest.starts_with([' ', ':', '[']) && !rest.trim_matches([' ', ':']).is_empty()
            })
        })
    };
    LABELS
        .iter()
        .filter(|label| !has(label))
        .map(|label| Finding::new(file, 1, format!("the opening comment has no line `-- {label} …`")))
        .collect()
}

/// Includes that lead nowhere, that are misspelt, or that nobody uses.
pub(crate) fn includes(scripts: &[(String, String)]) -> Vec<Finding> {
    let is_fragment = |path: &str| path.starts_with("lua/include/");
    let known: HashSet<&str> =
        scripts.iter().map(|(path, _)| path.as_str()).filter(|path| is_fragment(path)).collect();
    let mut used = HashSet::new();
    let mut findings = Vec::new();
    for (path, text) in scripts {
        for (number, line) in text.lines().enumerate() {
            if !line.contains("@include") {
                continue;
            }
            let name = line.strip_prefix("--- @include \"").and_then(|rest| rest.strip_suffix('"'));
            let Some(name) = name else {
                let what =
                    format!("an include is written `--- @include \"name\"`, alone on its line: {line}");
                findings.push(Finding::new(path, number + 1, what));
                continue;
            };
            let target = format!("lua/include/{name}.lua");
            if !known.contains(target.as_str()) {
                findings.push(Finding::new(path, number + 1, format!("there is no {target}")));
            }
            used.insert(target);
        }
    }
    for fragment in known.iter().filter(|fragment| !used.contains(**fragment)) {
        findings.push(Finding::new(fragment, 1, "no script includes it".to_owned()));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{header, includes};

    #[test]
    fn a_script_without_its_labels_is_found() {
        let whole = "--- Does it.\n-- KEYS  P, X\n-- ARGV  id\n-- Reply 0\n-- Kept  one place\nreturn 0\n";
        assert!(header("a.lua", whole).is_empty());
        assert_eq!(header("a.lua", &whole.replace("-- Kept  one place", "-- Kept")).len(), 1);
        assert_eq!(header("a.lua", "return 0 -- KEYS ARGV").len(), 4);
    }

    #[test]
    fn an_include_that_leads_nowhere_or_is_not_used_is_found() {
        let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
        let whole = [file("lua/bull/a.lua", "--- @include \"now\"\n"), file("lua/include/now.lua", "")];
        assert!(includes(&whole).is_empty());
        let wrong = [
            file("lua/bull/a.lua", "--- @include \"then\"\n-- @include now\n"),
            file("lua/include/now.lua", ""),
        ];
        assert_eq!(includes(&wrong).len(), 3);
    }
}
