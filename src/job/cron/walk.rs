//! The search for the next match: a walk over the calendar, field by field, in steps that are those of Node.
//!
//! The steps themselves decide what happens when clocks change, so they are part of the dialect: a day begins
//! at the first instant of its 00:00, an hour is 60 real minutes cut back to its beginning.

use chrono::{DateTime, Datelike, Months, NaiveDateTime, NaiveTime, TimeDelta, Timelike};

use super::{Cron, DAYS, Zone};

/// After so many steps the search gives up: the pattern has no match within reach.
pub const STEPS_MAX: u32 = 10_000;

const HOUR_MS: i64 = 3_600_000;

/// One step of the search.
#[derive(Clone, Copy)]
enum Step {
    Month,
    Day,
    Hour,
    /// An hour on behalf of a skipped one that is not wanted either: says nothing about clock changes.
    PlainHour,
    Minute,
    Second,
}

struct Search<'a> {
    cron: &'a Cron,
    zone: Zone,
    /// Where the search is, ms since the epoch.
    at: i64,
    /// The same on the wall clock.
    wall: NaiveDateTime,
    /// The hour after a gap, which stands in for the skipped one.
    stand_in: Option<u32>,
    /// The hour that the clock shows for the second time.
    repeated: Option<u32>,
}

impl Cron {
    /// The first match strictly after `after_ms`, in ms since the epoch; `None` when there is none up to
    /// `not_after_ms` (inclusive) or within [`STEPS_MAX`] steps.
    pub fn next_after(&self, zone: Zone, after_ms: i64, not_after_ms: Option<i64>) -> Option<i64> {
        let wall = wall_clock(zone, after_ms)?;
        let mut search = Search { cron: self, zone, at: after_ms, wall, stand_in: None, repeated: None };
        for _ in 1..STEPS_MAX {
            if not_after_ms.is_some_and(|end| search.at > end) {
                return None;
            }
            match search.mismatch() {
                Some(step) => search.advance(step)?,
                None if search.at == after_ms => search.advance(Step::Second)?,
                None => return Some(search.at),
            }
        }
        None
    }

    /// Day of month and day of week, both restricted: either may match. The count decides what is restricted.
    fn day_matches(&self, wall: NaiveDateTime) -> bool {
        let (day, weekday) = (wall.day(), wall.weekday().num_days_from_sunday());
        let days_left = u32::from(wall.num_days_in_month()) - day;
        let by_date = self.day_of_month.has(day) || (self.last_day && days_left == 0);
        let by_weekday =
            self.day_of_week.has(weekday) || (days_left < 7 && self.last_weekdays & (1 << weekday) != 0);
        let any_date = self.day_of_month.listed >= DAYS[wall.month0() as usize];
        let any_weekday = self.day_of_week.listed == 8;
        let nth = self.nth_weekday.is_none_or(|nth| day.div_ceil(7) == nth);
        let unrestricted =
            (by_date || (by_weekday && !any_weekday)) && (by_weekday || any_weekday || !any_date);
        unrestricted && nth
    }
}

impl Search<'_> {
    /// The step towards the next match; `None` at a match.
    fn mismatch(&mut self) -> Option<Step> {
        let hour = self.wall.hour();
        if !self.cron.day_matches(self.wall) {
            return Some(Step::Day);
        }
        if !self.cron.month.has(self.wall.month()) {
            return Some(Step::Month);
        }
        if !self.cron.hour.has(hour) {
            if self.stand_in != Some(hour) {
                self.stand_in = None;
                return Some(Step::Hour);
            }
            if hour == 0 || !self.cron.hour.has(hour - 1) {
                return Some(Step::PlainHour);
            }
        } else if self.repeated == Some(hour) {
            self.repeated = None;
            return Some(Step::Hour);
        }
        if !self.cron.minute.has(self.wall.minute()) {
            return Some(Step::Minute);
        }
        (!self.cron.second.has(self.wall.second())).then_some(Step::Second)
    }

    /// Takes one step; `None` at the end of the calendar.
    fn advance(&mut self, step: Step) -> Option<()> {
        let hour_before = self.wall.hour();
        match step {
            Step::Month => {
                self.go_to_wall(self.wall.checked_add_months(Months::new(1))?)?;
                self.go_to_wall(self.wall.with_day(1)?.date().and_time(NaiveTime::MIN))?;
            }
            Step::Day => {
                self.go_to_wall(self.wall.checked_add_signed(TimeDelta::days(1))?)?;
                self.go_to_wall(self.wall.date().and_time(NaiveTime::MIN))?;
            }
            Step::Hour | Step::PlainHour => self.next_start_of(HOUR_MS)?,
            Step::Minute => self.next_start_of(60_000)?,
            Step::Second => self.next_start_of(1000)?,
        }
        let watches_clock = matches!(step, Step::Hour | Step::Minute | Step::Second);
        // A pattern for all 24 hours means every real hour.
        if watches_clock && self.cron.hour.listed != 24 {
            let hour = self.wall.hour();
            if hour == hour_before + 2 {
                self.stand_in = Some(hour);
            } else if hour == hour_before && self.wall.minute() == 0 && self.wall.second() == 0 {
                self.repeated = Some(hour);
            }
        }
        Some(())
    }

    /// One unit of real time on, then back to where the wall clock begins that unit.
    fn next_start_of(&mut self, unit_ms: i64) -> Option<()> {
        let before = self.at;
        self.go_to(self.at + unit_ms)?;
        let wall_ms = self.wall.and_utc().timestamp_millis();
        self.go_to_wall(DateTime::from_timestamp_millis(wall_ms - wall_ms.rem_euclid(unit_ms))?.naive_utc())?;
        if self.at <= before { self.go_to(self.at + HOUR_MS) } else { Some(()) }
    }

    fn go_to(&mut self, at: i64) -> Option<()> {
        self.wall = wall_clock(self.zone, at)?;
        self.at = at;
        Some(())
    }

    fn go_to_wall(&mut self, wall: NaiveDateTime) -> Option<()> {
        let hint = self.wall.and_utc().timestamp_millis() - self.at;
        self.go_to(self.zone.instant(wall.and_utc().timestamp_millis(), hint))
    }
}

fn wall_clock(zone: Zone, at: i64) -> Option<NaiveDateTime> {
    Some(DateTime::from_timestamp_millis(at.checked_add(zone.offset_ms(at))?)?.naive_utc())
}
