//! What a sync commits after each batch: cursor, counters, results of items and progress in one fenced write.
//!
//! Owns: the values that travel. Must never know: how they are stored. Made by `sync`, taken by the worker's
//! [`RunWriter`](super::RunWriter).

use serde_json::value::RawValue;

/// One commit. Sent twice with the same number it takes effect once.
#[derive(Debug, Default)]
pub struct Commit {
    /// 1 for the first commit of a job, and one more each time.
    pub number: u64,
    /// The plan as it is after this commit (JSON object): where to go on, and the counters.
    pub plan: String,
    /// Progress to store and publish, if it is time to.
    pub progress: Option<String>,
    /// What changed, for the audit log (JSON object).
    pub audit: String,
    /// All items have come to their end: what only a run needs to know goes, and this is written besides.
    pub end: Option<End>,
    /// Ids that were handled for the first time.
    pub seen: Vec<String>,
    /// What became of items. Those that went well and were never noted are not among them: good items are only counted.
    pub items: Vec<ItemNote>,
}

/// What the last commit of a sync writes besides. Each takes effect once in the life of the job, however often it comes to
/// its end.
#[derive(Debug, Default)]
pub struct End {
    /// How it ended, with its counts (JSON object).
    pub summary: String,
    /// When its first attempt began, ms.
    pub started_ms: i64,
    /// The watermark that it moves, and to what (JSON); `None` = none.
    pub watermark: Option<(String, String)>,
    /// Jobs that come after it, in the same queue.
    pub after: Vec<FollowUp>,
}

/// A job that comes after a sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUp {
    /// Its name.
    pub name: String,
    /// Its data (JSON).
    pub data: String,
    /// Its options (JSON object).
    pub opts: serde_json::Map<String, serde_json::Value>,
}

/// What is noted about one item.
#[derive(Debug)]
pub struct ItemNote {
    /// The item's id.
    pub id: String,
    /// Where it stands now.
    pub state: ItemState,
    /// `{state, tries, code?, message?, item?}`: the item itself while it will be pushed again or may be by hand.
    pub note: Box<RawValue>,
}

/// Where an item stands that is not simply done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemState {
    /// It went well at last: its note goes.
    Done,
    /// It comes back after this many ms.
    Retrying(u64),
    /// It failed for good.
    Failed,
    /// The sink passed it over.
    Skipped,
}

/// Items that wait to be pushed again.
#[derive(Debug, Default)]
pub struct Due {
    /// Those whose time has come, in their order: id and note.
    pub items: Vec<(String, String)>,
    /// Until the next one's time comes, ms; `None` = there is none besides.
    pub next_ms: Option<u64>,
}

/// What Redis said to a commit that it has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// Go on.
    GoOn,
    /// A person has paused the sync: stop here ([`Outcome::Paused`](crate::job::outcome::Outcome::Paused)).
    Paused,
}

/// What is stored of a sync when a run begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// The plan that the last commit left (JSON); `None` = there was none.
    pub plan: Option<String>,
    /// A person has paused it.
    pub is_paused: bool,
    /// Now, by Redis' clock, ms; 0 = it was not asked.
    pub now_ms: i64,
}
