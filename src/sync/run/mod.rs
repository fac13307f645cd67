//! The loop: read a page, push a batch, commit; items that failed come back in between and at the end.
//!
//! Owns: what follows what. Must never know: how a call is made or stored. Called by [`Sync`](super::Sync).

mod batches;
mod commits;
mod pages;

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Instant;

use serde_json::Value;

use self::batches::Batch;
use super::call::{NoAnswer, fails};
use super::follow;
use super::items::Item;
use super::options::SyncOptions;
use super::outcome::{Teller, end};
use super::plan::Plan;
use crate::handler::{Context, idempotency};
use crate::job::outcome::{Failure, Outcome, ReasonClass};
use crate::job::{Data, Job};

/// Runs one attempt of a sync.
pub(super) async fn run(options: &SyncOptions, job: &Job<Data>, ctx: &Context) -> Outcome {
    match Run::begin(options, job, ctx).await {
        Ok(mut run) => run.until_the_end().await.unwrap_or_else(ended),
        Err(no_answer) => ended(no_answer),
    }
}

/// Where the watermark stands that the source is to be told.
async fn since(options: &SyncOptions, ctx: &Context) -> Result<Value, NoAnswer> {
    let Some(mark) = options.watermark.as_ref().filter(|mark| mark.delta) else { return Ok(Value::Null) };
    let stored = ctx.writer().watermark(&mark.kind).await.map_err(|error| fails(error.to_string()))?;
    let read = |text: String| {
        serde_json::from_str(&text)
            .map_err(|error| fails(format!("the stored watermark cannot be read: {error}")))
    };
    stored.map_or(Ok(Value::Null), read)
}

fn ended(no_answer: NoAnswer) -> Outcome {
    match no_answer {
        NoAnswer::End(outcome) => outcome,
        NoAnswer::TooLarge(failure) => Outcome::Failed(failure),
    }
}

struct Run<'a> {
    options: &'a SyncOptions,
    job: &'a Job<Data>,
    ctx: &'a Context,
    /// As the last commit left it.
    plan: Plan,
    /// An earlier attempt has committed: which items it has handled is known to Redis alone.
    resumed: bool,
    /// A person wants it to stop: Redis has said so when it took the last commit.
    is_paused: bool,
    /// Items of the present page that are not pushed yet.
    waiting: VecDeque<Item>,
    /// Where the source goes on after the present page; `None` = no page has been read.
    next: Option<Value>,
    /// What the present page said of the whole and named again: committed with what comes next.
    told: Told,
    /// Fingerprints of the items that this attempt has met, and of the cursors it was sent to.
    met: HashSet<u64>,
    cursors: HashSet<u64>,
    prints: RandomState,
    /// When the next batch may start, and when the next item may come back.
    next_batch: Instant,
    next_due: Option<Instant>,
    teller: Teller,
    /// The job's own key, from which that of each batch is made.
    key: String,
}

#[derive(Default)]
struct Told {
    total: Option<u64>,
    duplicates: u64,
    watermark: Value,
}

impl<'a> Run<'a> {
    async fn begin(
        options: &'a SyncOptions,
        job: &'a Job<Data>,
        ctx: &'a Context,
    ) -> Result<Run<'a>, NoAnswer> {
        let kept = ctx.writer().plan().await.map_err(|error| fails(error.to_string()))?;
        let plan = match &kept.plan {
            Some(text) => Plan::parse(text).map_err(fails)?,
            None => Plan { since: since(options, ctx).await?, ..Plan::new(kept.now_ms) },
        };
        let now = Instant::now();
        Ok(Run {
            options,
            job,
            ctx,
            resumed: kept.plan.is_some(),
            is_paused: kept.is_paused,
            waiting: VecDeque::new(),
            next: None,
            told: Told::default(),
            met: HashSet::new(),
            cursors: HashSet::new(),
            prints: RandomState::new(),
            next_batch: now,
            next_due: (plan.counts.retrying > 0).then_some(now),
            teller: Teller::new(plan.counts.processed),
            key: idempotency::key(&ctx.run, job),
            plan,
        })
    }

    async fn until_the_end(&mut self) -> Result<Outcome, NoAnswer> {
        loop {
            if self.ctx.cancelled.is_cancelled() {
                return Ok(Outcome::Failed(Failure::new(ReasonClass::Cancelled, "cancelled")));
            }
            if self.ctx.draining.is_cancelled() {
                // What is committed stays: another worker goes on from there.
                return Ok(Outcome::HandedBack);
            }
            if self.is_paused {
                return Ok(Outcome::Paused);
            }
            if let Some(batch) = self.batch_to_push_again().await? {
                self.push(batch).await?;
            } else if !self.waiting.is_empty() && Instant::now() < self.next_batch {
                // The pace is that of new items: those that come again keep their own times, in between.
                let due = self.next_due.unwrap_or(self.next_batch);
                self.sleep_until(self.next_batch.min(due)).await;
            } else if !self.waiting.is_empty() {
                let size = self.batch_size().min(self.waiting.len());
                let items = self.waiting.drain(..size).collect();
                self.push(Batch { items, first: true }).await?;
            } else if !self.plan.exhausted {
                self.read_page().await?;
            } else if let Some(due) = self.next_due {
                self.sleep_until(due).await;
            } else {
                return self.end().await;
            }
        }
    }

    fn batch_size(&self) -> usize {
        self.plan.batch_size.unwrap_or(self.options.batch_size)
    }

    fn print(&self, text: &str) -> u64 {
        self.prints.hash_one(text)
    }

    async fn sleep_until(&self, when: Instant) {
        tokio::select! {
            () = self.ctx.cancelled.cancelled() => {}
            () = self.ctx.draining.cancelled() => {}
            () = tokio::time::sleep_until(when.into()) => {}
        }
    }

    /// All items have come to their end: the last commit tells the last progress.
    async fn end(&mut self) -> Result<Outcome, NoAnswer> {
        let last = follow::end(&self.plan, self.options, self.job);
        self.write(self.plan.clone(), Vec::new(), Vec::new(), Some(last)).await?;
        Ok(end(&self.plan, self.options.on_exhausted))
    }
}
