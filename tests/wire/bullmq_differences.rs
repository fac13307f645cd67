//! Where our scripts differ from npm bullmq on purpose: the step, the field, the reason.

use std::fmt;

use super::bullmq::Recorded;

pub struct Allowed {
    scenario: &'static str,
    /// How the step's call begins.
    call: &'static str,
    /// The path of the differing leaf.
    path: &'static str,
    #[allow(dead_code, reason = "written for people")]
    reason: &'static str,
}

impl Allowed {
    pub fn matches(&self, recorded: &Recorded<'_>, path: &str) -> bool {
        self.scenario == recorded.scenario && recorded.call().starts_with(self.call) && self.path == path
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}: {}", self.scenario, self.call, self.path)
    }
}

const fn allow(
    scenario: &'static str,
    call: &'static str,
    path: &'static str,
    reason: &'static str,
) -> Allowed {
    Allowed { scenario, call, path, reason }
}

const GHOST: &str =
    "an id without a body is not run and makes no ghost: it is a dead letter with the reason (15.12)";
const DRAINED_TOLD: &str = "drained is told whenever nothing waits or runs, whether or not a delayed job is left (quirk of fetch-next, 11.4)";

pub const ALLOWED: &[Allowed] = &[
    allow("complete-delayed-left", "job.moveToCompleted", "events/vec:q:events", DRAINED_TOLD),
    allow("ghost-id", "claim", "after/vec:q:active", GHOST),
    allow("ghost-id", "claim", "after/vec:q:failed", GHOST),
    allow("ghost-id", "claim", "after/vec:q:ghost/value/ats", GHOST),
    allow("ghost-id", "claim", "after/vec:q:ghost/value/failedReason", GHOST),
    allow("ghost-id", "claim", "after/vec:q:ghost/value/finishedOn", GHOST),
    allow("ghost-id", "claim", "after/vec:q:ghost/value/name", GHOST),
    allow("ghost-id", "claim", "after/vec:q:ghost/value/processedOn", GHOST),
    allow("ghost-id", "claim", "after/vec:q:ghost/value/stacktrace", GHOST),
    allow("ghost-id", "claim", "after/vec:q:ghost/value/timestamp", GHOST),
    allow("ghost-id", "claim", "after/vec:q:ghost:lock", GHOST),
    allow("ghost-id", "claim", "events/vec:q:events/0/event", GHOST),
    allow("ghost-id", "claim", "events/vec:q:events/0/failedReason", GHOST),
    allow("ghost-id", "claim", "events/vec:q:events/0/prev", GHOST),
];
