//! The loop: read a page, push a batch, commit; items that failed come back in between and at the end.
//!
//! Owns: what follows what. Must never know: how a call is made or stored. Called by [`Sync`](super::Sync).

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::call::{About, NoAnswer, call, fails};
use super::items::{Answer, Item, Verdict};
use super::options::SyncOptions;
use super::outcome::{Teller, end};
use super::page::{self, Page};
use super::plan::Plan;
use super::push::{self, Answers};
use crate::handler::commit::{Commit, ItemNote, ItemState};
use crate::handler::{Context, WriteError, idempotency};
use crate::job::outcome::{Failure, Outcome, ReasonClass};
use crate::job::{Data, Job};

/// Pause before a source that has nothing new is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// First and longest pause before a commit is sent again.
const COMMIT_PAUSE_FIRST: Duration = Duration::from_millis(100);
const COMMIT_PAUSE_MAX: Duration = Duration::from_secs(2);

/// Runs one attempt of a sync.
pub(super) async fn run(options: &SyncOptions, job: &Job<Data>, ctx: &Context) -> Outcome {
    match Run::begin(options, job, ctx).await {
        Ok(mut run) => run.to_its_end().await.unwrap_or_else(ended),
        Err(no_answer) => ended(no_answer),
    }
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

#[derive(Serialize)]
struct AskPage<'a> {
    job: About<'a>,
    cursor: &'a Value,
    limit: usize,
}

#[derive(Serialize)]
struct PushBatch<'a> {
    job: About<'a>,
    items: Vec<&'a RawValue>,
    batch: u64,
    phase: &'static str,
}

#[derive(Default)]
struct Told {
    total: Option<u64>,
    duplicates: u64,
}

/// A batch on its way to the sink.
struct Batch {
    items: Vec<Item>,
    /// Pushed for the first time?
    first: bool,
}

impl<'a> Run<'a> {
    async fn begin(
        options: &'a SyncOptions,
        job: &'a Job<Data>,
        ctx: &'a Context,
    ) -> Result<Run<'a>, NoAnswer> {
        let stored = ctx.writer().plan().await.map_err(|error| fails(error.to_string()))?;
        let now_ms = chrono::Utc::now().timestamp_millis();
        let plan = match &stored {
            Some(text) => Plan::parse(text).map_err(fails)?,
            None => Plan::new(now_ms),
        };
        let now = Instant::now();
        Ok(Run {
            options,
            job,
            ctx,
            resumed: stored.is_some(),
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

    async fn to_its_end(&mut self) -> Result<Outcome, NoAnswer> {
        loop {
            if self.ctx.cancelled.is_cancelled() {
                return Ok(Outcome::Failed(Failure::new(ReasonClass::Cancelled, "cancelled")));
            }
            if let Some(batch) = self.batch_to_push_again().await? {
                self.push(batch).await?;
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

    /// Items whose wait is over. Which they are is committed before they are pushed: after a crash the same batch is pushed
    /// under the same key.
    async fn batch_to_push_again(&mut self) -> Result<Option<Batch>, NoAnswer> {
        if self.plan.pending.is_empty() {
            if self.next_due.is_none_or(|due| due > Instant::now()) {
                return Ok(None);
            }
            let due =
                self.ctx.writer().due(self.batch_size()).await.map_err(|error| fails(error.to_string()))?;
            self.next_due = due.next_ms.map(|ms| Instant::now() + Duration::from_millis(ms));
            if due.items.is_empty() {
                return Ok(None);
            }
            let mut plan = self.plan.clone();
            plan.pending = due.items.iter().map(|(id, _)| id.clone()).collect();
            self.commit(plan, Vec::new(), Vec::new()).await?;
        }
        let ids = &self.plan.pending;
        let notes = self.ctx.writer().notes(ids).await.map_err(|error| fails(error.to_string()))?;
        let items =
            ids.iter().zip(&notes).filter_map(|(id, note)| Item::noted(id, note.as_deref()?)).collect();
        Ok(Some(Batch { items, first: false }))
    }

    async fn read_page(&mut self) -> Result<(), NoAnswer> {
        let page = self.ask_source().await?;
        if page.next == self.plan.cursor && !page.next.is_null() {
            if page.items.is_empty() {
                // "Not yet": the same page again, later. `no_progress` ends it if it goes on for too long.
                self.sleep_until(Instant::now() + self.options.batch_delay.max(ASK_AGAIN)).await;
                return Ok(());
            }
            return Err(self.goes_round(&page.next));
        }
        let cursor = self.print(&page.next.to_string());
        if !page.next.is_null() && !self.cursors.insert(cursor) {
            return Err(self.goes_round(&page.next));
        }
        let (new, again) = self.not_handled_yet(page.items).await?;
        self.waiting = new.into();
        self.next = Some(page.next);
        self.told = Told { total: page.total, duplicates: self.told.duplicates + again };
        if self.waiting.is_empty() {
            let mut plan = self.plan.clone();
            self.turn_page(&mut plan);
            self.commit(plan, Vec::new(), Vec::new()).await?;
        }
        Ok(())
    }

    fn goes_round(&self, cursor: &Value) -> NoAnswer {
        let text = format!(
            "the source gave the cursor {cursor} for the second time; expected a new one, or null at the end"
        );
        NoAnswer::End(Outcome::Failed(Failure::new(ReasonClass::Error, text).permanent()))
    }

    async fn ask_source(&mut self) -> Result<Page, NoAnswer> {
        let Some(source) = &self.options.source else { return self.own_items() };
        let ask = AskPage { job: About::of(self.job), cursor: &self.plan.cursor, limit: self.batch_size() };
        let key = format!("{}:page:{}", self.key, self.plan.pages + 1);
        let answer = call(source, self.job, self.ctx, &ask, key, self.options.call_attempts).await?;
        page::read(&answer, &self.options.limits).map_err(fails)
    }

    /// Without a source the items are in the job.
    fn own_items(&self) -> Result<Page, NoAnswer> {
        #[derive(serde::Deserialize)]
        struct Own {
            items: Vec<Box<RawValue>>,
        }
        let unfit = |problem: String| {
            NoAnswer::End(Outcome::Failed(Failure::new(ReasonClass::Undecodable, problem).permanent()))
        };
        let own: Own = serde_json::from_str(self.job.data.as_str())
            .map_err(|error| unfit(format!("the job's data has no items to sync: {error}")))?;
        let total = Some(own.items.len() as u64);
        let items = Item::read_all(own.items, "the job's data", &self.options.limits).map_err(unfit)?;
        Ok(Page { items, next: Value::Null, total })
    }

    /// The items that no batch has held yet, each once; and how many were named again. After a restart the first page is read
    /// again: what was handled of it is no duplicate.
    async fn not_handled_yet(&mut self, items: Vec<Item>) -> Result<(Vec<Item>, u64), NoAnswer> {
        let handled = if self.resumed {
            let ids: Vec<String> = items.iter().map(|item| item.id.clone()).collect();
            self.ctx.writer().seen(&ids).await.map_err(|error| fails(error.to_string()))?
        } else {
            vec![false; items.len()]
        };
        let read_again = self.resumed && self.next.is_none();
        let (mut new, mut duplicates) = (Vec::with_capacity(items.len()), 0);
        for (item, handled) in items.into_iter().zip(handled) {
            let print = self.print(&item.id);
            if handled {
                duplicates += u64::from(!read_again);
            } else if self.met.insert(print) {
                new.push(item);
            } else {
                duplicates += 1;
            }
        }
        Ok((new, duplicates))
    }

    fn print(&self, text: &str) -> u64 {
        self.prints.hash_one(text)
    }

    fn turn_page(&mut self, plan: &mut Plan) {
        let Some(next) = self.next.clone() else { return };
        plan.exhausted = next.is_null();
        plan.cursor = next;
        plan.pages += 1;
    }

    /// Pushes a batch and commits what became of it.
    async fn push(&mut self, batch: Batch) -> Result<(), NoAnswer> {
        let answers = match self.ask_sink(&batch).await {
            Ok(answers) => answers,
            Err(NoAnswer::TooLarge(failure)) => return self.smaller(batch, failure).await,
            Err(other) => return Err(other),
        };
        let said = |item: &Item| answers.as_ref().map_or_else(Answer::default, |answers| answers.of(item));
        self.settle(batch, said).await
    }

    /// `None` = a dry run.
    async fn ask_sink(&mut self, batch: &Batch) -> Result<Option<Answers>, NoAnswer> {
        self.sleep_until(self.next_batch).await;
        self.next_batch = Instant::now() + self.options.batch_delay;
        let Some(sink) = self.options.sink.as_ref().filter(|_| !batch.items.is_empty()) else {
            return Ok(None);
        };
        let (phase, number) = if batch.first {
            ("items", self.plan.batches + 1)
        } else {
            ("retry", self.plan.retry_batches + 1)
        };
        let items = batch.items.iter().map(|item| &*item.body).collect();
        let body = PushBatch { job: About::of(self.job), items, batch: number, phase };
        let key = format!("{}:{phase}:{number}", self.key);
        let answer = call(sink, self.job, self.ctx, &body, key, self.options.call_attempts).await?;
        let answers = push::read(&answer, &batch.items).map_err(fails)?;
        if answers.invented > 0 || answers.repeated > 0 {
            tracing::warn!(queue = &*self.job.queue, job_id = %self.job.id, phase, batch = number, invented = answers.invented,
                repeated = answers.repeated, "the sink answered for items that it was not sent, or twice for one");
        }
        Ok(Some(answers))
    }

    /// The sink refused a batch for its size: half of it next time. A single item that is too large has failed.
    async fn smaller(&mut self, batch: Batch, failure: Failure) -> Result<(), NoAnswer> {
        if let [_] = &batch.items[..] {
            let said = |_: &Item| Answer {
                verdict: Verdict::Failed,
                code: Some("too_large".into()),
                message: Some(failure.message.clone()),
            };
            let attempts = self.options.item_attempts;
            let items = batch.items.into_iter().map(|item| Item { tries: attempts, ..item }).collect();
            return self.settle(Batch { items, ..batch }, said).await;
        }
        let mut plan = self.plan.clone();
        let half = (batch.items.len() / 2).max(1);
        plan.batch_size = Some(half);
        if batch.first {
            for item in batch.items.into_iter().rev() {
                self.waiting.push_front(item);
            }
        } else {
            plan.pending.truncate(half);
            self.next_due = Some(Instant::now());
        }
        tracing::info!(queue = &*self.job.queue, job_id = %self.job.id, batch_size = half, "the sink wants smaller batches");
        self.commit(plan, Vec::new(), Vec::new()).await
    }

    /// Counts the answers of a batch, and commits.
    async fn settle(&mut self, batch: Batch, said: impl Fn(&Item) -> Answer) -> Result<(), NoAnswer> {
        let mut plan = self.plan.clone();
        let mut notes = Vec::new();
        let seen =
            if batch.first { batch.items.iter().map(|item| item.id.clone()).collect() } else { Vec::new() };
        let first = batch.first;
        for mut item in batch.items {
            item.tries += 1;
            let answer = said(&item);
            let again = answer.verdict == Verdict::Failed && item.tries < self.options.item_attempts;
            let counts = &mut plan.counts;
            match (first, again) {
                (true, true) => counts.retrying += 1,
                (false, false) => counts.retrying = counts.retrying.saturating_sub(1),
                _ => {}
            }
            counts.processed += u64::from(!again);
            let (state, word) = match answer.verdict {
                Verdict::Ok => (ItemState::Done, "done"),
                Verdict::Skipped => (ItemState::Skipped, "skipped"),
                Verdict::Failed if again => {
                    let wait = self.options.item_backoff.after(item.tries);
                    let due = Instant::now() + wait;
                    self.next_due = Some(self.next_due.map_or(due, |known| known.min(due)));
                    (ItemState::Retrying(wait.as_millis() as u64), "retrying")
                }
                Verdict::Failed => (ItemState::Failed, "failed"),
            };
            match answer.verdict {
                Verdict::Ok => counts.successful += 1,
                Verdict::Skipped => counts.skipped += 1,
                Verdict::Failed => counts.failed += u64::from(!again),
            }
            // Good items are only counted.
            if !(first && state == ItemState::Done) {
                let note = item.note(word, &answer);
                notes.push(ItemNote { id: item.id, state, note });
            }
        }
        if first {
            plan.batches += 1;
            if self.waiting.is_empty() {
                self.turn_page(&mut plan);
            }
        } else {
            plan.retry_batches += 1;
            plan.pending.clear();
        }
        self.commit(plan, seen, notes).await
    }

    /// One fenced write: where to go on and what became of the items, together.
    async fn commit(&mut self, plan: Plan, seen: Vec<String>, items: Vec<ItemNote>) -> Result<(), NoAnswer> {
        self.write(plan, seen, items, false).await
    }

    async fn write(
        &mut self,
        mut plan: Plan,
        seen: Vec<String>,
        items: Vec<ItemNote>,
        last: bool,
    ) -> Result<(), NoAnswer> {
        plan.commits += 1;
        let told = std::mem::take(&mut self.told);
        plan.total = told.total.or(plan.total);
        plan.counts.duplicates += told.duplicates;
        let moved = plan.cursor != self.plan.cursor || plan.counts != self.plan.counts;
        let states: serde_json::Map<String, Value> =
            items.iter().map(|item| (item.id.clone(), Value::from(word_of(item.state)))).collect();
        let audit = json!({"plan": plan.changes_since(&self.plan), "items": states});
        let commit = Commit {
            number: plan.commits,
            plan: serde_json::to_string(&plan).map_err(|error| fails(error.to_string()))?,
            progress: self.teller.progress(&plan, self.batch_size(), last),
            audit: audit.to_string(),
            last,
            seen,
            items,
        };
        self.insist(&commit).await?;
        self.plan = plan;
        if moved {
            self.ctx.pulse.progress();
        }
        Ok(())
    }

    /// Sends a commit until Redis has taken it: the work is done, and only the lease can end the wait.
    async fn insist(&self, commit: &Commit) -> Result<(), NoAnswer> {
        let mut pause = COMMIT_PAUSE_FIRST;
        loop {
            match self.ctx.writer().commit(commit).await {
                Ok(()) => return Ok(()),
                Err(WriteError::Redis(problem)) if !self.ctx.cancelled.is_cancelled() => {
                    tracing::warn!(queue = &*self.job.queue, job_id = %self.job.id, problem, "a commit is sent again");
                    self.sleep_until(Instant::now() + pause).await;
                    pause = (pause * 2).min(COMMIT_PAUSE_MAX);
                }
                Err(error) => return Err(fails(error.to_string())),
            }
        }
    }

    async fn sleep_until(&self, when: Instant) {
        tokio::select! {
            () = self.ctx.cancelled.cancelled() => {}
            () = tokio::time::sleep_until(when.into()) => {}
        }
    }

    /// All items have come to their end: the last commit tells the last progress.
    async fn end(&mut self) -> Result<Outcome, NoAnswer> {
        self.write(self.plan.clone(), Vec::new(), Vec::new(), true).await?;
        Ok(end(&self.plan, self.options.on_exhausted))
    }
}

fn word_of(state: ItemState) -> &'static str {
    match state {
        ItemState::Done => "done",
        ItemState::Retrying(_) => "retrying",
        ItemState::Failed => "failed",
        ItemState::Skipped => "skipped",
    }
}
