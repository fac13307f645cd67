//! How long a failed job waits before it is tried again (docs/wire/bull-4.md 8.2).

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

/// `opts.backoff`, normalised: a number means `fixed`.
#[derive(Debug, Clone, PartialEq)]
pub struct Backoff {
    /// `fixed`, `exponential`, or a type that the config defines.
    pub kind: String,
    /// Milliseconds; absent or not a number = no value.
    pub delay: Option<f64>,
    /// Handed to types of the config; unused by the built-in ones.
    pub options: Option<Value>,
    /// How the built-in types count.
    pub law: Law,
}

/// What `fixed` and `exponential` mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Law {
    /// Bull 4: `exponential` is `(2^n - 1) * delay`; a type of the config goes first.
    Bull,
    /// `BullMQ` (docs/wire/bullmq.md 2.2): `exponential` is `2^(n-1) * delay`; built-in types go first.
    BullMq {
        /// 0…1: that part of each wait is drawn, the rest is certain.
        jitter: f64,
    },
}

/// A type that the config defines: `[backoff.<name>]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Strategy {
    /// Wait before attempt 2, 3, …; the last one repeats.
    pub steps: Vec<Duration>,
    /// 0.2 = each wait is drawn from ±20 %.
    pub jitter: f64,
}

/// All types that the config defines, by name. They may shadow `fixed` and `exponential`, as in Bull.
pub type Strategies = HashMap<String, Strategy>;

/// What a backoff answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delay {
    /// No further attempt (a strategy's −1).
    Bury,
    /// Again at once.
    None,
    /// After this many milliseconds.
    Ms(i64),
}

/// A backoff type that nobody defined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown backoff type \"{0}\": define [backoff.{0}] in the config, or use fixed or exponential")]
pub struct UnknownType(pub String);

/// The wait after the `attempts_made`-th failure (1 = the first).
///
/// # Examples
///
/// ```
/// use bullock::job::backoff::{Backoff, Delay, Law, delay_ms};
/// let b = Backoff { kind: "exponential".into(), delay: Some(1000.0), options: None, law: Law::Bull };
/// assert_eq!(delay_ms(Some(&b), 3, &Default::default()), Ok(Delay::Ms(7000)));
/// let b = Backoff { law: Law::BullMq { jitter: 0.0 }, ..b };
/// assert_eq!(delay_ms(Some(&b), 3, &Default::default()), Ok(Delay::Ms(4000)));
/// ```
pub fn delay_ms(
    backoff: Option<&Backoff>,
    attempts_made: u32,
    own: &Strategies,
) -> Result<Delay, UnknownType> {
    let Some(backoff) = backoff else { return Ok(Delay::None) };
    if let Law::BullMq { jitter } = backoff.law
        && let Some(ms) = bullmq_ms(backoff, attempts_made)
    {
        return Ok(from_ms(jittered(ms, jitter)));
    }
    if let Some(strategy) = own.get(&backoff.kind) {
        return Ok(from_strategy(strategy, attempts_made));
    }
    let ms = match backoff.kind.as_str() {
        "fixed" => backoff.delay.unwrap_or(f64::NAN),
        "exponential" => {
            // Half-up, as JavaScript's Math.round: f64::round would round halves away from zero.
            ((2f64.powi(attempts_made.cast_signed()) - 1.0) * backoff.delay.unwrap_or(f64::NAN) + 0.5).floor()
        }
        other => return Err(UnknownType(other.to_owned())),
    };
    Ok(from_ms(ms))
}

/// What a built-in type of `BullMQ` waits before jitter; `None` = another type.
fn bullmq_ms(backoff: &Backoff, attempts_made: u32) -> Option<f64> {
    let delay = backoff.delay.unwrap_or(f64::NAN);
    match backoff.kind.as_str() {
        "fixed" => Some(delay),
        // Half-up, as JavaScript's Math.round.
        "exponential" => Some((2f64.powi(attempts_made.max(1).cast_signed() - 1) * delay + 0.5).floor()),
        _ => None,
    }
}

/// Draws the part of a wait that jitter leaves open.
fn jittered(ms: f64, jitter: f64) -> f64 {
    if jitter > 0.0 { (random_unit() * ms * jitter + ms * (1.0 - jitter)).floor() } else { ms }
}

fn from_ms(ms: f64) -> Delay {
    // Exactly these two values have a meaning of their own; what lies between is a wait of no length.
    if (ms - -1.0).abs() < f64::EPSILON {
        Delay::Bury
    } else if ms.is_nan() || ms.abs() < f64::EPSILON {
        Delay::None
    } else {
        Delay::Ms(ms as i64)
    }
}

fn from_strategy(strategy: &Strategy, attempts_made: u32) -> Delay {
    let index = (attempts_made.max(1) - 1) as usize;
    let Some(step) = strategy.steps.get(index).or(strategy.steps.last()) else { return Delay::None };
    let base = step.as_millis() as f64;
    let spread =
        if strategy.jitter > 0.0 { base * strategy.jitter * (2.0 * random_unit() - 1.0) } else { 0.0 };
    from_ms((base + spread).max(0.0).round())
}

/// A number in 0..1. The standard library's hasher keys are random and need no further crate; jitter needs
/// spread, not secrecy.
fn random_unit() -> f64 {
    use std::hash::{BuildHasher, Hasher};
    let bits = std::collections::hash_map::RandomState::new().build_hasher().finish();
    (bits >> 11) as f64 / (1u64 << 53) as f64
}
