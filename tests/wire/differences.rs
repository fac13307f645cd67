//! Where our scripts differ from npm bull on purpose: the vector, the field, the reason.

pub struct Allowed {
    pub vector: &'static str,
    /// The path of the differing leaf.
    pub path: &'static str,
    #[allow(dead_code, reason = "written for people")]
    pub reason: &'static str,
}

impl Allowed {
    pub fn matches(&self, path: &str) -> bool {
        self.path == path
    }
}

const fn allow(vector: &'static str, path: &'static str, reason: &'static str) -> Allowed {
    Allowed { vector, path, reason }
}

const GHOST: &str =
    "an id without a body is not run and makes no ghost: it is a dead letter with the reason (quirk Q4)";
const NULL_KEEPS: &str =
    "removeOnComplete: null counts as absent; Bull's script fails half-way and loses the job (quirk Q6)";
const NO_WAY_PAST_THE_LOCK: &str = "the replay ends the job with its token: no write of ours ignores a lock";
const STALE_WRITES_NOTHING: &str =
    "a run whose lock is gone writes nothing, not even the failure fields (quirk Q1)";
const CHECKED_FIRST: &str = "a retry that is refused has changed nothing (quirk Q7)";
const NO_BOUNCE_BACK: &str = "bounceBack leaves the job nowhere; ours sleeps in delayed as without it";
const NO_LEAK: &str = "what belongs to a deleted job goes with it";
const STAYS_PAUSED: &str = "emptying a paused queue does not resume it; Bull drops half of the flag";
const LIMIT_WORKS: &str =
    "clean with a limit deletes delayed jobs too; Bull compares milliseconds with scores";

pub const ALLOWED: &[Allowed] = &[
    allow("claim-ghost-id", "after/active", GHOST),
    allow("claim-ghost-id", "after/failed", GHOST),
    allow("claim-ghost-id", "after/ghost/value/failedReason", GHOST),
    allow("claim-ghost-id", "after/ghost/value/finishedOn", GHOST),
    allow("claim-ghost-id", "after/ghost/value/name", GHOST),
    allow("claim-ghost-id", "after/ghost/value/processedOn", GHOST),
    allow("claim-ghost-id", "after/ghost/value/stacktrace", GHOST),
    allow("claim-ghost-id", "after/ghost/value/timestamp", GHOST),
    allow("claim-ghost-id", "after/ghost:lock", GHOST),
    allow("claim-ghost-id", "published/0/channel", GHOST),
    allow("claim-ghost-id", "published/0/message", GHOST),
    allow("delayed-ghost", "after/failed", GHOST),
    allow("delayed-ghost", "after/ghost/value/delay", GHOST),
    allow("delayed-ghost", "after/ghost/value/failedReason", GHOST),
    allow("delayed-ghost", "after/ghost/value/finishedOn", GHOST),
    allow("delayed-ghost", "after/ghost/value/name", GHOST),
    allow("delayed-ghost", "after/ghost/value/stacktrace", GHOST),
    allow("delayed-ghost", "after/ghost/value/timestamp", GHOST),
    allow("delayed-ghost", "after/wait", GHOST),
    allow("delayed-ghost", "published/0/channel", GHOST),
    allow("delayed-ghost", "published/0/message", GHOST),
    allow("complete-remove-null", "after/1/value/finishedOn", NULL_KEEPS),
    allow("complete-remove-null", "after/1/value/returnvalue", NULL_KEEPS),
    allow("complete-remove-null", "after/completed", NULL_KEEPS),
    allow("complete-remove-null", "published", NULL_KEEPS),
    allow("complete-ignore-lock", "after/1:lock", NO_WAY_PAST_THE_LOCK),
    allow("complete-ignore-lock", "after/stalled", NO_WAY_PAST_THE_LOCK),
    allow("fail-lock-lost", "after/1/value/attemptsMade", STALE_WRITES_NOTHING),
    allow("fail-lock-lost", "after/1/value/failedReason", STALE_WRITES_NOTHING),
    allow("fail-lock-lost", "after/1/value/stacktrace", STALE_WRITES_NOTHING),
    allow("job-retry-not-failed", "after/1/value/finishedOn", CHECKED_FIRST),
    allow("job-retry-not-failed", "after/1/value/processedOn", CHECKED_FIRST),
    allow("job-retry-not-failed", "after/1/value/retriedOn", CHECKED_FIRST),
    allow("limiter-bounceback", "after/delayed", NO_BOUNCE_BACK),
    allow("limiter-bounceback", "after/limiter:index", NO_BOUNCE_BACK),
    allow("limiter-bounceback", "after/limiter:limited", NO_BOUNCE_BACK),
    allow("limiter-bounceback", "published", NO_BOUNCE_BACK),
    allow("empty", "after/3", NO_LEAK),
    allow("empty", "after/meta-paused", STAYS_PAUSED),
    allow("obliterate-force", "after/de:d1", NO_LEAK),
    allow("clean-delayed-limit", "after/1", LIMIT_WORKS),
    allow("clean-delayed-limit", "after/2", LIMIT_WORKS),
    allow("clean-delayed-limit", "after/delayed", LIMIT_WORKS),
];
