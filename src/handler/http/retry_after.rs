//! `Retry-After`: seconds, or a date.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};

/// The forms of a date that HTTP knows, beside RFC 2822's.
const OBSOLETE_DATES: &[&str] = &["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

/// Reads the header. Seconds may have fractions and be 0; a date that has passed means "at once". `None` for
/// anything else, and the header counts as absent.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use bullock::handler::http::parse_retry_after;
/// let now = "2026-11-22T08:00:00Z".parse().unwrap();
/// assert_eq!(parse_retry_after("1.5", now), Some(Duration::from_millis(1500)));
/// assert_eq!(parse_retry_after("Sun, 22 Nov 2026 08:00:09 GMT", now), Some(Duration::from_secs(9)));
/// assert_eq!(parse_retry_after("soon", now), None);
/// ```
pub fn parse(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    if value.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        // "1e400" and the like read as infinity, which is no duration; a huge one is capped by the caller.
        return value.parse::<f64>().ok().map(|s| Duration::try_from_secs_f64(s).unwrap_or(Duration::MAX));
    }
    let date = DateTime::parse_from_rfc2822(value).map(|date| date.to_utc()).ok().or_else(|| {
        OBSOLETE_DATES
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(value, form).ok())
            .map(|date| date.and_utc())
    })?;
    Some((date - now).to_std().unwrap_or(Duration::ZERO))
}
