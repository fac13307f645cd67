//! Names that a later version will bring are refused as such: never ignored, never called unknown.

use crate::{HANDLER, errors, refused};

#[test]
fn every_name_for_later_is_refused_as_not_yet() {
    let cases = [
        ("redis.tls", "[redis]\ntls = { ca = \"ca.pem\" }".to_owned()),
        ("servers", "[servers.second]\nurl = \"redis://u:hunter2@h\"".to_owned()),
        ("audit", "[audit]\nlevel = \"actions\"".to_owned()),
        ("queues.a.server", "[queues.a]\nserver = \"second\"".to_owned()),
        ("queues.a.limits", "[queues.a]\nlimits = []".to_owned()),
        ("queues.a.org", "[queues.a]\norg = \"data.org\"".to_owned()),
        ("queues.a.fair", "[queues.a]\nfair = false".to_owned()),
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
        "[queues.a]\nfair = false",
        "error: not yet: queues.a.fair (bullock.toml:2): false; expected a config without fair turns between orgs. hint: leave it out; a later version will bring it",
    )]);
}
