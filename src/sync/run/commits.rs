//! Committing: where to go on and what became of the items, in one fenced write.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Run;
use crate::handler::WriteError;
use crate::handler::commit::{Commit, Committed, End, ItemNote, ItemState};
use crate::sync::call::{NoAnswer, fails};
use crate::sync::plan::Plan;

/// First and longest pause before a commit is sent again.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

impl Run<'_> {
    /// One fenced write: where to go on and what became of the items, together.
    pub(super) async fn commit(
        &mut self,
        plan: Plan,
        seen: Vec<String>,
        items: Vec<ItemNote>,
    ) -> Result<(), NoAnswer> {
        self.write(plan, seen, items, None).await
    }

    pub(super) async fn write(
        &mut self,
        mut plan: Plan,
        seen: Vec<String>,
        items: Vec<ItemNote>,
        end: Option<End>,
    ) -> Result<(), NoAnswer> {
        plan.commits += 1;
        let told = std::mem::take(&mut self.told);
        plan.total = told.total.or(plan.total);
        plan.counts.duplicates += told.duplicates;
        if !told.watermark.is_null() {
            plan.watermark = told.watermark;
        }
        let moved = plan.cursor != self.plan.cursor || plan.counts != self.plan.counts;
        let states: serde_json::Map<String, Value> =
            items.iter().map(|item| (item.id.clone(), Value::from(word_of(item.state)))).collect();
        let audit = json!({"plan": plan.changes_since(&self.plan), "items": states});
        let commit = Commit {
            number: plan.commits,
            plan: serde_json::to_string(&plan).map_err(|error| fails(error.to_string()))?,
            progress: self.teller.progress(&plan, self.batch_size(), end.is_some()),
            audit: audit.to_string(),
            end,
            seen,
            items,
        };
        self.is_paused = self.insist(&commit).await? == Committed::Paused;
        self.plan = plan;
        if moved {
            self.ctx.pulse.progress();
        }
        Ok(())
    }

    /// Sends a commit until Redis has taken it: the work is done, and only the lease can end the wait.
    async fn insist(&self, commit: &Commit) -> Result<Committed, NoAnswer> {
        let mut pause = PAUSE_FIRST;
        loop {
            match self.ctx.writer().commit(commit).await {
                Ok(committed) => return Ok(committed),
                Err(WriteError::Redis(problem)) if !self.ctx.cancelled.is_cancelled() => {
                    tracing::warn!(queue = &*self.job.queue, job_id = %self.job.id, problem, "a commit is sent again");
                    self.sleep_until(Instant::now() + pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                Err(error) => return Err(fails(error.to_string())),
            }
        }
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
