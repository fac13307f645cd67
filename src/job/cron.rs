//! Cron patterns, read and searched exactly as npm `cron-parser` 4.9.0 does for Bull 4
//! (docs/wire/bull-4.md 11.3).
//!
//! Owns: the dialect (this file), the search for the next match (walk) and what a time zone is
//! ([`Zone`]). Must never know: jobs, Redis, the present time. Called by [`super::repeat`] and by the checks of
//! config and CLI.
//!
//! Why no crate: those that exist differ from Node around changes of the clock and in small matters of the
//! dialect, and a schedule that Node and we compute differently runs twice.

mod field;
mod walk;
mod zone;

pub use field::FieldName;
pub use walk::STEPS_MAX;
pub use zone::{UnknownZone, Zone};

use self::field::FieldName::{DayOfMonth, DayOfWeek, Hour, Minute, Month, Second};
use self::field::{Part, nth_weekday, read_part};

/// A parsed pattern.
///
/// # Examples
///
/// ```
/// use bullock::job::cron::{Cron, Zone};
/// let cron = Cron::parse("30 2 * * *").unwrap();
/// let rome = Zone::parse("Europe/Rome").unwrap();
/// // 31 March 2024: 02:30 does not exist in Rome, 03:30 stands in for it.
/// assert_eq!(cron.next_after(rome, 1_711_800_000_000, None), Some(1_711_848_600_000));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    second: Values,
    minute: Values,
    hour: Values,
    day_of_month: Values,
    /// `L` in day of month.
    last_day: bool,
    month: Values,
    day_of_week: Values,
    /// `5L`: bit 5.
    last_weekdays: u8,
    /// `1#2`: 2.
    nth_weekday: Option<u32>,
}

/// A pattern that cannot be read: which field, where, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cron {pattern:?}: {}column {column}: {problem}", field.map(|f| format!("{f}, ")).unwrap_or_default())]
pub struct CronError {
    /// The whole pattern.
    pub pattern: String,
    /// The field; `None` when the pattern as a whole is wrong.
    pub field: Option<FieldName>,
    /// Where the faulty part begins, in characters, from 1.
    pub column: usize,
    /// What was found and what was expected.
    pub problem: String,
}

const FIELDS: [FieldName; 6] = [Second, Minute, Hour, DayOfMonth, Month, DayOfWeek];
const MACROS: [(&str, &str); 5] = [
    ("@yearly", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];
/// The longest each month can be.
const DAYS: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/// The values of a field: a set, and how many the pattern lists, doublets included. Node takes "lists as many as
/// there are" for "every", so `*,1` is a restriction and `1-7` as weekdays is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Values {
    bits: u64,
    listed: u32,
}

impl Values {
    fn push(&mut self, value: u32) {
        self.bits |= 1 << value;
        self.listed += 1;
    }

    fn has(self, value: u32) -> bool {
        value < 64 && self.bits & (1 << value) != 0
    }
}

impl Cron {
    /// Reads a pattern: 5 fields, 6 with leading seconds, fewer fill from the right; or one of `@yearly @monthly
    /// @weekly @daily @hourly`.
    pub fn parse(pattern: &str) -> Result<Self, CronError> {
        let text = MACROS.iter().find(|(name, _)| *name == pattern).map_or(pattern, |(_, meaning)| meaning);
        let fail = |field, column, problem| CronError { pattern: pattern.to_owned(), field, column, problem };
        let atoms = split(text);
        if atoms.len() > FIELDS.len() {
            let column = atoms[FIELDS.len()].0;
            return Err(fail(None, column, format!("{} fields, expected 5, or 6 with seconds", atoms.len())));
        }
        if let Some((column, word)) = atoms.first().filter(|(_, word)| word.starts_with('@')) {
            let known = MACROS.map(|(name, _)| name).join(", ");
            return Err(fail(None, *column, format!("\"{word}\" is not one of {known}")));
        }
        let mut cron = Self::every_minute();
        let mut days = (1, "*");
        for ((column, atom), field) in atoms.iter().zip(&FIELDS[FIELDS.len() - atoms.len()..]) {
            cron.read_field(*field, atom).map_err(|(at, why)| fail(Some(*field), column + at, why))?;
            if *field == DayOfMonth {
                days = (*column, *atom);
            }
        }
        cron.fit_days_to_month(days.1).map_err(|why| fail(Some(DayOfMonth), days.0, why))?;
        Ok(cron)
    }

    /// What the missing fields mean.
    fn every_minute() -> Self {
        let all = |field: FieldName| {
            let (min, max) = field.range();
            (min..=max).fold(Values::default(), |mut values, value| {
                values.push(value);
                values
            })
        };
        Self {
            second: Values { bits: 1, listed: 1 },
            minute: all(Minute),
            hour: all(Hour),
            day_of_month: all(DayOfMonth),
            last_day: false,
            month: all(Month),
            day_of_week: all(DayOfWeek),
            last_weekdays: 0,
            nth_weekday: None,
        }
    }

    /// Reads one field. An error is (characters into the field, what is wrong).
    fn read_field(&mut self, field: FieldName, atom: &str) -> Result<(), (usize, String)> {
        let mut list = atom;
        if field == DayOfWeek
            && let Some((before, nth)) = atom.split_once('#')
        {
            self.nth_weekday = Some(nth_weekday(before, nth).map_err(|why| (before.chars().count(), why))?);
            list = before;
        }
        let mut values = Values::default();
        let mut at = 0;
        for part in list.split(',') {
            match read_part(field, part).map_err(|why| (at, why))? {
                Part::One(value) if field == DayOfWeek => values.push(value % 7),
                Part::One(value) => values.push(value),
                Part::Many { from, to, step } => {
                    (from..=to).step_by(step as usize).for_each(|value| values.push(value));
                    // A range of weekdays up to 7 holds Sunday, whatever its step.
                    if field == DayOfWeek && to % 7 == 0 && from != 0 {
                        values.push(0);
                    }
                }
                Part::Last(text) => {
                    values.listed += 1;
                    self.read_last(field, &text).map_err(|why| (at, why))?;
                }
            }
            at += part.chars().count() + 1;
        }
        let target = match field {
            Second => &mut self.second,
            Minute => &mut self.minute,
            Hour => &mut self.hour,
            DayOfMonth => &mut self.day_of_month,
            Month => &mut self.month,
            DayOfWeek => &mut self.day_of_week,
        };
        *target = values;
        Ok(())
    }

    fn read_last(&mut self, field: FieldName, text: &str) -> Result<(), String> {
        if field == DayOfMonth {
            self.last_day = true;
            return Ok(());
        }
        // Node accepts a bare `L` here and then never finds a day, without a word: an error is kinder.
        let weekday = text.chars().next().and_then(|c| c.to_digit(10));
        self.last_weekdays |= 1
            << (weekday.ok_or_else(|| format!("\"{text}\": L needs its weekday before it, such as 5L"))? % 7);
        Ok(())
    }

    /// With a single month, days beyond its end are dropped; none left is an error. An `L` with a number beside
    /// it, which else counts as `L`, is dropped too.
    fn fit_days_to_month(&mut self, days: &str) -> Result<(), String> {
        if self.month.listed != 1 {
            return Ok(());
        }
        let max = DAYS[self.month.bits.trailing_zeros() as usize - 1];
        let first = self.day_of_month.bits.trailing_zeros();
        if (max + 1..u64::BITS).contains(&first) {
            return Err(format!("day {first} does not exist in that month, which ends at {max}"));
        }
        let beyond = self.day_of_month.bits & !((1 << (max + 1)) - 1);
        self.day_of_month.bits &= !beyond;
        self.day_of_month.listed -= beyond.count_ones();
        self.last_day &= days.split(',').any(|part| part.split('/').next() == Some("L"));
        Ok(())
    }
}

/// Splits at white space as JavaScript does: (column from 1, text).
fn split(text: &str) -> Vec<(usize, &str)> {
    let blank = |c: char| (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}';
    text.split(blank)
        .filter(|atom| !atom.is_empty())
        .map(|atom| {
            let offset = atom.as_ptr() as usize - text.as_ptr() as usize;
            (text[..offset].chars().count() + 1, atom)
        })
        .collect()
}
