//! Numbers, durations, sizes, and the rules between them.

use std::time::Duration;

use bullock::config::{CronZone, LogFormat};

use crate::{HANDLER, accepted, refused};

#[test]
fn concurrency_is_a_whole_number_in_its_range() {
    let cases = [
        ("0", "is out of range", "leave it out for the default, 1"),
        ("-1", "is out of range", "leave it out for the default, 1"),
        ("1e9", "is not a whole number", "leave it out for the default, 1"),
        ("10001", "is out of range", "leave it out for the default, 1"),
        ("99999999999999999999", "is out of range", "leave it out for the default, 1"),
        ("\"ten\"", "has the wrong type", "write the number without quotes"),
        ("2.5", "is not a whole number", "leave it out for the default, 1"),
    ];
    for (value, fault, hint) in cases {
        let text = format!("[queues.a]\nconcurrency = {value}");
        let line = format!(
            "error: queues.a.concurrency {fault} (bullock.toml:2): {value}; expected a whole number, 1..=10000. hint: {hint}"
        );
        refused(&[(text.as_str(), line.as_str())]);
    }
    assert_eq!(
        accepted(&format!("[queues.a]\nconcurrency = 10_000\n{HANDLER}")).queues["a"].concurrency,
        10_000
    );
}

#[test]
fn a_duration_needs_a_unit_that_exists_and_a_range_that_makes_sense() {
    let units = "write a number and one of ms, s, m, h, d, w";
    let short = "shorter ones load Redis and lose leases; tests may set worker.allow_short_leases = true";
    let cases = [
        ("30", "has no unit", "a number needs a unit: \"30s\" or \"30ms\""),
        ("\"30\"", "has no unit", units),
        ("\"30 parsecs\"", "has an unknown unit", units),
        ("\"-5s\"", "is negative", units),
        ("\"1e30s\"", "has an unknown unit", units),
        ("\"\"", "is empty", units),
        ("true", "has the wrong type", units),
        ("\"2h\"", "is out of range", short),
        ("\"999ms\"", "is out of range", short),
    ];
    for (value, fault, hint) in cases {
        let text = format!("[worker]\nlease = {value}");
        let line = format!(
            "error: worker.lease {fault} (bullock.toml:2): {value}; expected e.g. \"30s\", 1s..=1h. hint: {hint}"
        );
        refused(&[(text.as_str(), line.as_str())]);
    }
}

#[test]
fn durations_may_be_compound_or_broken() {
    let config = accepted(&format!(
        "[worker]\nlease = \"1m30s\"\nrenew = \"1.5s\"\nshutdown_grace = \"2 h\"\n{HANDLER}"
    ));
    assert_eq!(config.worker.lease, Duration::from_secs(90));
    assert_eq!(config.worker.renew, Duration::from_millis(1500));
    assert_eq!(config.worker.shutdown_grace, Duration::from_hours(2));
}

#[test]
fn the_rule_between_lease_and_renew_states_both_numbers() {
    refused(&[
        (
            "[worker]\nlease = \"9s\"\nrenew = \"4s\"",
            "error: worker.renew breaks the rule that a lease outlives 3 renewals: renew is 4s, lease is 9s (bullock.toml:3): \"4s\"; expected renew × 3 ≤ lease. hint: set renew to \"3s\"",
        ),
        (
            "[worker]\nlease = \"10s\"",
            "error: worker.lease breaks the rule that a lease outlives 3 renewals: renew is 5s, lease is 10s (bullock.toml:2): \"10s\"; expected renew × 3 ≤ lease. hint: set renew to \"3333ms\"",
        ),
        (
            "[worker]\nsweep = \"0s\"",
            "error: worker.sweep is out of range (bullock.toml:2): \"0s\"; expected e.g. \"30s\", 100ms..=1m. hint: shorter ones load Redis and lose leases; tests may set worker.allow_short_leases = true",
        ),
    ]);
}

#[test]
fn tests_may_have_short_leases_but_not_none() {
    let short = "[worker]\nallow_short_leases = true\nlease = \"30ms\"\nrenew = \"10ms\"\nsweep = \"10ms\"\n";
    assert_eq!(accepted(&format!("{short}{HANDLER}")).worker.lease, Duration::from_millis(30));
    refused(&[(
        "[worker]\nallow_short_leases = true\nsweep = \"9ms\"",
        "error: worker.sweep is out of range (bullock.toml:3): \"9ms\"; expected e.g. \"30s\", 10ms..=1m. hint: shorter ones load Redis and lose leases; tests may set worker.allow_short_leases = true",
    )]);
}

#[test]
fn sizes_have_units() {
    refused(&[(
        "[queues.a]\npayload_max = 5",
        "error: queues.a.payload_max has no unit (bullock.toml:2): 5; expected e.g. \"1MiB\", 1KiB..=64MiB. hint: a number needs a unit: \"5B\" or \"5KiB\"",
    )]);
    let config = accepted(&format!("[queues.a]\npayload_max = \"1.5MiB\"\n{HANDLER}"));
    assert_eq!(config.queues["a"].payload_bytes_max, 1_572_864);
}

#[test]
fn what_a_table_must_hold_is_missed() {
    refused(&[
        (
            "[queues.a.rate]\nmax = 5",
            "error: queues.a.rate.per is missing (bullock.toml:1): expected e.g. \"30s\", 1ms..=31d. hint: add it: the window",
        ),
        (
            "[backoff.x]\njitter = 0.2",
            "error: backoff.x.steps is missing (bullock.toml:1): expected e.g. [\"1s\", \"1m\"], each 0s..=365d. hint: add it: wait before attempt 2, 3, ...; the last one repeats",
        ),
        (
            "[queues.a.retention]\ncompleted = {}",
            "error: queues.a.retention.completed is empty (bullock.toml:2): expected age, count or both. hint: write { age = \"30d\", count = 10000 }, or leave the table out to keep all",
        ),
    ]);
}

#[test]
fn a_refused_concurrency_does_not_blame_the_handlers() {
    let lines = crate::errors(&format!("[queues.a]\nconcurrency = 0\n{HANDLER}concurrency = 2\n"));
    assert_eq!(lines.lines().count(), 1, "{lines}");
}

#[test]
fn words_are_suggested() {
    refused(&[
        (
            "[log]\nformat = \"jsn\"",
            "error: log.format is not one of its words (bullock.toml:2): \"jsn\"; expected \"auto\" or \"json\" or \"pretty\". hint: did you mean \"json\"?",
        ),
        (
            "[worker]\ncron_zone = \"Mars/Phobos\"",
            "error: worker.cron_zone is no time zone (bullock.toml:2): \"Mars/Phobos\"; expected \"local\" or e.g. \"Europe/Rome\". hint: zones are named as in the IANA database",
        ),
    ]);
}

#[test]
fn a_full_config_becomes_plain_values() {
    let config = accepted(
        "[worker]\nname = \"w-1\"\ncron_zone = \"Europe/Rome\"\nmax_stalled = 3\nmax_started = 7\n\
         [backoff.crawl]\nsteps = [\"1s\", \"10s\"]\njitter = 0.2\n\
         [log]\nformat = \"json\"\nlevel = \"debug\"\nredact = [\"data.pin\"]\n\
         [queues.\"woo:customers\"]\nconcurrency = 4\nrate = { max = 100, per = \"1s\", group = \"data.store\" }\n\
         retention = { completed = { age = \"30d\", count = 10 }, failed = { count = 5 } }\nmetrics = { max_points = 20160 }\n\
         handlers.sync = { http = \"http://h/x\" }\n",
    );
    assert_eq!(config.worker.name, "w-1");
    assert_eq!(config.worker.cron_zone, CronZone::Named(chrono_tz::Europe::Rome));
    assert_eq!((config.worker.max_stalled, config.worker.max_started), (3, Some(7)));
    assert_eq!(config.backoff["crawl"].steps, [Duration::from_secs(1), Duration::from_secs(10)]);
    assert!((config.backoff["crawl"].jitter - 0.2).abs() < f64::EPSILON);
    assert_eq!(config.log.format, Some(LogFormat::Json));
    assert_eq!(config.log.redact, ["data.pin"]);
    let queue = &config.queues["woo:customers"];
    let rate = queue.rate.as_ref().unwrap();
    assert_eq!((rate.max, rate.per, rate.group.as_deref()), (100, Duration::from_secs(1), Some("store")));
    assert_eq!(queue.retention.completed.unwrap().age, Some(Duration::from_hours(30 * 24)));
    assert_eq!(queue.retention.failed.unwrap().count, Some(5));
    assert_eq!(queue.metrics_points_max, Some(20_160));
    assert_eq!(queue.prefix, "bull");
}

#[test]
fn a_dead_letter_queue_is_another_queue_and_copies_never_go_in_a_circle() {
    let own = "[queues.a]\ndead_letter = \"a\"";
    refused(&[(
        own,
        "error: queues.a.dead_letter is the queue itself (bullock.toml:2): \"a\"; expected another queue. hint: name a queue of its own for them",
    )]);
    let handler = HANDLER.replace(".a.", ".b.");
    let circle = format!("[queues.a]\ndead_letter = \"b\"\n[queues.b]\ndead_letter = \"a\"\n{handler}");
    let lines = crate::errors(&format!("{circle}\n{HANDLER}"));
    assert!(
        lines.contains("queues.a.dead_letter leads back to this queue: a → b → a (bullock.toml:2)"),
        "{lines}"
    );
    let config =
        accepted(&format!("[worker]\ncrash_limit = 5\n[queues.a]\ndead_letter = \"a-dead\"\n{HANDLER}"));
    assert_eq!(config.queues["a"].dead_letter.as_deref(), Some("a-dead"));
    assert_eq!(config.worker.crash_limit, 5);
}
