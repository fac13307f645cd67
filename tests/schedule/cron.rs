//! Cron patterns against `cron-parser` 4.9.0. `gen-cron-parser.mjs` made the expectations.

use bullock::job::cron::{Cron, Zone};
use serde_json::Value;

/// Patterns of the dialect list on which we differ on purpose, each with the reason.
const STRICTER: &[(&str, &str)] = &[
    ("0 0 * * L", "Node accepts it and then finds no day, without a word; ours is an error"),
    ("0 0 * * L5", "the same"),
    ("0 0 * * LL", "the same"),
    ("0 0 * * L,*", "Node never looks at the L; an L without its weekday is a slip of the pen all the same"),
    ("-0 * * * *", "Node reads minus nought as 0"),
    ("0 0 * * -sun", "the same"),
    ("0 0 * * 1#1.5", "the same: no day is the one-and-a-halfth"),
    ("0 0 * * 1#1e0", "Node reads 1e0 as 1: nobody writes that on purpose"),
    ("0 0 * * 1#+2", "Node reads +2 as 2: the same"),
];

fn expectations() -> Value {
    serde_json::from_str(include_str!("cron-parser-4.9.json")).expect("expectations are JSON")
}

fn next(cron: &Cron, zone: Zone, after: i64) -> Option<i64> {
    cron.next_after(zone, after, None)
}

#[test]
fn every_pattern_fires_when_cron_parser_says_in_every_zone() {
    let expected = expectations();
    let patterns: Vec<&str> =
        expected["patterns"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
    let (mut checked, mut wrong) = (0, Vec::new());
    for place in expected["grid"].as_array().unwrap() {
        let zone = Zone::parse(place["zone"].as_str().unwrap()).unwrap();
        for (pattern, row) in patterns.iter().zip(place["rows"].as_array().unwrap()) {
            let cron = Cron::parse(pattern).unwrap();
            let mut after = place["after"].as_i64().unwrap();
            for hit in row.as_str().unwrap().split(' ') {
                let wanted = hit.parse::<i64>().ok().map(|s| (after.div_euclid(1000) + s) * 1000);
                let got = next(&cron, zone, after);
                checked += 1;
                if got != wanted {
                    wrong.push(format!(
                        "{pattern} in {} after {after}: {got:?}, not {wanted:?}",
                        place["zone"]
                    ));
                }
                let Some(hit) = wanted else { break };
                after = hit;
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {checked} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(checked > 5000, "the grid shrank to {checked}");
}

#[test]
fn drawn_patterns_around_clock_changes_fire_when_cron_parser_says() {
    let expected = expectations();
    let rows = expected["drawn"].as_array().unwrap();
    assert!(rows.len() >= 2500, "only {} rows", rows.len());
    for row in rows {
        let [pattern, zone, after, wait] = row.as_str().unwrap().split('|').collect::<Vec<_>>()[..] else {
            panic!("not four parts: {row}");
        };
        let after: i64 = after.parse().unwrap();
        let wanted = wait.parse::<i64>().ok().map(|wait| after + wait);
        assert_eq!(next(&Cron::parse(pattern).unwrap(), Zone::parse(zone).unwrap(), after), wanted, "{row}");
    }
}

#[test]
fn the_dialect_is_that_of_cron_parser_but_for_the_named_exceptions() {
    let expected = expectations();
    let start = expected["after"].as_i64().unwrap();
    let mut wrong = Vec::new();
    for case in expected["dialect"].as_array().unwrap() {
        let pattern = case["pattern"].as_str().unwrap();
        let stricter = STRICTER.iter().any(|(known, _)| *known == pattern);
        let cron = match (Cron::parse(pattern), case.get("error")) {
            (Ok(cron), None) if !stricter => cron,
            (Err(_), Some(_)) => continue,
            (Err(_), None) if stricter => continue,
            (got, theirs) => {
                wrong.push(format!("{pattern:?}: we say {got:?}, cron-parser {theirs:?}"));
                continue;
            }
        };
        let mut after = start;
        for hit in case["next"].as_array().unwrap() {
            let got = next(&cron, Zone::Utc, after);
            if got != hit.as_i64() {
                wrong.push(format!("{pattern:?} after {after}: {got:?}, not {hit}"));
            }
            after = hit.as_i64().unwrap_or_default();
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_bad_pattern_names_its_field_its_column_and_what_was_expected() {
    for (pattern, message) in [
        ("61 * * * *", "minute, column 1: \"61\": expected a value, range or step in 0-59"),
        ("0 0 61 * * *", "hour, column 5: \"61\": expected a value, range or step in 0-23"),
        ("60 0 0 * * *", "second, column 1: \"60\": expected a value, range or step in 0-59"),
        ("0 1,24 * * *", "hour, column 5: \"24\": expected a value, range or step in 0-23"),
        ("1,,2 * * * *", "minute, column 3: expected a value here, found nothing"),
        ("*/0 * * * *", "minute, column 1: \"*/0\": the step after / must be a number above 0"),
        ("50-10 * * * *", "minute, column 1: \"50-10\": 50 is after 10"),
        ("0 0 15W * *", "day of month, column 5: \"15W\" holds 'W', expected digits and *,-/?L"),
        ("0 0 30 2 *", "day of month, column 5: day 30 does not exist in that month, which ends at 29"),
        (
            "0 0 * foo *",
            "month, column 7: \"foo\": expected one of jan feb mar apr may jun jul aug sep oct nov dec",
        ),
        ("0 0 * * monday", "day of week, column 9: \"monday\": expected one of sun mon tue wed thu fri sat"),
        ("0 0 * * 1#6", "day of week, column 10: \"#6\": expected # and a number in 1-5"),
        ("0 0 * * 1,2#2", "day of week, column 12: # cannot be combined with ,"),
        ("0 0 * * L", "day of week, column 9: \"L\": L needs its weekday before it, such as 5L"),
        ("0 0 12 * * * 2025", "column 14: 7 fields, expected 5, or 6 with seconds"),
        ("@annually", "column 1: \"@annually\" is not one of @yearly, @monthly, @weekly, @daily, @hourly"),
    ] {
        let error = Cron::parse(pattern).unwrap_err();
        assert_eq!(error.to_string(), format!("cron \"{pattern}\": {message}"));
    }
}

#[test]
fn an_unknown_zone_is_named() {
    for text in ["Not/AZone", "", "Z", "+03:00", "Europe", "PDT", "UTC +3", "UTC+03:0", "Factory"] {
        assert_eq!(
            Zone::parse(text).unwrap_err().to_string(),
            format!(
                "unknown time zone \"{text}\": expected an IANA name such as Europe/Rome, or UTC, UTC+3, local"
            )
        );
    }
    for text in
        ["utc", "GMT", "Zulu", "america/new_york", "US/Pacific", "Etc/GMT+5", "EST5EDT", "PST", "local"]
    {
        assert!(Zone::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn an_impossible_pattern_ends_the_search_instead_of_hanging() {
    assert_eq!(next(&Cron::parse("0 0 31 2,4 *").unwrap(), Zone::Utc, 1_700_000_000_000), None);
    let daily = Cron::parse("@daily").unwrap();
    for after in [i64::MIN, i64::MAX, i64::MAX / 2, 8_210_266_876_799_000] {
        assert!(next(&daily, Zone::Utc, after).is_none(), "{after}");
    }
}

#[test]
fn a_match_at_the_end_is_found_and_one_after_it_is_not() {
    let noon = Cron::parse("0 12 * * *").unwrap();
    let (now, due) = (1_700_000_000_000, 1_700_049_600_000);
    assert_eq!(noon.next_after(Zone::Utc, now, Some(due)), Some(due));
    assert_eq!(noon.next_after(Zone::Utc, now, Some(due - 1)), None);
}

#[test]
fn the_local_zone_is_that_of_the_process() {
    const ASKED: &str = "BULLOCK_TEST_PRINT_LOCAL_NOON";
    let noon = || next(&Cron::parse("0 12 * * *").unwrap(), Zone::Local, 1_700_000_000_000);
    if std::env::var_os(ASKED).is_some() {
        println!("\nnoon is {}.", noon().unwrap());
        return;
    }
    // TZ can only be set for another process: this test itself, once more.
    for (tz, expected) in [("Asia/Tokyo", 1_700_017_200_000_i64), ("UTC", 1_700_049_600_000)] {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "cron::the_local_zone_is_that_of_the_process", "--nocapture"])
            .env(ASKED, "1")
            .env("TZ", tz)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains(&format!("noon is {expected}.")), "{tz}: {said}");
    }
}
