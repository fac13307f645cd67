//! Organisations, turns and limits by key.

use std::time::Duration;

use bullock::config::HandlerKind;

use crate::{HANDLER, accepted, refused};

#[test]
fn organisations_turns_and_limits_are_read() {
    let config = accepted(&format!(
        "[queues.a]\norg = \"data.org.id\"\nfair = true\n\
         limits = [{{ key = \"data.org.id\", running = 2 }}, {{ key = \"data.store\", rate = {{ max = 10, per = \"1s\" }} }}]\n\
         {HANDLER}"
    ));
    let queue = &config.queues["a"];
    assert_eq!(queue.org.as_ref().unwrap(), &["org", "id"]);
    assert!(queue.fair);
    assert_eq!((queue.limits[0].running, queue.limits[0].rate), (Some(2), None));
    assert_eq!(queue.limits[1].path, ["store"]);
    assert_eq!(queue.limits[1].rate, Some((10, Duration::from_secs(1))));
    let sync =
        "[queues.a.handlers.full.sync]\nsink = { http = \"http://127.0.0.1:3000/push\" }\nper_org = 1\n";
    let HandlerKind::Sync(sync) = &accepted(sync).queues["a"].handlers["full"].kind else {
        panic!("no sync")
    };
    assert_eq!(sync.per_org, Some(1));
}

#[test]
fn a_limit_of_nothing_a_key_that_is_no_path_and_a_key_named_twice_are_refused() {
    refused(&[
        (
            "[queues.a]\nlimits = [{ key = \"data.org\" }]",
            "error: queues.a.limits[0].key is limited by nothing (bullock.toml:2): \"data.org\"; expected running, rate or both. hint: add running = 1, or rate = { max = 10, per = \"1s\" }",
        ),
        (
            "[queues.a]\nlimits = [{ key = \"org\", running = 1 }]",
            "error: queues.a.limits[0].key is no path into the data (bullock.toml:2): \"org\"; expected e.g. \"data.org\". hint: name the field that tells the organisations apart",
        ),
        (
            "[queues.a]\norg = \"data..x\"",
            "error: queues.a.org is no path into the data (bullock.toml:2): \"data..x\"; expected e.g. \"data.org\". hint: name the field that tells the organisations apart",
        ),
        (
            "[queues.a]\nlimits = [{ key = \"data.o\", running = 1 }, { key = \"data.o\", running = 2 }]",
            "error: queues.a.limits[1].key is there twice (bullock.toml:2): \"data.o\"; expected each key once. hint: merge the two entries",
        ),
    ]);
}
