//! Sketches of durations: counts by steps that grow by a fifth, so that a percentile is right to within a tenth.
//!
//! Owns: the steps and what is read from them. Must never know: where counts come from.

use std::collections::BTreeMap;

use super::Spread;

/// Steps in which a duration doubles.
const STEPS_PER_DOUBLING: f64 = 4.0;

/// The step of a duration, µs: 0 = none at all.
///
/// ```
/// use bullock::store::history::sketch::{middle_us, step_of};
/// let us = 1_500_000;
/// let error = middle_us(step_of(us)) / us as f64 - 1.0;
/// assert!(error.abs() < 0.1, "{error}");
/// ```
pub fn step_of(us: u64) -> u16 {
    if us == 0 { 0 } else { 1 + (STEPS_PER_DOUBLING * (us as f64).log2()).floor() as u16 }
}

/// What stands for the durations of a step, µs.
pub fn middle_us(step: u16) -> f64 {
    if step == 0 { 0.0 } else { ((f64::from(step) - 0.5) / STEPS_PER_DOUBLING).exp2() }
}

/// Counts by step, and the sum of what was counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Sketch {
    steps: BTreeMap<u16, u64>,
    sum_us: u64,
}

impl Sketch {
    pub(super) fn add(&mut self, step: u16, n: u64) {
        *self.steps.entry(step).or_default() += n;
    }

    pub(super) fn add_sum_us(&mut self, us: u64) {
        self.sum_us = self.sum_us.saturating_add(us);
    }

    pub(super) fn spread(&self) -> Spread {
        let count: u64 = self.steps.values().sum();
        if count == 0 {
            return Spread::default();
        }
        Spread {
            count,
            mean_ms: self.sum_us as f64 / count as f64 / 1000.0,
            p50_ms: self.percentile_ms(count, 0.50),
            p95_ms: self.percentile_ms(count, 0.95),
            p99_ms: self.percentile_ms(count, 0.99),
        }
    }

    fn percentile_ms(&self, count: u64, part: f64) -> f64 {
        let wanted = (count as f64 * part).ceil().max(1.0) as u64;
        let mut below = 0;
        for (step, n) in &self.steps {
            below += n;
            if below >= wanted {
                return middle_us(*step) / 1000.0;
            }
        }
        0.0
    }
}
