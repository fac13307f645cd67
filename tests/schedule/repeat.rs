//! Repeatable jobs against the 77 vectors of Bull, and against what Bull stores for unusual options.

use bullock::job::cron::Zone;
use bullock::job::repeat::{Occurrence, RepeatError, first, key_and_prefix, successor};
use serde_json::{Value, json};

/// After its due time, in ms: when the vectors claim an occurrence.
const CLAIMED_AFTER_MS: i64 = 7;
const NOW: i64 = 1_700_000_000_000;

#[test]
fn every_chain_of_occurrences_is_the_one_that_bull_makes() {
    let vectors = crate::bull_vectors();
    let cases = vectors["repeat_vectors"].as_array().unwrap();
    assert_eq!(cases.len(), 77);
    for case in cases {
        check_chain(case);
    }
}

fn check_chain(case: &Value) {
    let name = case["name"].as_str().unwrap();
    let opts = json!({ "repeat": case["repeat"] });
    let got = first(name, case["jobId"].as_str(), &opts, case["now"].as_i64().unwrap(), Zone::Utc);
    if case.get("error").is_some() {
        got.expect_err(&case.to_string());
        return;
    }
    let mut got = got.unwrap_or_else(|error| panic!("{error}: {case}"));
    if case.get("result").is_some() {
        assert_eq!(got, None, "{case}");
        return;
    }
    assert_eq!(got.as_ref().map(|first| first.opts_text.as_str()), case["stored_opts"].as_str());
    for expected in case["occurrences"].as_array().unwrap() {
        if expected.get("none").is_some() {
            assert_eq!(got, None, "{case}");
            return;
        }
        let occurrence = got.unwrap_or_else(|| panic!("ended before {expected}: {case}"));
        check_occurrence(&occurrence, expected, case);
        got =
            successor(name, &occurrence.opts_text, occurrence.due_ms + CLAIMED_AFTER_MS, Zone::Utc).unwrap();
    }
}

fn check_occurrence(got: &Occurrence, expected: &Value, case: &Value) {
    assert_eq!(got.id, expected["id"].as_str().unwrap(), "{case}");
    assert_eq!(got.due_ms, expected["next"].as_i64().unwrap(), "{case}");
    assert_eq!(Some(got.count), expected["count"].as_f64(), "{case}");
    assert_eq!(got.key, case["repeat_key"].as_str().unwrap(), "{case}");
    assert_eq!(got.delay_ms, got.due_ms - got.timestamp_ms);
    let opts: Value = serde_json::from_str(&got.opts_text).unwrap();
    assert_eq!(opts["jobId"], expected["id"]);
    assert_eq!(opts["prevMillis"], expected["next"]);
    let members: Vec<_> = case["repeat"].as_object().unwrap().keys().filter(|k| *k != "count").collect();
    let stored: Vec<_> =
        opts["repeat"].as_object().unwrap().keys().skip(2).filter(|k| *k != "jobId").collect();
    assert_eq!(stored, members, "{case}");
}

#[test]
fn the_state_vectors_hold_the_same_options_byte_for_byte() {
    let vectors = crate::bull_vectors();
    let opts_of = |vector: &str, id: &str| {
        let all = vectors["vectors"].as_array().unwrap();
        let vector = all.iter().find(|v| v["name"] == vector).unwrap();
        vector["after"][id]["value"]["opts"].as_str().unwrap().to_owned()
    };
    let asked = json!({ "jobId": "nightly", "attempts": 2, "repeat":
        { "cron": "0 3 * * *", "tz": "Europe/Rome", "endDate": "2030-01-01T00:00:00.000Z", "limit": 5 } });
    let got = first("rep", None, &asked, NOW, Zone::Utc).unwrap().unwrap();
    assert_eq!(got.opts_text, opts_of("repeat-cron-add", &got.id));

    let claimed =
        opts_of("repeat-claim-schedules-next", "repeat:81f4b91a20baeebcad3503743cded6d3:1700000040000");
    let got = successor("__default__", &claimed, NOW + 40_123, Zone::Utc).unwrap().unwrap();
    assert_eq!(got.opts_text, opts_of("repeat-claim-schedules-next", &got.id));
}

/// What `gen-bull-repeat.mjs` saw Bull store, for options that the vectors do not have.
#[test]
fn unusual_options_are_stored_as_bull_stores_them() {
    let expected: Value = serde_json::from_str(include_str!("bull-repeat-4.16.json")).unwrap();
    let mut wrong = Vec::new();
    for case in expected["cases"].as_array().unwrap() {
        let (opts, name) = (&case["opts"], case["name"].as_str().unwrap());
        if OTHERWISE.iter().any(|(known, _)| serde_json::from_str::<Value>(known).unwrap() == *opts) {
            continue;
        }
        let got = first(name, None, opts, NOW, Zone::Utc);
        let said = match &got {
            Ok(Some(first)) => {
                json!({ "key": first.key, "score": first.due_text(), "opts": first.opts_text })
            }
            Ok(None) => json!("nothing added"),
            Err(_) => json!("error"),
        };
        if said != case["first"] {
            wrong.push(format!("{opts}\n  ours {said}\n  Bull {}", case["first"]));
        }
        let (Ok(Some(first)), Some(next)) = (got, case.get("next")) else { continue };
        let claimed_at = case["claimed_at"].as_i64().unwrap();
        let got = successor(name, &first.opts_text, claimed_at, Zone::Utc).unwrap();
        let said = got.map_or(Value::Null, |next| next.opts_text.into());
        if said != *next {
            wrong.push(format!("{opts}, successor\n  ours {said}\n  Bull {next}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Options that we treat otherwise on purpose, each with the reason.
const OTHERWISE: &[(&str, &str)] = &[
    (
        r#"{"repeat":{"every":"60000"}}"#,
        "Bull appends the text to a number: due in the year 5 million. Ours: an error",
    ),
    (r#"{"repeat":{"every":-1000}}"#, "Bull adds one occurrence in the past. Ours: an error"),
    (r#"{"repeat":{"every":0.001}}"#, "Bull runs as fast as it can. Ours: an error below 1 ms"),
    (r#"{"repeat":{"every":0.5}}"#, "the same"),
    (r#"{"repeat":{"every":true}}"#, "Bull reads 1 ms. Ours: an error"),
    (r#"{"repeat":{"every":1e+21}}"#, "Bull adds a job that is never due. Ours: an error"),
    (
        r#"{"debounce":{"id":"d","ttl":50},"repeat":{"every":60000}}"#,
        "quirk Q14: ours does not hand debounce on",
    ),
    (r#"{"repeat":{"every":60000,"count":"2"}}"#, "Bull appends 1 to the text. Ours: as if absent"),
];

#[test]
fn a_bad_schedule_is_an_error_that_says_what_and_where() {
    let error = |repeat: Value| {
        first("x", None, &json!({ "repeat": repeat }), NOW, Zone::Utc).unwrap_err().to_string()
    };
    assert_eq!(
        error(json!({ "cron": "61 * * * *" })),
        "repeat.cron \"61 * * * *\": minute, column 1: \"61\": expected a value, range or step in 0-59"
    );
    assert!(
        error(json!({ "cron": "0 0 * * *", "tz": "Not/AZone" }))
            .starts_with("repeat.tz: unknown time zone \"Not/AZone\"")
    );
    assert_eq!(
        error(json!({ "every": 0 })),
        "repeat has neither cron nor every: one of them is needed (every: 0 counts as none)"
    );
    assert_eq!(
        error(json!({ "every": -1 })),
        "repeat.every is -1, expected a number of milliseconds, at least 1"
    );
    assert_eq!(
        error(json!({ "every": "5" })),
        "repeat.every is \"5\", expected a number of milliseconds, at least 1"
    );
    assert_eq!(
        error(json!({ "cron": "0 0 * * *", "endDate": "soon" })),
        "repeat.endDate is \"soon\", expected ISO 8601 with an offset or ms since the epoch"
    );
    assert_eq!(
        first("x", None, &json!({}), NOW, Zone::Utc).unwrap_err(),
        RepeatError::NotAnObject("it is missing")
    );
    for text in ["", "[]", "{bad", r#"{"repeat":7}"#] {
        assert!(matches!(successor("x", text, NOW, Zone::Utc), Err(RepeatError::NotAnObject(_))), "{text}");
    }
}

#[test]
fn a_pattern_without_zone_is_meant_in_the_zone_of_the_process() {
    let opts = json!({ "repeat": { "cron": "0 12 * * *" } });
    let due = |zone| first("x", None, &opts, NOW, zone).unwrap().unwrap().due_ms;
    assert_eq!(due(Zone::parse("Asia/Tokyo").unwrap()), 1_700_017_200_000);
    assert_eq!(due(Zone::Utc), 1_700_049_600_000);
    let end = json!({ "every": 1000, "endDate": "2030-01-01T00:00:00" });
    assert_eq!(key_and_prefix("x", &end, Zone::parse("Asia/Tokyo").unwrap()).0, "x::1893423600000:1000");
}

#[test]
fn a_successor_copies_what_it_does_not_know_byte_for_byte() {
    let stored = r#"{"repeat":{"count":4,"key":"x:::1000","every":1000,"mine":{"b":1e-7,"a":2.50}},"jobId":"repeat:y:1",
        "prevMillis":1700000000000,"attempts":3,"priority":2,"theirs":[1.0, 12345678901234567890123],"debounce":{"id":"d"}}"#;
    let next = successor("x", stored, NOW + 3, Zone::Utc).unwrap().unwrap();
    let expected = [
        r#"{"repeat":{"count":5,"key":"x:::1000","every":1000,"mine":{"b":1e-7,"a":2.50}},"jobId":""#,
        &next.id,
        r#"","delay":997,"timestamp":1700000000003,"prevMillis":1700000001000,"#,
        r#""attempts":3,"priority":2,"theirs":[1.0, 12345678901234567890123]}"#,
    ];
    assert_eq!(next.opts_text, expected.concat());
}
