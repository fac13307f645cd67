//! When an alert is due: what was seen, held against the thresholds of the config.
//!
//! Owns: which figures make an alert, over what time. Must never know: how they were read, how anybody is told. Called by
//! `app` at every look.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Failures are those of the last jobs over this time.
pub const FAILURES_OVER: Duration = Duration::from_mins(5);
/// Of fewer jobs that ended in it no ratio is made.
pub const FAILURES_OF_MIN: u64 = 10;

/// What is worth an alert; what is left out never is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// A job waits for longer.
    pub oldest_waiting: Option<Duration>,
    /// At least this part of the jobs that end fails for good, 0 to 1.
    pub failure_ratio: Option<f64>,
    /// At least so many jobs look alive and are not.
    pub zombies: Option<u64>,
    /// Nobody claims from a queue for longer.
    pub no_worker: Option<Duration>,
    /// A handler cannot be reached, or does not know us.
    pub handler_unhealthy: bool,
}

/// A queue at one moment. `None` = it is not known just now, and nothing changes.
#[derive(Debug, Clone, Default)]
pub struct QueueSight {
    /// Its name.
    pub queue: String,
    /// How long the job that has waited longest has done so; zero = none waits.
    pub oldest_waiting: Option<Duration>,
    /// Jobs that this process has completed and failed since its start.
    pub ended: Option<(u64, u64)>,
    /// Jobs that look alive and are not.
    pub zombies: Option<u64>,
    /// Workers that claim from it.
    pub workers: Option<usize>,
}

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // as the fields of Rules
pub enum Kind {
    OldestWaiting,
    FailureRatio,
    Zombies,
    NoWorker,
    HandlerUnhealthy,
}

impl Kind {
    /// The word of the config, and of messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OldestWaiting => "oldest_waiting",
            Self::FailureRatio => "failure_ratio",
            Self::Zombies => "zombies",
            Self::NoWorker => "no_worker",
            Self::HandlerUnhealthy => "handler_unhealthy",
        }
    }

    /// Is it a fact of Redis, which all processes see alike? The others are what one process has met.
    pub fn is_shared(self) -> bool {
        matches!(self, Self::OldestWaiting | Self::Zombies | Self::NoWorker)
    }
}

/// How one thing stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// What it is about.
    pub kind: Kind,
    /// The queue, or the handler.
    pub subject: String,
    /// Is it beyond its threshold?
    pub is_firing: bool,
    /// What was seen: seconds, jobs, a part of one; 1 = unhealthy.
    pub value: f64,
    /// The threshold, in the same unit.
    pub threshold: f64,
}

impl Level {
    /// It in words.
    ///
    /// # Examples
    ///
    /// ```
    /// use bullock::telemetry::alert::{Kind, Level};
    /// let level = Level { kind: Kind::Zombies, subject: "woo".into(), is_firing: true, value: 2.0, threshold: 1.0 };
    /// assert_eq!(level.text(), "queue woo: 2 jobs look alive and are not (limit 1)");
    /// ```
    pub fn text(&self) -> String {
        let Self { subject, value, threshold, .. } = self;
        let what = match self.kind {
            Kind::OldestWaiting => {
                format!("the oldest waiting job has waited {value:.0} s (limit {threshold:.0} s)")
            }
            Kind::FailureRatio => {
                let (part, limit) = (value * 100.0, threshold * 100.0);
                format!("{part:.0} % of the jobs fail (limit {limit:.0} %)")
            }
            Kind::Zombies => format!("{value:.0} jobs look alive and are not (limit {threshold:.0})"),
            Kind::NoWorker if self.is_firing => {
                format!("no worker for {value:.0} s (limit {threshold:.0} s)")
            }
            Kind::NoWorker => "there is a worker".to_owned(),
            Kind::HandlerUnhealthy if self.is_firing => {
                return format!("handler {subject} does not answer as it should");
            }
            Kind::HandlerUnhealthy => return format!("handler {subject} answers"),
        };
        format!("queue {subject}: {what}")
    }
}

/// Counts of a process at earlier looks: when, completed, failed.
type Past = VecDeque<(Instant, u64, u64)>;

/// Holds what is seen against the rules.
#[derive(Debug)]
pub struct Judge {
    rules: Rules,
    ended: HashMap<String, Past>,
    /// Since when nobody claims from a queue.
    idle_since: HashMap<String, Instant>,
}

impl Judge {
    /// One who has seen nothing yet.
    pub fn new(rules: Rules) -> Self {
        Self { rules, ended: HashMap::new(), idle_since: HashMap::new() }
    }

    /// How all that is known stands.
    pub fn judge(&mut self, queues: &[QueueSight], handlers: &[(String, bool)], now: Instant) -> Vec<Level> {
        let mut levels = Vec::new();
        for sight in queues {
            let mut level = |kind, value: f64, threshold: f64, is_firing| {
                levels.push(Level { kind, subject: sight.queue.clone(), is_firing, value, threshold });
            };
            if let (Some(limit), Some(oldest)) = (self.rules.oldest_waiting, sight.oldest_waiting) {
                level(Kind::OldestWaiting, oldest.as_secs_f64(), limit.as_secs_f64(), oldest > limit);
            }
            if let (Some(limit), Some(found)) = (self.rules.zombies, sight.zombies) {
                level(Kind::Zombies, found as f64, limit as f64, found >= limit);
            }
            if let (Some(limit), Some(workers)) = (self.rules.no_worker, sight.workers) {
                let idle = if workers > 0 {
                    self.idle_since.remove(&sight.queue);
                    Duration::ZERO
                } else {
                    now - *self.idle_since.entry(sight.queue.clone()).or_insert(now)
                };
                level(Kind::NoWorker, idle.as_secs_f64(), limit.as_secs_f64(), workers == 0 && idle >= limit);
            }
            if let (Some(limit), Some(ended)) = (self.rules.failure_ratio, sight.ended) {
                let past = self.ended.entry(sight.queue.clone()).or_default();
                let ratio = failures(past, ended, now);
                level(Kind::FailureRatio, ratio, limit, ratio >= limit && ratio > 0.0);
            }
        }
        for (handler, healthy) in handlers.iter().filter(|_| self.rules.handler_unhealthy) {
            levels.push(Level {
                kind: Kind::HandlerUnhealthy,
                subject: handler.clone(),
                is_firing: !healthy,
                value: f64::from(u8::from(!healthy)),
                threshold: 1.0,
            });
        }
        levels
    }
}

/// Which part of those that ended of late has failed; 0 of too few.
fn failures(past: &mut Past, (completed, failed): (u64, u64), now: Instant) -> f64 {
    while past.len() > 1 && past.get(1).is_some_and(|(at, ..)| now - *at >= FAILURES_OVER) {
        past.pop_front();
    }
    past.push_back((now, completed, failed));
    let (_, then_completed, then_failed) = past.front().copied().unwrap_or((now, 0, 0));
    let (completed, failed) = (completed.saturating_sub(then_completed), failed.saturating_sub(then_failed));
    let ended = completed + failed;
    if ended < FAILURES_OF_MIN { 0.0 } else { failed as f64 / ended as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(change: impl FnOnce(&mut QueueSight)) -> [QueueSight; 1] {
        let mut sight = QueueSight { queue: "q".into(), ..QueueSight::default() };
        change(&mut sight);
        [sight]
    }

    fn firing(levels: &[Level]) -> Vec<Kind> {
        levels.iter().filter(|level| level.is_firing).map(|level| level.kind).collect()
    }

    #[test]
    fn what_is_not_known_changes_nothing_and_what_is_not_asked_for_is_not_judged() {
        let start = Instant::now();
        let all = Rules {
            oldest_waiting: Some(Duration::from_secs(5)),
            failure_ratio: Some(0.2),
            zombies: Some(1),
            no_worker: Some(Duration::ZERO),
            handler_unhealthy: true,
        };
        assert_eq!(Judge::new(all.clone()).judge(&seen(|_| {}), &[], start), []);
        let full = seen(|sight| {
            sight.oldest_waiting = Some(Duration::from_secs(6));
            sight.ended = Some((0, 0));
            sight.zombies = Some(1);
            sight.workers = Some(0);
        });
        let levels = Judge::new(all).judge(&full, &[("h".into(), false)], start);
        assert_eq!(
            firing(&levels),
            [Kind::OldestWaiting, Kind::Zombies, Kind::NoWorker, Kind::HandlerUnhealthy]
        );
        assert_eq!(Judge::new(Rules::default()).judge(&full, &[("h".into(), false)], start), []);
    }

    #[test]
    fn a_queue_without_workers_is_told_of_only_after_a_while() {
        let rules = Rules { no_worker: Some(Duration::from_mins(1)), ..Rules::default() };
        let (mut judge, start) = (Judge::new(rules), Instant::now());
        let mut at = |seconds: u64, workers| {
            let sight = seen(|sight| sight.workers = Some(workers));
            firing(&judge.judge(&sight, &[], start + Duration::from_secs(seconds))).len()
        };
        assert_eq!(
            [at(0, 0), at(59, 0), at(60, 0), at(70, 1), at(80, 0), at(139, 0), at(140, 0)],
            [0, 0, 1, 0, 0, 0, 1]
        );
    }

    #[test]
    fn failures_are_those_of_late_and_of_enough_jobs() {
        let rules = Rules { failure_ratio: Some(0.2), ..Rules::default() };
        let (mut judge, start) = (Judge::new(rules), Instant::now());
        let mut at = |minutes: u64, completed, failed| {
            let sight = seen(|sight| sight.ended = Some((completed, failed)));
            firing(&judge.judge(&sight, &[], start + Duration::from_mins(minutes))).len()
        };
        assert_eq!(at(0, 100, 100), 0, "what was before the first look is not of late");
        assert_eq!(at(1, 100, 109), 0, "too few");
        assert_eq!(at(2, 107, 110), 1);
        assert_eq!(at(3, 200, 110), 0);
        assert_eq!(at(9, 200, 110), 0, "nothing has ended of late");
    }
}
