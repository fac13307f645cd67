//! No text that somebody may have left in Redis makes a schedule panic or search without end.

use bullock::job::cron::{Cron, Zone};
use bullock::job::repeat::{key_and_prefix, parse_key, successor};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Text made of what patterns are made of, so that it gets past the first check.
fn pattern() -> impl Strategy<Value = String> {
    prop_oneof!["[0-9*,/?L# -]{0,24}", "([0-9*/-]{1,4} ){4,5}[0-7L#*]{1,3}", "\\PC{0,20}"]
}

fn member() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
        "[0-9T:.Z+ -]{0,28}".prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!([1])),
        Just(json!({})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_pattern_with_an_end_or_an_error_with_a_place(text in pattern(), after in any::<i64>()) {
        match Cron::parse(&text) {
            Ok(cron) => {
                let next = cron.next_after(Zone::Utc, after, None);
                prop_assert!(next.is_none_or(|next| next > after));
            }
            Err(error) => prop_assert!(error.column >= 1 && error.column <= text.chars().count() + 1),
        }
    }

    #[test]
    fn any_options_have_a_successor_or_an_error(
        members in prop::collection::vec((0..9_usize, member()), 0..6), cron in pattern(), now in any::<i64>(),
    ) {
        const NAMES: [&str; 9] = ["cron", "every", "tz", "utc", "startDate", "endDate", "limit", "count", "jobId"];
        let mut repeat = json!({ "cron": cron });
        for (name, value) in members {
            repeat[NAMES[name]] = value;
        }
        let opts = json!({ "repeat": repeat, "prevMillis": repeat["limit"] });
        if let Ok(Some(next)) = successor("x", &opts.to_string(), now, Zone::Utc) {
            prop_assert!(serde_json::from_str::<Value>(&next.opts_text).is_ok());
            prop_assert_eq!(next.key, key_and_prefix("x", &repeat_with_id(&next.opts_text), Zone::Utc).0);
        }
    }

    #[test]
    fn any_text_is_read_as_a_zone_a_key_or_stored_options(text in "\\PC{0,30}", zone in "(utc|GMT)?[+-]?[0-9:]{0,6}") {
        let _ = (Zone::parse(&text), Zone::parse(&zone), parse_key(&text));
        prop_assert!(successor("x", &text, 0, Zone::Utc).is_err());
    }
}

fn repeat_with_id(opts_text: &str) -> Value {
    serde_json::from_str::<Value>(opts_text).unwrap()["repeat"].take()
}
