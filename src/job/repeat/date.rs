//! `startDate` and `endDate`: Bull reads such a text with JavaScript's `Date` in the zone of the process, its
//! cron engine with another reader in the zone of the pattern (docs/wire/bull-4.md 11.3).

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime};
use serde_json::Value;

use crate::job::cron::Zone;

const DAY_MS: i64 = 86_400_000;

/// A date as both readers see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instant {
    /// To Bull, ms since the epoch; `None` is NaN.
    pub(super) in_bull: Option<i64>,
    in_engine: Engine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    Unreadable,
    At(i64),
    /// Without an offset: a time on the wall clock of the pattern's zone, in ms as if it were UTC.
    Wall(i64),
}

impl Instant {
    const NONE: Self = Self { in_bull: None, in_engine: Engine::Unreadable };

    fn at(ms: i64) -> Self {
        Self { in_bull: Some(ms), in_engine: Engine::At(ms) }
    }

    /// To the cron engine, ms since the epoch; `None`: it refuses the date.
    pub(super) fn local_in(self, zone: Zone) -> Option<i64> {
        match self.in_engine {
            Engine::Unreadable => None,
            Engine::At(ms) => Some(ms),
            Engine::Wall(wall) => Some(on_wall(zone, wall)),
        }
    }
}

/// Reads a date member.
pub(super) fn instant(value: &Value, zone_of_process: Zone) -> Instant {
    let only_bull = |ms| Instant { in_bull: Some(ms), in_engine: Engine::Unreadable };
    match value {
        Value::Number(ms) => ms.as_f64().map_or(Instant::NONE, |ms| Instant::at(ms as i64)),
        Value::Null => only_bull(0),
        Value::Bool(b) => only_bull(i64::from(*b)),
        Value::String(text) => from_text(text, zone_of_process),
        Value::Array(_) | Value::Object(_) => Instant::NONE,
    }
}

fn from_text(text: &str, zone_of_process: Zone) -> Instant {
    if let Some(iso) = Iso::parse(text) {
        return iso.instant(zone_of_process);
    }
    if let Ok(at) = DateTime::parse_from_rfc2822(text) {
        return Instant::at(at.timestamp_millis());
    }
    // What JavaScript reads and the cron engine does not: its own way of printing, and dates of people.
    let plain = text.split(" (").next().unwrap_or_default();
    if let Ok(at) = DateTime::parse_from_str(plain, "%a %b %d %Y %H:%M:%S GMT%z") {
        return Instant { in_bull: Some(at.timestamp_millis()), in_engine: Engine::Unreadable };
    }
    let day = ["%b %d %Y", "%b %d, %Y", "%d %b %Y", "%Y/%m/%d", "%m/%d/%Y"]
        .iter()
        .find_map(|format| NaiveDate::parse_from_str(text, format).ok());
    let in_bull =
        day.map(|day| on_wall(zone_of_process, day.and_time(NaiveTime::MIN).and_utc().timestamp_millis()));
    Instant { in_bull, in_engine: Engine::Unreadable }
}

/// `2023-11-15`, `2023-11-15T12:00:00.123+01:00` and what lies between; a blank may stand for the T.
struct Iso {
    wall: NaiveDateTime,
    offset_ms: Option<i64>,
    date_only: bool,
    /// `T12`: only the cron engine takes it.
    hour_only: bool,
}

impl Iso {
    fn parse(text: &str) -> Option<Self> {
        let (date, time) =
            text.split_once(['T', 't', ' ']).map_or((text, None), |(date, time)| (date, Some(time)));
        let mut date = date.split('-');
        let year = date.next().filter(|year| year.len() == 4)?.parse().ok()?;
        let day = NaiveDate::from_ymd_opt(year, two_digits(date.next())?, two_digits(date.next())?)?;
        if date.next().is_some() {
            return None;
        }
        let Some(time) = time else {
            let wall = day.and_time(NaiveTime::MIN);
            return Some(Self { wall, offset_ms: None, date_only: true, hour_only: false });
        };
        let (clock, offset_ms) = split_offset(time)?;
        let (whole, fraction) = clock.split_once(['.', ',']).unwrap_or((clock, ""));
        let mut parts = whole.split(':');
        let hour = two_digits(parts.next())?;
        let minute = parts.next();
        let (hour_only, minute) = (minute.is_none(), minute.map_or(Some(0), |m| two_digits(Some(m)))?);
        let second = parts.next().map_or(Some(0), |s| two_digits(Some(s)))?;
        let ms = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
        // 24:00 is the end of the day.
        let day = if hour == 24 { day.checked_add_days(Days::new(1))? } else { day };
        let wall = day.and_hms_milli_opt(hour % 24, minute, second, ms)?;
        let at_end = hour != 24 || (minute, second, ms) == (0, 0, 0);
        (at_end && parts.next().is_none()).then_some(Self { wall, offset_ms, date_only: false, hour_only })
    }

    fn instant(&self, zone_of_process: Zone) -> Instant {
        let wall = self.wall.and_utc().timestamp_millis();
        if let Some(offset) = self.offset_ms {
            return Instant::at(wall - offset);
        }
        let in_bull = match (self.date_only, self.hour_only) {
            // JavaScript: a date alone is UTC, a date with a time is local.
            (true, _) => Some(wall),
            (_, true) => None,
            _ => Some(on_wall(zone_of_process, wall)),
        };
        Instant { in_bull, in_engine: Engine::Wall(wall) }
    }
}

/// Of two instants with this wall-clock time the first, as both readers choose.
fn on_wall(zone: Zone, wall_ms: i64) -> i64 {
    zone.instant(wall_ms, zone.offset_ms(wall_ms - DAY_MS))
}

fn two_digits(text: Option<&str>) -> Option<u32> {
    text.map_or(Some(1), |text| text.parse().ok().filter(|_| text.len() == 2 && !text.starts_with('+')))
}

/// `12:00Z`, `12:00+01:00`, `12:00 +0100`: the clock and the offset.
fn split_offset(time: &str) -> Option<(&str, Option<i64>)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, Some(0)));
    }
    let Some(at) = time.rfind(['+', '-']) else { return Some((time, None)) };
    let (clock, offset) = (time[..at].trim_end(), &time[at + 1..]);
    let digits: String = offset.chars().filter(|c| *c != ':').collect();
    let hours: i64 = two_digits(digits.get(..2)).filter(|_| matches!(digits.len(), 2 | 4))?.into();
    let minutes: i64 = if digits.len() == 4 { two_digits(digits.get(2..))?.into() } else { 0 };
    let sign = if time.as_bytes()[at] == b'-' { -1 } else { 1 };
    Some((clock, Some(sign * (hours * 60 + minutes) * 60_000)))
}
