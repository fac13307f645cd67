//! `[queues.<name>.handlers.<job name>.sync]`.

use std::time::Duration;

use bullock::config::{HandlerKind, ItemBackoff, Side, SyncHandler};

use crate::{accepted, refused};

fn sync(options: &str) -> SyncHandler {
    let text = format!(
        "[queues.a]\n[queues.a.handlers.x]\nsecret = \"a-secret-of-more-than-24-bytes\"\n{options}\n"
    );
    match accepted(&text).queues["a"].handlers["x"].kind.clone() {
        HandlerKind::Sync(sync) => *sync,
        other => panic!("{other:?}"),
    }
}

#[test]
fn both_sides_take_the_options_of_the_handlers_table() {
    let sync = sync(
        "sync = { source = { http = \"http://h/page\" }, sink = { http = \"http://h/push\" }, batch_delay = \"2s\", item_backoff = { fixed = \"3s\" } }",
    );
    let secrets = |side: &Option<Side>| match side {
        Some(Side::Http(http)) => http.secrets.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!((secrets(&sync.source), secrets(&sync.sink)), (1, 1));
    assert_eq!((sync.batch_size, sync.batch_delay), (50, Duration::from_secs(2)));
    assert_eq!(sync.item_backoff, ItemBackoff::Fixed(Duration::from_secs(3)));
}

#[test]
fn what_is_left_out_has_its_default() {
    let sync = sync("sync.dry_run = true");
    assert_eq!((sync.source, sync.sink), (None, None));
    assert_eq!((sync.item_attempts, sync.call_attempts, sync.fails_when_exhausted), (3, 3, false));
    assert_eq!(sync.item_backoff, ItemBackoff::Exponential(Duration::from_secs(1)));
}

#[test]
fn a_sync_without_a_sink_or_with_a_side_of_two_kinds_is_refused() {
    refused(&[
        (
            "[queues.a.handlers.x]\nsync = { source = { http = \"http://h/p\" } }",
            "error: queues.a.handlers.x.sync has no sink (bullock.toml:2): expected sink = { http = … } or { exec = … }. hint: add sink = { http = \"http://127.0.0.1:3000/sync/push\" }, or dry_run = true to push nothing",
        ),
        (
            "[queues.a.handlers.x]\nsync = { sink = {} }",
            "error: queues.a.handlers.x.sync.sink has no http and no exec (bullock.toml:2): expected http or exec. hint: write sink = { http = \"http://127.0.0.1:3000/sync/sink\" }",
        ),
        (
            "[queues.a.handlers.x]\nhttp = \"http://h/x\"\nsync = { sink = { http = \"http://h/p\" } }",
            "error: queues.a.handlers.x is several handlers for one job name: http and sync (bullock.toml:1): expected http, exec or sync. hint: delete all but one",
        ),
    ]);
}
