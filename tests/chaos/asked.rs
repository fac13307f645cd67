//! What `script/chaos` asks for, handed over in the environment as `CHAOS_<OPTION>`.

use std::path::PathBuf;

use bullock::wire::Dialect;

use crate::guards::Guard;
use crate::run::Options;

/// The options that the environment names. The script has named them all, and checks nothing.
///
/// # Errors
///
/// One line: what, where, and what was expected.
pub(crate) fn options(of: impl Fn(&str) -> Option<String>) -> Result<Options, String> {
    let text = |name: &str| of(name).filter(|value| !value.is_empty());
    let seed =
        number(text("SEED"), "--seed", "a whole number")?.unwrap_or_else(|| crate::recorder::now_ms() as u64);
    let dialect = match text("DIALECT").as_deref() {
        None | Some("bull") => Dialect::Bull,
        Some("bullmq") => Dialect::BullMq,
        Some(other) => return Err(format!("--dialect {other}: expected bull or bullmq")),
    };
    let mut options = Options::of(seed, dialect);
    let minutes: f64 = number(text("MINUTES"), "--minutes", "minutes, such as 2 or 0.5")?.unwrap_or(1.0);
    if !(0.05..=24.0 * 60.0).contains(&minutes) {
        return Err(format!("--minutes {minutes}: expected 0.05 to 1440"));
    }
    options.ms = (minutes * 60_000.0) as u64;
    options.mixed = text("MIXED").is_some();
    if text("SENTINEL").is_some() {
        options = options.watched();
    }
    options.default_crash_limit = match text("CRASH_LIMIT").as_deref() {
        None | Some("1000") => false,
        Some("default") => true,
        Some(other) => return Err(format!("--crash-limit {other}: expected 1000 or default")),
    };
    options.workers = number(text("WORKERS"), "--workers", "a whole number")?.unwrap_or(options.workers);
    if !(2..=64).contains(&options.workers) {
        return Err(format!("--workers {}: expected 2 to 64", options.workers));
    }
    options.jobs = number(text("JOBS"), "--jobs", "a whole number")?.unwrap_or(0);
    options.binary = text("BINARY").map(PathBuf::from);
    options.other_binary = text("OTHER").map(PathBuf::from);
    options.keep = text("KEEP").map(PathBuf::from);
    options.cut = text("CUT")
        .map(|name| {
            let known = Guard::ALL.map(|(name, _)| name).join(", ");
            let guard = Guard::ALL.into_iter().find(|(known, _)| *known == name);
            guard.map(|(_, guard)| guard).ok_or(format!("--cut {name}: expected one of {known}"))
        })
        .transpose()?;
    if options.sentinel && options.cut.is_some() {
        return Err("--sentinel and --cut: expected one of them".to_owned());
    }
    Ok(options)
}

fn number<T: std::str::FromStr>(text: Option<String>, name: &str, what: &str) -> Result<Option<T>, String> {
    text.map(|text| text.parse().map_err(|_| format!("{name} {text}: expected {what}"))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_of_the_script_are_read_and_wrong_ones_named() {
        let given = |words: &'static [(&str, &str)]| {
            options(move |name| {
                words.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let all =
            given(&[("SEED", "9"), ("MINUTES", "0.5"), ("DIALECT", "bullmq"), ("MIXED", "yes"), ("CUT", "")])
                .unwrap();
        assert_eq!((all.seed, all.ms, all.dialect, all.mixed), (9, 30_000, Dialect::BullMq, true));
        assert_eq!(given(&[("SEED", "x")]).unwrap_err(), "--seed x: expected a whole number");
        assert_eq!(given(&[("DIALECT", "q")]).unwrap_err(), "--dialect q: expected bull or bullmq");
        assert!(given(&[("SENTINEL", "yes")]).unwrap().sentinel);
        assert!(given(&[("CRASH_LIMIT", "default")]).unwrap().default_crash_limit);
        let both = given(&[("SENTINEL", "yes"), ("CUT", "one-lease")]).unwrap_err();
        assert_eq!(both, "--sentinel and --cut: expected one of them");
        assert_eq!(given(&[("WORKERS", "1")]).unwrap_err(), "--workers 1: expected 2 to 64");
    }
}
