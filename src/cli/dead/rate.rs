//! `--rate 50/s`: how fast a replay goes, so that what was just mended is not run over.

use std::time::{Duration, Instant};

/// Jobs in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    /// So many jobs …
    jobs: u32,
    /// … in this time.
    per: Duration,
}

/// What `--rate` is unless given.
pub(super) const DEFAULT: &str = "50/s";
/// The largest batch: one script call.
const BATCH_MAX: u32 = 100;
/// Batches in a second, where the rate allows it.
const BEATS_A_SECOND: u32 = 10;

impl Rate {
    /// Jobs of one batch.
    pub(super) fn batch(self) -> usize {
        let a_second = f64::from(self.jobs) / self.per.as_secs_f64();
        (a_second / f64::from(BEATS_A_SECOND)).ceil().clamp(1.0, f64::from(BATCH_MAX)) as usize
    }

    /// How long `jobs` of them take.
    fn time_of(self, jobs: usize) -> Duration {
        self.per.mul_f64(jobs as f64 / f64::from(self.jobs))
    }
}

/// Reads `50/s`, `100/m`, `10/h`.
pub(super) fn parse(text: &str) -> Result<Rate, String> {
    let expected = "expected jobs in a time, such as 50/s, 100/m or 10/h";
    let (jobs, unit) = text.split_once('/').ok_or(expected)?;
    let per = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(expected.into()),
    };
    let jobs = jobs.parse().ok().filter(|jobs| (1..=1_000_000).contains(jobs)).ok_or(expected)?;
    Ok(Rate { jobs, per: Duration::from_secs(per) })
}

/// Keeps the rate over a whole replay: a slow batch is made up for by no faster one than the rate allows.
pub(super) struct Pace {
    rate: Rate,
    next: Instant,
}

impl Pace {
    /// Begins now.
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, next: Instant::now() }
    }

    /// Waits for the turn of the next batch.
    pub(super) async fn turn(&self) {
        tokio::time::sleep_until(self.next.into()).await;
    }

    /// Notes that so many jobs were put back just now.
    pub(super) fn spent(&mut self, jobs: usize) {
        self.next = self.next.max(Instant::now()) + self.rate.time_of(jobs);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_rate_is_jobs_in_a_time_and_is_kept_in_small_batches() {
        assert_eq!(super::parse("50/s").unwrap().batch(), 5);
        assert_eq!(super::parse("100/m").unwrap().batch(), 1);
        assert_eq!(super::parse("100000/s").unwrap().batch(), 100);
        assert_eq!(super::parse("50/s").unwrap().time_of(5).as_millis(), 100);
        for wrong in ["50", "0/s", "5/d", "x/s", "-1/s"] {
            assert!(super::parse(wrong).is_err(), "{wrong}");
        }
    }
}
