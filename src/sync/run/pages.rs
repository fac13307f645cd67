//! Reading: the next page of the source, without what was handled before.

use std::time::Instant;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Run, Told};
use crate::job::outcome::{Failure, Outcome, ReasonClass};
use crate::sync::call::{About, NoAnswer, call, fails};
use crate::sync::items::Item;
use crate::sync::page::{self, Page};
use crate::sync::plan::Plan;

/// Pause before a source that has nothing new is asked again.
const ASK_AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

#[derive(Serialize)]
struct AskPage<'a> {
    job: About<'a>,
    cursor: &'a Value,
    limit: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<&'a Value>,
}

impl Run<'_> {
    pub(super) async fn read_page(&mut self) -> Result<(), NoAnswer> {
        let page = self.ask_source().await?;
        if page.next == self.plan.cursor && !page.next.is_null() {
            if page.items.is_empty() {
                // "Not yet": the same page again, later. `no_progress` ends it if it goes on for too long.
                self.sleep_until(Instant::now() + self.options.batch_delay.max(ASK_AGAIN)).await;
                // There is no commit whose answer would tell.
                let kept = self.ctx.writer().plan().await.map_err(|error| fails(error.to_string()))?;
                self.is_paused = kept.is_paused;
                return Ok(());
            }
            return Err(goes_round(&page.next));
        }
        let cursor = self.print(&page.next.to_string());
        if !page.next.is_null() && !self.cursors.insert(cursor) {
            return Err(goes_round(&page.next));
        }
        let (new, again) = self.not_handled_yet(page.items).await?;
        self.waiting = new.into();
        self.next = Some(page.next);
        let told = &self.told;
        let watermark = if page.watermark.is_null() { told.watermark.clone() } else { page.watermark };
        self.told = Told { total: page.total, duplicates: told.duplicates + again, watermark };
        if self.waiting.is_empty() {
            let mut plan = self.plan.clone();
            self.turn_page(&mut plan);
            self.commit(plan, Vec::new(), Vec::new()).await?;
        }
        Ok(())
    }

    async fn ask_source(&mut self) -> Result<Page, NoAnswer> {
        let Some(source) = &self.options.source else { return self.own_items() };
        let is_delta = self.options.watermark.as_ref().is_some_and(|mark| mark.delta);
        let ask = AskPage {
            job: About::of(self.job),
            cursor: &self.plan.cursor,
            limit: self.batch_size(),
            since: is_delta.then_some(&self.plan.since),
        };
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
        Ok(Page { items, next: Value::Null, total, watermark: Value::Null })
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

    pub(super) fn turn_page(&mut self, plan: &mut Plan) {
        let Some(next) = self.next.clone() else { return };
        plan.exhausted = next.is_null();
        plan.cursor = next;
        plan.pages += 1;
    }
}

fn goes_round(cursor: &Value) -> NoAnswer {
    let text = format!(
        "the source gave the cursor {cursor} for the second time; expected a new one, or null at the end"
    );
    NoAnswer::End(Outcome::Failed(Failure::new(ReasonClass::Error, text).permanent()))
}
