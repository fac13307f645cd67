//! The classes of faults, each with what it means and how it is mended.

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // [`Class::meaning`] says what each is
#[rustfmt::skip]
pub enum Class {
    EvictionPolicy, MixedLayout, NewerVersion, WrongType, GhostId, OrphanHash, TwoStates, TwiceInList, ActiveWithoutLease,
    LockWithoutTtl, LockWithoutActive, UndecodableData, UndecodableOpts, BadCounter, DelayedScore, DirtyTerminalHash,
    StalledNotActive, PriorityMismatch, StaleRecord, LeaseEntryStale, DedupDangling, FlowBroken, SchedulerBroken,
    MarkerMissing,
}
use Class::{
    ActiveWithoutLease, BadCounter, DedupDangling, DelayedScore, DirtyTerminalHash, EvictionPolicy,
    FlowBroken, GhostId, LeaseEntryStale, LockWithoutActive, LockWithoutTtl, MarkerMissing, MixedLayout,
    NewerVersion, OrphanHash, PriorityMismatch, SchedulerBroken, StaleRecord, StalledNotActive, TwiceInList,
    TwoStates, UndecodableData, UndecodableOpts, WrongType,
};

/// Word, what it means. In the order in which they matter.
const TABLE: &[(Class, &str, &str)] = &[
    (EvictionPolicy, "eviction_policy", "Redis may throw jobs away when its memory is full"),
    (MixedLayout, "mixed_layout", "Bull 4 and BullMQ both write to this queue"),
    (NewerVersion, "newer_version", "a newer bullock keeps its records here"),
    (WrongType, "wrong_type", "a key has another type than the queue needs"),
    (GhostId, "ghost_id", "an id is in line or in a state, and there is no job behind it"),
    (OrphanHash, "orphan_hash", "a job is in no state: nobody will ever run it"),
    (TwoStates, "two_states", "a job is in more than one state"),
    (TwiceInList, "twice_in_list", "a job stands in one list more than once: it would run again"),
    (ActiveWithoutLease, "active_without_lease", "a job is active, and nobody holds it"),
    (LockWithoutTtl, "lock_without_ttl", "a lock never expires: the job hangs if its worker dies"),
    (LockWithoutActive, "lock_without_active", "a job is locked and not active"),
    (UndecodableData, "undecodable_data", "the data of a job cannot be read: no handler can run it"),
    (UndecodableOpts, "undecodable_opts", "the options of a job cannot be read: no handler can run it"),
    (BadCounter, "bad_counter", "a counter is no number: the libraries' scripts stop half-way at it"),
    (DelayedScore, "delayed_score", "a delayed job is due at no sensible time"),
    (
        DirtyTerminalHash,
        "dirty_terminal_hash",
        "a run that had lost its lease wrote into a job that was done",
    ),
    (StalledNotActive, "stalled_not_active", "a job is marked as stalled and is not active"),
    (
        PriorityMismatch,
        "priority_mismatch",
        "the index of priorities does not fit the jobs: new ones are misplaced",
    ),
    (StaleRecord, "stale_record", "bullock's record of a job that is gone"),
    (LeaseEntryStale, "lease_entry_stale", "bullock's list of leases names a job that is not active"),
    (
        DedupDangling,
        "dedup_dangling",
        "a deduplication id belongs to a job that is gone: new jobs are dropped",
    ),
    (FlowBroken, "flow_broken", "a parent or child that a job of a flow counts on is gone"),
    (SchedulerBroken, "scheduler_broken", "a job scheduler will add no more jobs"),
    (MarkerMissing, "marker_missing", "jobs wait and nothing wakes an idle worker"),
];

impl Class {
    /// All of them, worst first.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(class, ..)| *class)
    }

    /// The word used in output and docs.
    ///
    /// # Examples
    ///
    /// ```
    /// use bullock::wire::doctor::Class;
    /// assert_eq!(Class::TwoStates.as_str(), "two_states");
    /// assert!(Class::all().all(|class| Class::parse(class.as_str()) == Some(class)));
    /// ```
    pub fn as_str(self) -> &'static str {
        self.row().1
    }

    /// What it means, in one line.
    pub fn meaning(self) -> &'static str {
        self.row().2
    }

    /// The class of a word.
    pub fn parse(word: &str) -> Option<Self> {
        TABLE.iter().find(|(_, own, _)| *own == word).map(|(class, ..)| *class)
    }

    /// May a sound queue look so for a moment, between two commands of a library? Then it counts only when it is still
    /// so at a second look.
    pub fn may_pass(self) -> bool {
        matches!(
            self,
            ActiveWithoutLease
                | LockWithoutActive
                | StalledNotActive
                | LeaseEntryStale
                | PriorityMismatch
                | DelayedScore
                | SchedulerBroken
                | MarkerMissing
                | FlowBroken
                | DedupDangling
                | StaleRecord
        )
    }

    fn row(self) -> &'static (Self, &'static str, &'static str) {
        // The table has a row for each: a test walks over it.
        TABLE.iter().find(|(class, ..)| *class == self).unwrap_or(&TABLE[0])
    }
}
