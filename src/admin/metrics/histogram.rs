//! A histogram of plain atomics: the library's own takes a lock for every observation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// What is measured in whole steps, and how many of them make one of the unit that is shown.
#[derive(Debug)]
pub(super) struct Scale {
    /// Upper bounds of the buckets, in steps, ascending.
    bounds: &'static [u64],
    steps_per_unit: f64,
}

/// Times, counted in microseconds (a sum of them overflows after half a million years), shown in seconds:
/// .005 to 7200.
pub(super) static TIMES: Scale = Scale {
    bounds: &[
        5_000,
        10_000,
        25_000,
        50_000,
        100_000,
        250_000,
        500_000,
        1_000_000,
        2_500_000,
        5_000_000,
        10_000_000,
        30_000_000,
        60_000_000,
        120_000_000,
        300_000_000,
        600_000_000,
        1_800_000_000,
        3_600_000_000,
        7_200_000_000,
    ],
    steps_per_unit: 1e6,
};

/// Round trips to a server nearby: .0001 to 5 s, counted as [`TIMES`] are.
pub(super) static ROUND_TRIPS: Scale = Scale {
    bounds: &[
        100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
        5_000_000,
    ],
    steps_per_unit: 1e6,
};

/// Numbers of attempts.
pub(super) static ATTEMPTS: Scale = Scale { bounds: &[1, 2, 3, 4, 5, 7, 10, 15, 20], steps_per_unit: 1.0 };

/// One histogram; clones share its counts. The counts of a reader who comes in mid-observation may differ by that one.
#[derive(Debug, Clone)]
pub(super) struct Histogram(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    scale: &'static Scale,
    /// One for each bound, and one for what lies above all.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    fn new(scale: &'static Scale) -> Self {
        let counts = (0..=scale.bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Inner { scale, counts, sum: AtomicU64::new(0) }))
    }

    pub(super) fn of_times() -> Self {
        Self::new(&TIMES)
    }

    pub(super) fn of_round_trips() -> Self {
        Self::new(&ROUND_TRIPS)
    }

    pub(super) fn of_attempts() -> Self {
        Self::new(&ATTEMPTS)
    }

    /// Counts one value, in steps.
    pub(super) fn observe(&self, steps: u64) {
        let Inner { scale, counts, sum } = &*self.0;
        let bucket = scale.bounds.partition_point(|bound| *bound < steps);
        counts[bucket].fetch_add(1, Ordering::Relaxed);
        sum.fetch_add(steps, Ordering::Relaxed);
    }

    /// Counts one time.
    pub(super) fn observe_time(&self, time: Duration) {
        self.observe(time.as_micros() as u64);
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Inner { scale, counts, sum } = &*self.0;
        let bounds = scale.bounds.iter().map(|bound| *bound as f64 / scale.steps_per_unit);
        let buckets: Vec<(f64, u64)> = bounds
            .chain([f64::INFINITY])
            .zip(counts.iter().map(|count| count.load(Ordering::Relaxed)))
            .collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = sum.load(Ordering::Relaxed) as f64 / scale.steps_per_unit;
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}
