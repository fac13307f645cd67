//! Dead letters.

use serde_json::Value;

use super::queue::told;
use super::{At, QueueAt, Remote, Target};
use crate::cli::error::CliError;
use crate::store::dead::{Cursor, DeadLetter, Filter, Order, SCANNED_MAX, UNRECORDED};
use crate::store::inspect::PAGE_MAX;

/// A longer text of a failure is cut in the API's lists, bytes.
const ERROR_BYTES: usize = 1024;

/// A page of dead letters, the newest first.
#[derive(Debug, Default)]
pub struct DeadPage {
    /// Those that fit.
    pub jobs: Vec<DeadLetter>,
    /// Where to go on; `None` = all were looked at.
    pub next: Option<String>,
    /// How many were looked at.
    pub scanned: usize,
    /// How many there are in all.
    pub total: u64,
}

impl Target {
    /// Checks a cursor before anything connects; one of the API is the server's to read.
    pub fn check_dead_cursor(&self, cursor: Option<&str>) -> Result<(), CliError> {
        match self.at {
            At::Redis(_) => cursor.map_or(Ok(()), |cursor| place(cursor).map(|_| ())),
            At::Api(_) => Ok(()),
        }
    }
}

impl QueueAt<'_> {
    /// A page of them.
    pub async fn dead(
        &self,
        filter: &Filter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<DeadPage, CliError> {
        match self {
            Self::Redis(session, store) => {
                let after = after.map(place).transpose()?;
                let page = store.dead(filter, Order::NewestFirst, after, limit, false).await;
                let page = page.map_err(told(session))?;
                let next = page.next.map(|next| format!("{}:{}", next.failed_ms, next.id));
                Ok(DeadPage { jobs: page.jobs, next, scanned: page.scanned, total: page.total })
            }
            Self::Api(remote) => remote.dead(filter, after, limit).await,
        }
    }

    /// One of them, with its data; `None` = there is none of this id.
    pub async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, CliError> {
        match self {
            Self::Redis(session, store) => {
                let ids = [id.to_owned()];
                Ok(store.dead_by_id(&ids).await.map_err(told(session))?.pop())
            }
            Self::Api(remote) => {
                let query = [("state", "failed"), ("id", id)];
                let page: Value = remote.get(&["jobs"], &query).await?;
                Ok(page["items"].as_array().and_then(|items| items.first()).map(letter))
            }
        }
    }
}

impl Remote<'_> {
    async fn dead(&self, filter: &Filter, after: Option<&str>, limit: usize) -> Result<DeadPage, CliError> {
        let wanted: Vec<String> =
            filter.data.iter().map(|(path, value)| format!("data.{path}={value}")).collect();
        // The server looks into the data; the rest is looked at here.
        let filter = Filter { data: Vec::new(), ..filter.clone() };
        let in_time = |job: &DeadLetter| {
            filter.since_ms.is_none_or(|since| job.failed_ms >= since)
                && filter.until_ms.is_none_or(|until| job.failed_ms <= until)
        };
        let mut page = DeadPage { next: after.map(str::to_owned), ..DeadPage::default() };
        loop {
            let most = (limit - page.jobs.len()).min(PAGE_MAX).to_string();
            let mut query = vec![("state", "failed"), ("sort", "desc"), ("limit", most.as_str())];
            query.extend(page.next.as_deref().map(|cursor| ("cursor", cursor)));
            query.extend(filter.error.as_deref().map(|error| ("error", error)));
            query.extend(wanted.iter().map(|text| ("where", text.as_str())));
            let found: Value = self.get(&["jobs"], &query).await?;
            for item in found["items"].as_array().into_iter().flatten() {
                let mut job = letter(item);
                if job.error.len() >= ERROR_BYTES {
                    let whole: Value = self.get(&["jobs", &job.id], &[]).await?;
                    job = letter(&whole);
                }
                if in_time(&job) && filter.fits(&job) {
                    page.jobs.push(job);
                }
            }
            page.scanned += found["scanned"].as_u64().unwrap_or(0) as usize;
            page.total = found["total"].as_u64().unwrap_or(0);
            page.next = found["next"].as_str().map(str::to_owned);
            if page.next.is_none() || page.jobs.len() >= limit || page.scanned >= SCANNED_MAX {
                return Ok(page);
            }
        }
    }
}

fn place(cursor: &str) -> Result<Cursor, CliError> {
    let parts = cursor.split_once(':').and_then(|(ms, id)| Some((ms.parse::<f64>().ok()?, id)));
    match parts {
        Some((failed_ms, id)) if failed_ms.is_finite() => Ok(Cursor { failed_ms, id: id.to_owned() }),
        _ => Err(CliError::usage("this is no cursor")
            .at("--cursor")
            .found(cursor)
            .expected("the cursor that the last page named, such as 1795395600000:42")),
    }
}

/// A failed job as the API shows it.
fn letter(job: &Value) -> DeadLetter {
    let text = |name: &str| job[name].as_str().map(str::to_owned);
    DeadLetter {
        id: text("id").unwrap_or_default(),
        name: text("name").unwrap_or_default(),
        class: text("reason").unwrap_or_else(|| UNRECORDED.to_owned()),
        error: text("failedReason").unwrap_or_default(),
        failed_ms: job["finishedOn"].as_i64().unwrap_or(0),
        attempts_made: job["attemptsMade"].as_i64().unwrap_or(0),
        data: (!job["data"].is_null()).then(|| job["data"].to_string()),
        opts: Some(job["opts"].to_string()),
    }
}
