//! Pushing: one batch to the sink, and what its answer means for each item.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::value::RawValue;

use super::Run;
use crate::handler::commit::{ItemNote, ItemState};
use crate::job::outcome::Failure;
use crate::sync::call::{About, NoAnswer, call, fails};
use crate::sync::items::{Answer, Item, Verdict};
use crate::sync::push::{self, Answers};

#[derive(Serialize)]
struct PushBatch<'a> {
    job: About<'a>,
    items: Vec<&'a RawValue>,
    batch: u64,
    phase: &'static str,
}

/// A batch on its way to the sink.
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    /// Pushed for the first time?
    pub(super) first: bool,
}

impl Run<'_> {
    /// Items whose wait is over. Which they are is committed before they are pushed: after a crash the same batch is pushed
    /// under the same key.
    pub(super) async fn batch_to_push_again(&mut self) -> Result<Option<Batch>, NoAnswer> {
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

    /// Pushes a batch and commits what became of it.
    pub(super) async fn push(&mut self, batch: Batch) -> Result<(), NoAnswer> {
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
        if batch.first {
            self.next_batch = Instant::now() + self.options.batch_delay;
        }
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
}
