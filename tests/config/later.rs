//! Names that a later version will bring are refused as such: never ignored, never called unknown.

use crate::{HANDLER, errors, refused};

#[test]
fn every_name_for_later_is_refused_as_not_yet() {
    let handler = "[queues.a.handlers.x]\nhttp = \"http://h/x\"\n";
    let cases = [
        ("redis.wait_replicas", "[redis]\nwait_replicas = 0".to_owned()),
        ("redis.tls", "[redis]\ntls = { ca = \"ca.pem\" }".to_owned()),
        ("servers", "[servers.second]\nurl = \"redis://u:hunter2@h\"".to_owned()),
        (
            "admin.tokens[0].orgs",
            "[[admin.tokens]]\nname=\"a\"\nrole=\"viewer\"\nsha256=\"ab\"\norgs=[\"*\"]".to_owned(),
        ),
        ("worker.cancel_grace", "[worker]\ncancel_grace = \"10s\"".to_owned()),
        ("worker.crash_limit", "[worker]\ncrash_limit = 3".to_owned()),
        ("audit", "[audit]\nlevel = \"actions\"".to_owned()),
        ("alerts", "[[alerts]]\nurl = \"https://u:hunter2@h\"".to_owned()),
        ("queues.a.server", "[queues.a]\nserver = \"second\"".to_owned()),
        ("queues.a.limits", "[queues.a]\nlimits = []".to_owned()),
        ("queues.a.org", "[queues.a]\norg = \"data.org\"".to_owned()),
        ("queues.a.fair", "[queues.a]\nfair = false".to_owned()),
        ("queues.a.dead_letter", "[queues.a]\ndead_letter = \"dead\"".to_owned()),
        ("queues.a.handlers.x.cancel_url", format!("{handler}cancel_url = \"http://u:hunter2@h\"")),
        ("queues.a.handlers.x.sync", "[queues.a.handlers.x]\nsync = { page = \"http://h\" }".to_owned()),
        ("redis.url", "[redis]\nurl = \"redis+sentinel://u:hunter2@h\"".to_owned()),
        ("redis.url", "[redis]\nurl = \"redis+cluster://h\"".to_owned()),
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
        "[worker]\ncrash_limit = 3",
        "error: not yet: worker.crash_limit (bullock.toml:2): 3; expected a config without crash accounting. hint: leave it out; a later version will bring it",
    )]);
}
