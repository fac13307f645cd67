//! Durations and sizes as people write them: `"30s"`, `"1h30m"`, `"1MiB"`.
//!
//! Must never know: which option they belong to.

/// Units of time and their milliseconds, the longest first.
const TIME: &[(&str, u64)] =
    &[("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Units of size and their bytes, the largest first.
const SIZE: &[(&str, u64)] = &[
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

/// Milliseconds of a text such as `"1h30m"`, `"1.5s"` or `"250ms"`.
///
/// # Errors
/// One clause that says what is wrong with it.
pub fn parse_duration_ms(text: &str) -> Result<u64, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("is empty".to_owned());
    }
    let mut total = 0_f64;
    while !rest.is_empty() {
        let (number, unit, after) = split_quantity(rest)?;
        let factor = factor(TIME, unit).ok_or_else(|| no_unit(unit))?;
        total += number * factor;
        rest = after;
    }
    whole(total)
}

/// Bytes of a text such as `"1MiB"`.
///
/// # Errors
/// One clause that says what is wrong with it.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let (number, unit, after) = split_quantity(text.trim())?;
    if !after.is_empty() {
        return Err("is more than one size".to_owned());
    }
    let factor = factor(SIZE, unit).ok_or_else(|| no_unit(unit))?;
    whole(number * factor)
}

/// The shortest exact text of a duration.
pub fn format_duration_ms(ms: u64) -> String {
    format_with(TIME, ms, "0s")
}

/// The shortest exact text of a size.
pub fn format_bytes(bytes: u64) -> String {
    format_with(SIZE, bytes, "0B")
}

fn format_with(units: &[(&str, u64)], value: u64, zero: &str) -> String {
    if value == 0 {
        return zero.to_owned();
    }
    let exact = units.iter().find(|(_, factor)| value.is_multiple_of(*factor));
    exact.map_or_else(|| value.to_string(), |(unit, factor)| format!("{}{unit}", value / factor))
}

/// The first number, its unit, and what follows.
fn split_quantity(text: &str) -> Result<(f64, &str, &str), String> {
    if text.starts_with('-') {
        return Err("is negative".to_owned());
    }
    let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, rest) = text.split_at(number_end);
    let number: f64 = number.parse().map_err(|_| "does not begin with a number".to_owned())?;
    let rest = rest.trim_start();
    let unit_end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, after) = rest.split_at(unit_end);
    Ok((number, unit.trim(), after))
}

fn factor(units: &[(&str, u64)], unit: &str) -> Option<f64> {
    units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor as f64)
}

fn no_unit(unit: &str) -> String {
    if unit.is_empty() { "has no unit" } else { "has an unknown unit" }.to_owned()
}

/// Above 2^53 a float no longer counts in ones, and no bound of ours is near it.
fn whole(value: f64) -> Result<u64, String> {
    if value > 9_007_199_254_740_992.0 {
        return Err("is too large".to_owned());
    }
    if value.fract() > 1e-6 && value.fract() < 1.0 - 1e-6 {
        return Err("is finer than the smallest unit".to_owned());
    }
    Ok(value.round() as u64)
}
