//! Names that a later version will bring are refused as such: never ignored, never called unknown.

use crate::{HANDLER, errors, refused};

#[test]
fn every_name_for_later_is_refused_as_not_yet() {
    let cases = [
        ("servers", "[servers.second]\nurl = \"redis://u:hunter2@h\"".to_owned()),
        ("queues.a.server", "[queues.a]\nserver = \"second\"".to_owned()),
    ];
    for (path, text) in cases {
        let lines = errors(&format!("{text}\n{HANDLER}"));
        assert!(lines.contains(&format!("error: not yet: {path} (bullock.toml:")), "{path}: {lines}");
        assert!(!lines.contains("unknown key") && !lines.contains("hunter2"), "{lines}");
    }
}

#[test]
fn the_line_says_what_is_missing_and_what_to_do() {
    refused(&[(
        "[queues.a]\nserver = \"b\"",
        "error: not yet: queues.a.server (bullock.toml:2): \"b\"; expected a config without further Redis servers. hint: leave it out; a later version will bring it",
    )]);
}
