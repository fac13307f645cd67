//! What can be configured about a sync.
//!
//! Owns: the options, their defaults and bounds. Must never know: a job. Called by `Sync::new`.

use std::sync::Arc;
use std::time::Duration;

use crate::handler::{Handler, OptionError};

/// Items in one batch.
pub const BATCH_SIZE_DEFAULT: usize = 50;
/// Most items in one batch: they travel in one request.
pub const BATCH_SIZE_MAX: usize = 10_000;
/// How often an item is pushed at most.
pub const ITEM_ATTEMPTS_DEFAULT: u32 = 3;
/// Wait before an item is pushed for the second time; doubled each time.
pub const ITEM_BACKOFF_DEFAULT: Duration = Duration::from_secs(1);
/// How often a call of the source or the sink is made before the attempt fails.
pub const CALL_ATTEMPTS_DEFAULT: u32 = 3;
/// Largest item, bytes.
pub const ITEM_BYTES_MAX_DEFAULT: usize = 256 * 1024;
/// Most items of one page.
pub const PAGE_ITEMS_MAX_DEFAULT: usize = 10_000;

/// Most jobs that come after one sync.
pub const AFTER_MAX: usize = 16;

/// How long an item waits before it is pushed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemBackoff {
    /// Always so long.
    Fixed(Duration),
    /// So long the first time, and twice as long each time after.
    Exponential(Duration),
}

impl ItemBackoff {
    /// The wait after the `tries`-th failure (1 = the first).
    ///
    /// ```
    /// use std::time::Duration;
    /// use bullock::sync::ItemBackoff;
    /// let backoff = ItemBackoff::Exponential(Duration::from_secs(1));
    /// assert_eq!([1, 2, 3].map(|tries| backoff.after(tries).as_secs()), [1, 2, 4]);
    /// ```
    pub fn after(self, tries: u32) -> Duration {
        match self {
            Self::Fixed(wait) => wait,
            Self::Exponential(first) => {
                first.saturating_mul(2u32.saturating_pow(tries.saturating_sub(1).min(30)))
            }
        }
    }
}

/// What a run is that ends with failed items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnExhausted {
    /// Completed, with a result that counts them: `partial`.
    #[default]
    Partial,
    /// Failed for good.
    Fail,
}

/// How large things may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest item, bytes.
    pub item_bytes_max: usize,
    /// Most items of one page.
    pub page_items_max: usize,
}

/// Options of a sync. Start from [`SyncOptions::new`], which holds the defaults.
#[derive(Clone)]
pub struct SyncOptions {
    /// Answers pages: its job's data is `{job, cursor, limit}`, its result `{items, next, total?}`. `None` = the items are in
    /// the job's own `data.items`.
    pub source: Option<Arc<dyn Handler>>,
    /// Takes batches: its job's data is `{job, items, batch, phase}`, its result `[{id, status, code?, message?}]`. `None` = a
    /// dry run: every item is taken as done.
    pub sink: Option<Arc<dyn Handler>>,
    /// Items in one batch.
    pub batch_size: usize,
    /// Shortest time from the start of one batch of new items to that of the next.
    pub batch_delay: Duration,
    /// How often an item is pushed at most.
    pub item_attempts: u32,
    /// Wait before an item is pushed again.
    pub item_backoff: ItemBackoff,
    /// How often a call of source or sink that fails is made within one attempt.
    pub call_attempts: u32,
    /// What a run is that ends with failed items.
    pub on_exhausted: OnExhausted,
    /// How large things may be.
    pub limits: Limits,
    /// Names of jobs that are added, once, when a run ends with no failed item.
    pub after: Vec<String>,
    /// Where successful runs of this kind stand; `None` = nobody needs to know.
    pub watermark: Option<Watermark>,
}

/// A stored watermark: one for each organisation and kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watermark {
    /// The kind: syncs that name the same one move the same one.
    pub kind: String,
    /// The source is told where it stood when the run began: `since`.
    pub delta: bool,
    /// Runs that end with failed items move it as well.
    pub on_partial: bool,
}

impl SyncOptions {
    /// A sync from `source` (`None` = the job's own items) to `sink`.
    pub fn new(source: Option<Arc<dyn Handler>>, sink: Option<Arc<dyn Handler>>) -> Self {
        Self {
            source,
            sink,
            batch_size: BATCH_SIZE_DEFAULT,
            batch_delay: Duration::ZERO,
            item_attempts: ITEM_ATTEMPTS_DEFAULT,
            item_backoff: ItemBackoff::Exponential(ITEM_BACKOFF_DEFAULT),
            call_attempts: CALL_ATTEMPTS_DEFAULT,
            on_exhausted: OnExhausted::default(),
            limits: Limits { item_bytes_max: ITEM_BYTES_MAX_DEFAULT, page_items_max: PAGE_ITEMS_MAX_DEFAULT },
            after: Vec::new(),
            watermark: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), Vec<OptionError>> {
        let mut problems = Vec::new();
        if self.batch_size == 0 || self.batch_size > BATCH_SIZE_MAX {
            problems.push(OptionError::new("batch_size", format!("must be 1 to {BATCH_SIZE_MAX}")));
        }
        if self.item_attempts == 0 {
            problems.push(OptionError::new("item_attempts", "must be 1 or more"));
        }
        if self.call_attempts == 0 {
            problems.push(OptionError::new("call_attempts", "must be 1 or more"));
        }
        if self.after.len() > AFTER_MAX {
            problems.push(OptionError::new("after", format!("must be at most {AFTER_MAX} names")));
        }
        if self.watermark.as_ref().is_some_and(|mark| mark.kind.is_empty()) {
            problems.push(OptionError::new("watermark", "must be a name"));
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}
