//! Where our scripts differ from npm bullmq on purpose: the step, the field, the reason.

use std::fmt;

use super::bullmq::Recorded;

pub struct Allowed {
    scenario: &'static str,
    /// How the step's call begins.
    call: &'static str,
    /// The path of the differing leaf; with a `*` at its end, of all that begin so.
    path: &'static str,
    #[allow(dead_code, reason = "written for people")]
    reason: &'static str,
}

impl Allowed {
    pub fn matches(&self, recorded: &Recorded<'_>, path: &str) -> bool {
        let is_path = match self.path.strip_suffix('*') {
            Some(beginning) => path.starts_with(beginning),
            None => path == self.path,
        };
        self.scenario == recorded.scenario && recorded.call().starts_with(self.call) && is_path
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

const OPTS: &str =
    "what a producer passes is stored as it is: no number loses digits, no empty list becomes an object";
const STALE: &str =
    "5.x: an id whose job is gone keeps all later jobs out for ever; here it is taken over, as in 6.x";
const LOSS: &str =
    "5.x: resume renames one list over the other and loses jobs; here they are put together (15.1)";
const TWICE: &str = "6.x: an upsert on a paused queue misses the waiting iteration and plans a second one; here it is replaced, \
                     as in 5.x (8.2)";

const WHOLE: &str =
    "a flow is added whole or not at all: BullMQ leaves a parent behind that waits for ever (9.1)";
const PHASE: &str =
    "a changed interval has a phase of its own: with the old one it would shift when a slot is missed (8.4)";
const GOING: &str =
    "a parent that is removed together with its children is not let go first: nobody hears that it waits";

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
    allow("add-opts", "unknown options", "after/vec:q:3/value/opts", OPTS),
    allow("dedup-stale", "add", "returns/job", STALE),
    allow("dedup-stale", "add", "after/*", STALE),
    allow("dedup-stale", "add", "events/*", STALE),
    allow("pause-mixed-loss", "queue.resume()", "after/vec:q:wait/value", LOSS),
    allow("scheduler-upsert-paused", "upsert", "returns/job", TWICE),
    allow("scheduler-upsert-paused", "upsert", "after/*", TWICE),
    allow("scheduler-upsert-paused", "upsert", "events/*", TWICE),
    allow("flow-other-parent", "flow.add", "after/*", WHOLE),
    allow("flow-other-parent", "flow.add", "events/*", WHOLE),
    allow("scheduler-changed", "every 7000", "after/vec:q:repeat:s/value/offset", PHASE),
    allow("remove-tree", "remove R", "after/vec:p:marker/value", GOING),
    allow("remove-tree", "remove R", "after/vec:q:marker", GOING),
    allow("remove-tree", "remove R", "events/*", GOING),
    allow("remove-unprocessed-children", "R.remove", "after/vec:q:marker", GOING),
    allow("remove-unprocessed-children", "R.remove", "events/vec:q:events", GOING),
    allow("remove-unprocessed-all", "R.remove", "after/vec:q:marker", GOING),
    allow("remove-unprocessed-all", "R.remove", "events/vec:q:events", GOING),
    allow("flow-three-levels", "remove M", "after/vec:q:marker", GOING),
    allow("flow-three-levels", "remove M", "events/vec:q:events", GOING),
];
