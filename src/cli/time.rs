//! Times and durations as people read and type them.

use std::time::Duration;

use chrono::{DateTime, Local, SecondsFormat, Utc};

/// Ms since the epoch by this machine's clock, for ages.
pub fn now_ms() -> i64 {
    Utc::now().timestamp_millis()
}

/// A duration with at most two units: `350ms`, `4.2s`, `31s`, `2m10s`, `5h20m`, `12d`.
pub fn duration(ms: i64) -> String {
    let ms = ms.max(0);
    let seconds = ms / 1000;
    match seconds {
        _ if ms < 1000 => format!("{ms}ms"),
        0..10 if ms % 1000 >= 100 => format!("{}.{}s", seconds, ms % 1000 / 100),
        0..60 => format!("{seconds}s"),
        60..3600 => two(seconds, 60, "m", 1, "s"),
        3600..86_400 => two(seconds, 3600, "h", 60, "m"),
        _ => two(seconds, 86_400, "d", 3600, "h"),
    }
}

fn two(seconds: i64, large: i64, large_unit: &str, small: i64, small_unit: &str) -> String {
    let (first, second) = (seconds / large, seconds % large / small);
    if second == 0 {
        format!("{first}{large_unit}")
    } else {
        format!("{first}{large_unit}{second}{small_unit}")
    }
}

/// How long ago, in one unit: `0s`, `4s`, `12m`, `3h`, `5d`.
pub fn age(then_ms: i64, now_ms: i64) -> String {
    let seconds = (now_ms - then_ms).max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// For programs: RFC 3339 in UTC. Empty when the number is no time.
pub fn iso(ms: i64) -> String {
    DateTime::<Utc>::from_timestamp_millis(ms)
        .map(|time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
        .unwrap_or_default()
}

/// For people: this machine's zone.
pub fn local(ms: i64) -> String {
    DateTime::<Utc>::from_timestamp_millis(ms).map_or_else(
        || ms.to_string(),
        |time| time.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

/// Reads `250ms`, `5s`, `1.5h`, `2d`: a number and its unit.
///
/// # Examples
///
/// ```
/// use bullock::cli::time::parse_duration;
/// use std::time::Duration;
/// assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
/// assert!(parse_duration("5").unwrap_err().contains("unit"));
/// assert!(parse_duration("-5s").is_err());
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected = "expected a number with a unit of ms, s, m, h or d, such as 30s";
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_s = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(expected.into()),
    };
    let number: f64 = number.parse().map_err(|_| expected.to_owned())?;
    Duration::try_from_secs_f64((number * unit_s * 1000.0).round() / 1000.0).map_err(|_| expected.into())
}

#[cfg(test)]
mod tests {
    #[test]
    fn durations_have_at_most_two_units() {
        let cases = [
            (350, "350ms"),
            (4200, "4.2s"),
            (31_000, "31s"),
            (130_000, "2m10s"),
            (120_000, "2m"),
            (19_200_000, "5h20m"),
            (1_036_800_000, "12d"),
            (-5, "0ms"),
        ];
        for (ms, text) in cases {
            assert_eq!(super::duration(ms), text);
        }
    }
}
