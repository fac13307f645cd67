//! `Retry-After` in all its forms.

use std::time::Duration;

use bullock::handler::http::parse_retry_after;

#[test]
fn seconds_and_all_three_forms_of_dates_are_read() {
    let now = "1994-11-06T08:49:30Z".parse().unwrap();
    for (text, seconds) in [
        ("0", 0.0),
        ("120", 120.0),
        (" 1.25 ", 1.25),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 7.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 7.0),
        ("Sun Nov  6 08:49:37 1994", 7.0),
        ("Sun, 06 Nov 1994 08:49:00 GMT", 0.0),
    ] {
        assert_eq!(parse_retry_after(text, now), Some(Duration::from_secs_f64(seconds)), "{text}");
    }
}

#[test]
fn nonsense_counts_as_absent() {
    let now = "1994-11-06T08:49:30Z".parse().unwrap();
    for text in ["", "-1", "NaN", "inf", "1s", "1,5", "tomorrow", "Sun, 06 Nov 1994", "\u{661}"] {
        assert_eq!(parse_retry_after(text, now), None, "{text}");
    }
}
