//! Syncs: pages of items from a source, pushed in batches to a sink, committed batch by batch.
//!
//! Owns: the loop, and what of it is stored. Must never know: Redis (it writes through [`Context`]), what a source or a sink is
//! (each is a [`Handler`]). A handler like the others: the worker sees no difference.
//!
//! | file | what it owns |
//! |---|---|
//! | `options` | what can be configured, and what is refused |
//! | `plan` | where to go on, and the counters: what a commit stores |
//! | `page`, `push` | what the source and the sink answered |
//! | `items` | one item: its id, its bytes, its tries, its note |
//! | `call` | one call of a source or a sink, and what its failures mean |
//! | `run` | the loop |
//! | `follow` | the end: its summary, the watermark, the jobs that come after |
//! | `outcome` | progress and result |

mod call;
mod follow;
mod items;
pub mod options;
mod outcome;
mod page;
mod plan;
mod push;
mod run;

use std::sync::Arc;

pub use options::{ItemBackoff, Limits, OnExhausted, SyncOptions, Watermark};
pub use plan::{Counts, Plan};

use crate::handler::{BoxFuture, Context, Handler, OptionError};
use crate::job::outcome::Outcome;
use crate::job::{Data, Job};

/// Runs each job as a sync.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use bullock::handler::native;
/// use bullock::handler::{Context, Handler};
/// use bullock::job::Job;
/// use bullock::sync::{Sync, SyncOptions};
/// use serde_json::{Value, json};
///
/// let source = native::handler(|_: Job<Value>, _: Context| async {
///     Ok::<_, String>(json!({"items": [{"id": 1}, {"id": 2}], "next": null}))
/// });
/// let sink = native::handler(|batch: Job<Value>, _: Context| async move {
///     let items = batch.data["items"].as_array().cloned().unwrap_or_default();
///     Ok::<_, String>(items.iter().map(|item| json!({"id": item["id"], "status": "ok"})).collect::<Value>())
/// });
/// let sync = Sync::new(SyncOptions::new(Some(Arc::new(source)), Some(Arc::new(sink)))).unwrap();
/// assert!(sync.label().starts_with("sync from rust"));
/// ```
#[derive(Clone)]
pub struct Sync {
    options: Arc<SyncOptions>,
    label: Arc<str>,
}

impl Sync {
    /// Checks the options.
    ///
    /// # Errors
    /// Everything that is wrong with them, at once.
    pub fn new(options: SyncOptions) -> Result<Self, Vec<OptionError>> {
        options.check()?;
        let from = options.source.as_ref().map_or("the job's items", |source| source.label());
        let to = options.sink.as_ref().map_or("nowhere (dry run)", |sink| sink.label());
        let label = format!("sync from {from} to {to}").into();
        Ok(Self { options: Arc::new(options), label })
    }
}

impl Handler for Sync {
    fn run(&self, job: Arc<Job<Data>>, ctx: Context) -> BoxFuture<'static, Outcome> {
        let options = Arc::clone(&self.options);
        Box::pin(async move { run::run(&options, &job, &ctx).await })
    }

    fn is_healthy(&self) -> bool {
        [&self.options.source, &self.options.sink].into_iter().flatten().all(|handler| handler.is_healthy())
    }

    fn label(&self) -> &str {
        &self.label
    }
}
