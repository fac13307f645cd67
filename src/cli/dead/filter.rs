//! Which dead letters are meant, as flags say it.

use clap::Args;

use crate::cli::time::parse_duration;
use crate::store::dead::{Filter, UNRECORDED};

/// The reason classes.
const CLASSES: [&str; 9] = [
    "error",
    "timeout",
    "no_progress",
    "crashed",
    "cancelled",
    "undecodable",
    "body_missing",
    "no_handler",
    UNRECORDED,
];

/// Flags that choose dead letters; all that are given must fit.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Chosen {
    /// Of this reason class; "unrecorded" = none of our workers buried it
    #[arg(long, value_name = "CLASS", value_parser = CLASSES)]
    class: Option<String>,
    /// Whose error has this text in it, in any case
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// Whose error has this signature: the hash that --by error shows
    #[arg(long, value_name = "HASH", value_parser = parse_hash)]
    signature: Option<String>,
    /// Failed since then: a time such as 2026-11-23T02:00:00Z, or how long ago, such as 1d
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    since: Option<Moment>,
    /// Failed until then
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    until: Option<Moment>,
    /// Whose data has this value: data.shop=acme; may be given several times
    #[arg(long = "where", value_name = "FIELD=VALUE", value_parser = parse_where)]
    data: Vec<(String, String)>,
}

/// A time as it was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// Ms since the epoch.
    At(i64),
    /// Ms ago.
    Ago(i64),
}

impl Moment {
    fn ms(self, now_ms: i64) -> i64 {
        match self {
            Self::At(ms) => ms,
            Self::Ago(ms) => now_ms - ms,
        }
    }
}

impl Chosen {
    /// The filter, where "ago" counts back from `now_ms`.
    pub(super) fn filter(&self, now_ms: i64) -> Filter {
        Filter {
            class: self.class.clone(),
            error: self.error.clone(),
            signature: self.signature.clone(),
            since_ms: self.since.map(|moment| moment.ms(now_ms)),
            until_ms: self.until.map(|moment| moment.ms(now_ms)),
            data: self.data.clone(),
        }
    }

    /// Was any of them given?
    pub(super) fn is_given(&self) -> bool {
        !self.filter(0).is_empty()
    }
}

fn parse_hash(text: &str) -> Result<String, String> {
    let fits = text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if fits { Ok(text.to_lowercase()) } else { Err("expected 8 hexadecimal digits, such as 9f3c01ab".into()) }
}

fn parse_moment(text: &str) -> Result<Moment, String> {
    if let Ok(ago) = parse_duration(text) {
        return Ok(Moment::Ago(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX / 2)));
    }
    let time = chrono::DateTime::parse_from_rfc3339(text);
    time.map(|time| Moment::At(time.timestamp_millis())).map_err(|_| {
        "expected a time such as 2026-11-23T02:00:00Z, or how long ago, such as 1d or 90m".into()
    })
}

fn parse_where(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').and_then(|(path, value)| Some((path.strip_prefix("data.")?, value)));
    match parts {
        Some((path, value)) if !path.split('.').any(str::is_empty) => Ok((path.into(), value.into())),
        _ => Err("expected a field of the data and its value, such as data.shop=acme".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Moment, parse_moment, parse_where};

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        assert_eq!(parse_moment("90m"), Ok(Moment::Ago(5_400_000)));
        assert_eq!(parse_moment("1970-01-01T00:00:01Z"), Ok(Moment::At(1000)));
        assert!(parse_moment("yesterday").is_err());
    }

    #[test]
    fn where_names_a_field_of_the_data() {
        assert_eq!(parse_where("data.a.b=x=y"), Ok(("a.b".into(), "x=y".into())));
        for wrong in ["a=1", "data=1", "data.=1", "data.a..b=1", "data.a"] {
            assert!(parse_where(wrong).is_err(), "{wrong}");
        }
    }
}
