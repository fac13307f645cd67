//! One field of a pattern: its range, its names, and the parts between its commas.

use std::fmt;

use self::FieldName::{DayOfMonth, DayOfWeek, Hour, Minute, Month, Second};

const MONTHS: &str = "jan feb mar apr may jun jul aug sep oct nov dec";
const WEEKDAYS: &str = "sun mon tue wed thu fri sat";
/// The six fields, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldName {
    /// 0-59.
    Second,
    /// 0-59.
    Minute,
    /// 0-23.
    Hour,
    /// 1-31 and `L`.
    DayOfMonth,
    /// 1-12 and names.
    Month,
    /// 0-7 and names, `L`, `#`.
    DayOfWeek,
}

impl FieldName {
    pub(super) fn range(self) -> (u32, u32) {
        match self {
            Second | Minute => (0, 59),
            Hour => (0, 23),
            DayOfMonth => (1, 31),
            Month => (1, 12),
            DayOfWeek => (0, 7),
        }
    }

    fn special_chars(self) -> &'static str {
        match self {
            DayOfMonth | DayOfWeek => "*,-/?L",
            _ => "*,-/",
        }
    }

    /// The number of a three-letter name.
    fn number_of(self, name: &str) -> Option<usize> {
        let (names, first) = match self {
            Month => (MONTHS, 1),
            DayOfWeek => (WEEKDAYS, 0),
            _ => return None,
        };
        names.split(' ').position(|known| known.eq_ignore_ascii_case(name)).map(|index| index + first)
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Second => "second",
            Minute => "minute",
            Hour => "hour",
            DayOfMonth => "day of month",
            Month => "month",
            DayOfWeek => "day of week",
        })
    }
}

/// One part of a field, between commas, as the parser hands it on.
pub(super) enum Part {
    One(u32),
    Many { from: u32, to: u32, step: u32 },
    Last(String),
}

pub(super) fn nth_weekday(before: &str, nth: &str) -> Result<u32, String> {
    if let Some(c) = before.chars().find(|c| ",-/".contains(*c)) {
        return Err(format!("# cannot be combined with {c}"));
    }
    let number = nth.parse().ok().filter(|n| (1..=5).contains(n) && !nth.starts_with('+'));
    number.ok_or_else(|| format!("\"#{nth}\": expected # and a number in 1-5"))
}

/// Reads `5`, `1-5`, `*`, `*/5`, `1-5/2`, `5/15`, `L` and names.
pub(super) fn read_part(field: FieldName, part: &str) -> Result<Part, String> {
    if part.is_empty() {
        return Err("expected a value here, found nothing".into());
    }
    let (min, max) = field.range();
    let outside = || format!("\"{part}\": expected a value, range or step in {min}-{max}");
    let text = numbers_for_names(field, part)?;
    if let Some(c) = text.chars().find(|c| !c.is_ascii_digit() && !field.special_chars().contains(*c)) {
        return Err(format!("\"{part}\" holds '{c}', expected digits and {}", field.special_chars()));
    }
    let wild = if text.contains('*') { '*' } else { '?' };
    let text = text.replace(wild, &format!("{min}-{max}"));
    let (range, step) = match text.split_once('/') {
        None => (text.as_str(), None),
        Some((_, step)) if step.contains('/') => return Err(format!("\"{part}\" has more than one /")),
        Some((range, step)) => (range, Some(step)),
    };
    if range.contains('L') && !range.contains('-') {
        return Ok(Part::Last(range.to_owned()));
    }
    let step_by = match step.map(number) {
        None => 1,
        Some(Some(step)) if step > 0 => step,
        Some(_) => return Err(format!("\"{part}\": the step after / must be a number above 0")),
    };
    let (from, to) = match (range.split_once('-'), step) {
        // What follows a second - is ignored.
        (Some((from, rest)), _) if !from.is_empty() => {
            (number(from), number(rest.split('-').next().unwrap_or_default()))
        }
        (None, _) if range.is_empty() => (None, None),
        (None, None) => {
            let value = number(range).filter(|n| (min..=max).contains(n)).ok_or_else(outside)?;
            return Ok(Part::One(value));
        }
        (None, Some(_)) => (number(range), Some(max)),
        (Some(_), _) => (None, None),
    };
    match (from, to) {
        (Some(from), Some(to)) if from >= min && to <= max && from <= to => {
            Ok(Part::Many { from, to, step: step_by })
        }
        (Some(from), Some(to)) if from > to && from <= max => {
            Err(format!("\"{part}\": {from} is after {to}"))
        }
        _ => Err(outside()),
    }
}

/// Replaces names by numbers: every three letters in a row count as a name.
fn numbers_for_names(field: FieldName, part: &str) -> Result<String, String> {
    if !matches!(field, Month | DayOfWeek) {
        return Ok(part.to_owned());
    }
    let mut rest = part;
    let mut out = String::with_capacity(part.len());
    while let Some(first) = rest.chars().next() {
        let name = rest.get(..3).filter(|three| three.bytes().all(|b| b.is_ascii_alphabetic()));
        if let Some(name) = name {
            let names = if field == Month { MONTHS } else { WEEKDAYS };
            let known =
                field.number_of(name).ok_or_else(|| format!("\"{part}\": expected one of {names}"))?;
            out.push_str(&known.to_string());
            rest = &rest[3..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    Ok(out)
}

/// A run of digits; none at all is 0, as in JavaScript. Too large stays too large.
fn number(text: &str) -> Option<u32> {
    if text.is_empty() {
        return Some(0);
    }
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().unwrap_or(u32::MAX))
}
