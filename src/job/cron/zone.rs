//! What a time zone is to a schedule: the difference from UTC at an instant.

use std::sync::OnceLock;

use chrono::{Local, Offset, TimeZone};
use chrono_tz::Tz;

/// The zone that a pattern's fields are meant in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// Coordinated universal time.
    Utc,
    /// A zone of the IANA database.
    Named(Tz),
    /// So many seconds east of UTC, always: `UTC+3`.
    Fixed(i32),
    /// The zone of this process, as `TZ` or the system says.
    Local,
}

/// A zone that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown time zone {0:?}: expected an IANA name such as Europe/Rome, or UTC, UTC+3, local")]
pub struct UnknownZone(pub String);

/// Old names that Node knows beside the IANA ones.
const OLD_NAMES: &str = "ACT=Australia/Darwin AET=Australia/Sydney AGT=America/Argentina/Buenos_Aires \
    ART=Africa/Cairo AST=America/Anchorage BET=America/Sao_Paulo BST=Asia/Dhaka CAT=Africa/Harare \
    CNT=America/St_Johns CST=America/Chicago CTT=Asia/Shanghai EAT=Africa/Addis_Ababa ECT=Europe/Paris \
    IET=America/Indiana/Indianapolis IST=Asia/Kolkata JST=Asia/Tokyo MIT=Pacific/Apia NET=Asia/Yerevan \
    NST=Pacific/Auckland PLT=Asia/Karachi PNT=America/Phoenix PRT=America/Puerto_Rico \
    PST=America/Los_Angeles SST=Pacific/Guadalcanal VST=Asia/Ho_Chi_Minh";

impl Zone {
    /// Reads a zone as Node does: an IANA name in any case, `UTC`, `GMT`, `UTC+3`, `UTC-03:30`; `local` and
    /// `system` are the zone of the process.
    ///
    /// # Examples
    ///
    /// ```
    /// use bullock::job::cron::Zone;
    /// assert_eq!(Zone::parse("utc+05:30"), Ok(Zone::Fixed(19_800)));
    /// assert!(Zone::parse("Not/AZone").unwrap_err().to_string().contains("Europe/Rome"));
    /// ```
    pub fn parse(text: &str) -> Result<Self, UnknownZone> {
        let lower = text.to_ascii_lowercase();
        match lower.as_str() {
            "utc" | "gmt" => return Ok(Self::Utc),
            "local" | "system" | "default" => return Ok(Self::Local),
            _ => {}
        }
        if let Some(seconds) = lower.strip_prefix("utc").and_then(fixed_seconds) {
            return Ok(Self::Fixed(seconds));
        }
        let old = OLD_NAMES
            .split(' ')
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, _)| name.eq_ignore_ascii_case(text));
        let wanted = old.map_or(text, |(_, name)| name);
        let known = chrono_tz::TZ_VARIANTS.iter().find(|tz| tz.name().eq_ignore_ascii_case(wanted));
        known.map(|tz| Self::Named(*tz)).ok_or_else(|| UnknownZone(text.to_owned()))
    }

    /// Milliseconds east of UTC at an instant (ms since the epoch). Instants beyond what the calendar can say
    /// count as the epoch.
    pub(crate) fn offset_ms(self, at_ms: i64) -> i64 {
        let utc = chrono::DateTime::from_timestamp_millis(at_ms).unwrap_or_default().naive_utc();
        let seconds = match self {
            Self::Utc => 0,
            Self::Fixed(seconds) => seconds,
            Self::Named(tz) => tz.offset_from_utc_datetime(&utc).fix().local_minus_utc(),
            Self::Local => match process_zone() {
                Some(tz) => return Self::Named(tz).offset_ms(at_ms),
                None => Local.offset_from_utc_datetime(&utc).fix().local_minus_utc(),
            },
        };
        i64::from(seconds) * 1000
    }

    /// The instant of a wall-clock time (as ms, as if it were UTC). Of two such instants, the one with the
    /// offset `hint_ms`; a time that the clock skips is read with the offset of before the gap, which lands
    /// behind it.
    pub(crate) fn instant(self, wall_ms: i64, hint_ms: i64) -> i64 {
        let guess = wall_ms - hint_ms;
        let offset = self.offset_ms(guess);
        if offset == hint_ms {
            return guess;
        }
        let better = wall_ms - offset;
        let again = self.offset_ms(better);
        if again == offset { better } else { wall_ms - offset.min(again) }
    }
}

/// The zone of this process by name, read once: `TZ`, else what `/etc/localtime` points to. By name, because Node
/// brings its own zone data and a small container may have none, where `TZ=Asia/Tokyo` must not turn into UTC.
fn process_zone() -> Option<Tz> {
    static FOUND: OnceLock<Option<Tz>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let name = match std::env::var("TZ") {
            Ok(name) if !name.is_empty() => name.trim_start_matches(':').to_owned(),
            _ => std::fs::read_link("/etc/localtime").ok()?.to_str()?.split_once("zoneinfo/")?.1.to_owned(),
        };
        match Zone::parse(&name).ok()? {
            Zone::Named(tz) => Some(tz),
            Zone::Utc => Some(Tz::UTC),
            Zone::Fixed(_) | Zone::Local => None,
        }
    })
}

/// `+3`, `-03:30`.
fn fixed_seconds(text: &str) -> Option<i32> {
    let sign = match text.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text[1..].split_once(':').unwrap_or((&text[1..], "00"));
    let digits = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        (lengths.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse::<i32>().ok())?
    };
    Some(sign * (digits(hours, 1..=2)? * 3600 + digits(minutes, 2..=2)? * 60))
}
