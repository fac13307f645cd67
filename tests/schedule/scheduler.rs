//! Job schedulers of `BullMQ`: what is refused, when patterns are due, which options an iteration is given
//! (docs/wire/bullmq.md 8).

use bullock::job::cron::Zone;
use bullock::job::repeat::scheduler::{Next, Upsert, next, upsert};
use chrono::DateTime;
use serde_json::{Map, Value, json};

const NOW: i64 = 1_700_000_000_000;

fn ms(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
}

fn told(repeat: &Value, now_ms: i64) -> Result<Upsert, String> {
    upsert("s", repeat, &Map::new(), now_ms, Zone::Utc).map_err(|error| error.to_string())
}

/// The options of an iteration, closed as the script closes them.
fn closed(head: &str) -> Value {
    serde_json::from_str(&format!("{head}7\",\"delay\":0}}")).unwrap()
}

fn after(id: &str, opts: &Value, now_ms: i64) -> Option<Next> {
    next(id, &opts.to_string(), now_ms, Zone::Utc).unwrap()
}

#[test]
fn what_bullmq_refuses_of_a_scheduler_is_refused_with_a_reason() {
    for (repeat, expected) in [
        (json!({}), "neither pattern nor every"),
        (json!({"every": 5, "pattern": "* * * * *"}), "only one of them"),
        (json!({"every": 5, "immediately": true, "startDate": NOW}), "only one of them"),
        (json!({"every": 0.5}), "at least 1"),
        (json!({"every": 5, "endDate": NOW}), "not in the future"),
        (json!({"pattern": "0 0 31 2 *"}), "day 31"),
        (json!({"pattern": "* * * * *", "tz": "Not/AZone"}), "time zone"),
        (json!({"pattern": "0 0 1 1 *", "endDate": NOW + 1000}), "before endDate"),
        (json!({"every": 5, "startDate": "soon"}), "startDate"),
    ] {
        let error = told(&repeat, NOW).unwrap_err();
        assert!(error.contains(expected), "{repeat}: {error}");
    }
    assert!(upsert("", &json!({"every": 5}), &Map::new(), NOW, Zone::Utc).is_err());
}

#[test]
fn a_skipped_hour_is_stood_in_for_by_the_next_and_a_repeated_one_counts_once() {
    let daily = json!({"pattern": "30 2 * * *", "tz": "Europe/Madrid"});
    let due = |from: &str| told(&daily, ms(from)).unwrap().due_ms.unwrap();
    assert_eq!(due("2024-03-30T12:00:00Z"), ms("2024-03-31T01:30:00Z"));
    assert_eq!(due("2024-03-31T01:30:00Z"), ms("2024-04-01T00:30:00Z"));
    assert_eq!(due("2024-10-26T12:00:00Z"), ms("2024-10-27T00:30:00Z"));
    assert_eq!(due("2024-10-27T00:30:00Z"), ms("2024-10-28T01:30:00Z"));
}

#[test]
fn a_start_date_moves_the_first_match_and_immediately_makes_it_now() {
    let start = ms("2024-01-01T12:30:00Z");
    let later = told(&json!({"pattern": "0 * * * *", "startDate": "2024-01-01T12:30:00Z"}), NOW).unwrap();
    assert_eq!((later.due_ms, later.start_ms), (Some(ms("2024-01-01T13:00:00Z")), Some(start)));
    assert!(later.record.contains(&("startDate", start.to_string())));
    let now = told(&json!({"pattern": "0 * * * *", "immediately": true}), NOW).unwrap();
    assert_eq!(now.due_ms, Some(NOW));
}

#[test]
fn the_first_options_hold_the_template_and_what_the_scheduler_was_told() {
    let template = json!({"attempts": 2, "jobId": "mine", "delay": 9}).as_object().cloned().unwrap();
    let told = json!({"every": 1000, "offset": 10, "limit": 3, "immediately": true});
    let plan = upsert("a\"b", &told, &template, NOW, Zone::Utc).unwrap();
    assert_eq!((plan.every_ms, plan.offset_ms, plan.due_ms), (Some(1000), Some(10), None));
    assert_eq!(
        closed(&plan.opts_head),
        json!({"attempts": 2, "repeat": {"count": 1, "every": 1000, "limit": 3, "offset": 10},
            "repeatJobKey": "a\"b", "jobId": "repeat:a\"b:7", "delay": 0})
    );
}

#[test]
fn the_next_options_are_those_of_the_claimed_job_with_a_new_count() {
    let opts = json!({"keepLogs": 1.50, "backoff": 100, "prevMillis": 5, "jobId": "x", "timestamp": 1, "priority": 4,
        "repeat": {"every": 1000, "count": 6, "limit": 7}, "repeatJobKey": "s"});
    let found = after("s", &opts, NOW).unwrap();
    assert_eq!((found.scheduler.as_str(), found.every.as_str(), found.due_ms), ("s", "1000", None));
    assert_eq!((found.priority.as_str(), found.lifo), ("4", false));
    assert_eq!(
        closed(&found.opts_head),
        json!({"keepLogs": 1.5, "backoff": {"type": "fixed", "delay": 100}, "priority": 4, "attempts": 0,
            "repeat": {"every": 1000, "count": 7, "limit": 7}, "repeatJobKey": "s", "jobId": "repeat:s:7", "delay": 0})
    );
}

#[test]
fn a_series_ends_at_its_limit_and_after_its_end_date() {
    let every = |repeat: Value| json!({"repeat": repeat, "repeatJobKey": "s"});
    assert!(after("s", &every(json!({"every": 5, "count": 3, "limit": 3})), NOW).is_none());
    assert!(after("s", &every(json!({"every": 5, "endDate": NOW - 1})), NOW).is_none());
    // The last one of `every` may fall after endDate; a pattern's may not.
    assert!(after("s", &every(json!({"every": 5000, "endDate": NOW})), NOW).is_some());
    assert!(after("s", &every(json!({"pattern": "0 * * * *", "endDate": NOW + 1})), NOW).is_none());
}

#[test]
fn the_first_iteration_of_a_5_x_repeatable_job_goes_on_as_a_schedulers() {
    assert!(after("61e7", &json!({"attempts": 1}), NOW).is_none());
    let next =
        after("61e7", &json!({"repeat": {"every": 10_000, "count": 1}, "prevMillis": 5}), NOW).unwrap();
    assert_eq!(closed(&next.opts_head)["repeatJobKey"], "61e7");
    assert_eq!(closed(&next.opts_head)["prevMillis"], Value::Null);
}
