//! What jobs there are, from the seed alone: delays, priorities, retries, some that fail by design, long and short ones.

use serde_json::{Value, json};

use crate::seed::Draws;

/// Fails at every attempt.
pub(crate) const ALWAYS: u64 = 99;

/// How one job is meant to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Design {
    pub id: String,
    /// The job's name, which is its handler's: `plain`, `stream`, `program`.
    pub name: &'static str,
    /// How long each attempt takes.
    pub ms: u64,
    /// So many attempts fail first.
    pub fails: u64,
    pub attempts: u64,
    pub backoff_ms: u64,
    pub delay_ms: u64,
    /// 0 = none.
    pub priority: u64,
}

impl Design {
    /// Job `n` of a seed.
    pub(crate) fn of(seed: u64, n: u64, lease_ms: u64) -> Design {
        let mut draws = Draws::of(seed, &format!("job {n}"));
        let name = match draws.between(1, 100) {
            1..=10 => "program",
            11..=50 => "stream",
            _ => "plain",
        };
        let is_long = draws.percent(10);
        let ms = if is_long { draws.between(lease_ms / 2, lease_ms * 3 / 2) } else { draws.between(0, 60) };
        let (fails, attempts) = match draws.between(1, 100) {
            1..=5 => (ALWAYS, 2),
            6..=15 => (1, 2),
            16..=20 => (2, 3),
            _ => (0, 3),
        };
        Design {
            id: format!("j{n}"),
            name,
            ms,
            fails,
            attempts,
            backoff_ms: draws.between(50, 500),
            delay_ms: if draws.percent(15) { draws.between(100, 3000) } else { 0 },
            priority: if draws.percent(15) { draws.between(1, 5) } else { 0 },
        }
    }

    pub(crate) fn is_doomed(&self) -> bool {
        self.fails >= self.attempts
    }

    /// How many attempts there are when nothing goes wrong by itself.
    pub(crate) fn runs(&self) -> u64 {
        self.attempts.min(self.fails + 1)
    }

    pub(crate) fn data(&self) -> Value {
        json!({"ms": self.ms, "fails": self.fails})
    }

    /// Options as npm `bull` and npm `bullmq` take them.
    pub(crate) fn opts(&self) -> Value {
        let mut opts = json!({"jobId": self.id, "attempts": self.attempts,
            "backoff": {"type": "fixed", "delay": self.backoff_ms}});
        if self.delay_ms > 0 {
            opts["delay"] = self.delay_ms.into();
        }
        if self.priority > 0 {
            opts["priority"] = self.priority.into();
        }
        opts
    }
}
