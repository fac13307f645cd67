//! Cancelling jobs: a person's act, and how the processes that run them hear of it.
//!
//! The truth is the field `cancel` of a job's record: it survives every restart, and each renewal of a lease reads it.
//! The stream `X cancel` only wakes those who would find it a beat later.

use std::collections::HashMap;

use redis::Value;

use super::actor::Actor;
use super::{Connection, Store, StoreError, array, integer, text};
use crate::wire::Keys;

/// Most wake-ups in one reply.
const WAKE_UPS_MAX: usize = 1000;
/// So far back does a reader begin: entries about jobs that it has not claimed are passed over, one that it missed
/// would wait for the next renewal.
const LOOK_BACK_MS: i64 = 60_000;

/// Answer to a cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// No run held it: it is failed now, for good.
    Done,
    /// A run of a worker of ours holds it and is told.
    Told,
    /// It is marked, but a worker of another kind runs it, which does not listen. It ends as cancelled when it is tried
    /// again by a worker of ours, or found without its worker.
    Marked,
    /// It was told before; it was told again.
    ToldBefore,
    /// It ended as cancelled before.
    Before,
    /// It is completed.
    Completed,
    /// It is failed.
    Failed,
    /// It is the next occurrence of a repeatable job or a scheduler: without it the chain would end.
    Planned,
    /// Its hash is there, but no list of the queue names it.
    Stuck,
    /// There is no such job.
    NotFound,
}

impl Cancelled {
    fn of(code: i64) -> Self {
        match code {
            1 => Self::Done,
            2 => Self::Told,
            3 => Self::Marked,
            4 => Self::ToldBefore,
            -1 => Self::Completed,
            -2 => Self::Failed,
            -3 => Self::Before,
            -4 => Self::Stuck,
            -8 => Self::Planned,
            _ => Self::NotFound,
        }
    }
}

/// A cancel that was asked for while the job runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CancelMark {
    /// By whom; empty = not said.
    pub by: String,
    /// The reason given; empty = none.
    pub why: String,
    /// The run gets no grace.
    pub kill: bool,
}

impl CancelMark {
    /// Reads what the script wrote. What cannot be read is a cancel by nobody we know.
    pub fn read(json: &str) -> Self {
        let said: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
        let member =
            |name: &str| said.get(name).and_then(|text| text.as_str()).unwrap_or_default().to_owned();
        Self { by: member("by"), why: member("why"), kill: member("act") == "kill" }
    }

    /// The text of the failure, the same as the scripts write.
    ///
    /// # Examples
    ///
    /// ```
    /// use bullock::store::cancel::CancelMark;
    /// let mark = CancelMark::read(r#"{"at":1,"by":"kim","from":"cli@shop","why":"wrong store"}"#);
    /// assert_eq!(mark.text(), "cancelled by kim: wrong store");
    /// assert_eq!(CancelMark::default().text(), "cancelled");
    /// ```
    pub fn text(&self) -> String {
        let by = if self.by.is_empty() { String::new() } else { format!(" by {}", self.by) };
        let why = if self.why.is_empty() { String::new() } else { format!(": {}", self.why) };
        format!("cancelled{by}{why}")
    }
}

impl Store {
    /// Cancels jobs: those that no run holds fail now and for good, the runs of the others are told and get their
    /// grace. Never tried again by itself; the same sent twice changes nothing.
    pub async fn cancel(&self, actor: &Actor, ids: &[&str]) -> Result<Vec<Cancelled>, StoreError> {
        self.send_cancel("cancel", actor, ids).await
    }

    /// The same without the grace: what runs is stopped hard at once.
    pub async fn kill(&self, actor: &Actor, ids: &[&str]) -> Result<Vec<Cancelled>, StoreError> {
        self.send_cancel("kill", actor, ids).await
    }

    async fn send_cancel(
        &self,
        act: &str,
        actor: &Actor,
        ids: &[&str],
    ) -> Result<Vec<Cancelled>, StoreError> {
        let script = &self.scripts.cancel;
        let mut all = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(super::BATCH_MAX) {
            let mut call = script.call(&self.keys);
            call.arg(act).arg(&actor.args()[..]).arg(chunk);
            for code in array(script.run(&self.connection, &call).await?)? {
                all.push(Cancelled::of(integer(&code)?));
            }
        }
        Ok(all)
    }
}

/// Reads the wake-ups of any number of queues of one server.
pub struct WakeUps {
    /// Of its own, with a response time-out of [`super::wakeup::BLOCK_DEADLINE`].
    connection: Connection,
    /// The last entry that was read, by key.
    read: HashMap<String, String>,
    /// Where streams are begun.
    begin: Option<String>,
}

impl WakeUps {
    /// A reader on a connection of its own: everything behind a blocked command waits with it.
    pub fn on(connection: Connection) -> Self {
        Self { connection, read: HashMap::new(), begin: None }
    }

    /// Waits for wake-ups of these queues, at most [`super::wakeup::BLOCK`]. Answers position of the queue and job id.
    /// An entry may be answered for a job that was never held here, and again after an error: it only says "look".
    pub async fn next(&mut self, queues: &[&Keys]) -> Result<Vec<(usize, String)>, StoreError> {
        let begin = match &self.begin {
            Some(begin) => begin.clone(),
            None => self.begin.insert(self.beginning().await?).clone(),
        };
        let keys: Vec<String> = queues.iter().map(|keys| keys.extra_of("cancel")).collect();
        let mut call = redis::cmd("XREAD");
        call.arg("COUNT").arg(WAKE_UPS_MAX);
        call.arg("BLOCK").arg(super::wakeup::BLOCK.as_millis() as u64).arg("STREAMS").arg(&keys);
        for key in &keys {
            call.arg(self.read.get(key).unwrap_or(&begin));
        }
        let mut found = Vec::new();
        for (key, entries) in streams(self.connection.send(&call).await?)? {
            let Some(position) = keys.iter().position(|known| *known == key) else { continue };
            for entry in array(entries)? {
                let mut entry = array(entry)?.into_iter();
                let (Some(id), Some(fields)) = (entry.next(), entry.next()) else { continue };
                self.read.insert(key.clone(), text(id)?);
                // An entry whose fields are none is of nobody we know.
                let fields: Vec<String> = super::convert(fields).unwrap_or_default();
                let job = fields.chunks_exact(2).find(|pair| pair[0] == "job").map(|pair| pair[1].clone());
                found.extend(job.map(|job| (position, job)));
            }
        }
        Ok(found)
    }

    /// Drops the connection: the next call opens a new one.
    pub async fn reset(&self) {
        self.connection.reset().await;
    }

    /// An id that all entries of the last minute come behind, by the clock that makes the ids.
    async fn beginning(&self) -> Result<String, StoreError> {
        let time: Vec<String> = self.connection.query(&redis::cmd("TIME")).await?;
        let seconds: i64 = time.first().and_then(|s| s.parse().ok()).unwrap_or(0);
        Ok(format!("{}-0", (seconds * 1000 - LOOK_BACK_MS).max(0)))
    }
}

/// The reply of XREAD: nil when nothing came, else streams with their entries, in either protocol.
fn streams(reply: Value) -> Result<Vec<(String, Value)>, StoreError> {
    match reply {
        Value::Nil => Ok(Vec::new()),
        Value::Map(pairs) => pairs.into_iter().map(|(key, entries)| Ok((text(key)?, entries))).collect(),
        other => array(other)?
            .into_iter()
            .map(|stream| {
                let mut pair = array(stream)?.into_iter();
                match (pair.next(), pair.next()) {
                    (Some(key), Some(entries)) => Ok((text(key)?, entries)),
                    _ => Err(StoreError::Protocol("a stream without its entries".into())),
                }
            })
            .collect(),
    }
}
