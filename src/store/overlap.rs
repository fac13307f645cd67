//! Schedules that the config names: registering them, and whose turn it is when an occurrence is due before the one before
//! it has ended.
//!
//! Owns: their definitions in Redis, and the question. Must never know: when it is asked (`worker::schedules`).

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::actor::Actor;
use super::{Queue, Store, StoreError, array, integer, text};
use crate::job::cron::Zone;
use crate::job::repeat::{key_and_prefix, occurrence_prefix};
use crate::wire::Dialect;

/// What becomes of an occurrence that is due before the one before it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// It is passed over.
    #[default]
    Skip,
    /// It runs after it.
    Queue,
    /// The old one is cancelled, and it runs then.
    Cancel,
}

impl Overlap {
    /// The word of the config.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
            Self::Cancel => "cancel",
        }
    }
}

/// When a schedule is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// A cron pattern, in this zone; `None` = that of this process.
    Cron(String, Option<String>),
    /// Every so many ms.
    Every(u64),
}

/// A schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Its name: the id of a `BullMQ` scheduler, the `jobId` of a Bull repeatable job.
    pub name: String,
    /// The name of its jobs.
    pub job: String,
    /// When it is due.
    pub when: When,
    /// The data of its jobs.
    pub data: Value,
    /// Their options.
    pub opts: Map<String, Value>,
    /// What becomes of one that is due too soon.
    pub overlap: Overlap,
}

/// Whose turn it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// That of the one that was asked about.
    Run,
    /// It is passed over: this one had not ended when it was due.
    Skip(String),
    /// It waits for these.
    Wait(Vec<String>),
}

impl Schedule {
    /// Bull's options for it, or the scheduler's.
    fn repeat(&self, dialect: Dialect) -> Value {
        let pattern = if dialect == Dialect::Bull { "cron" } else { "pattern" };
        match &self.when {
            When::Cron(text, None) => json!({ pattern: text }),
            When::Cron(text, Some(tz)) => json!({ pattern: text, "tz": tz }),
            When::Every(ms) => json!({ "every": ms }),
        }
    }

    /// Its key in the set `repeat`, and what the ids of its occurrences begin with.
    pub fn key_and_prefix(&self, dialect: Dialect) -> (String, String) {
        if dialect == Dialect::BullMq {
            return (self.name.clone(), format!("repeat:{}:", self.name));
        }
        let mut repeat = self.repeat(dialect);
        repeat["jobId"] = json!(self.name);
        key_and_prefix(&self.job, &repeat, Zone::Local)
    }

    /// All of it, to see whether it was changed.
    fn definition(&self, dialect: Dialect) -> String {
        let (key, _) = self.key_and_prefix(dialect);
        let opts = Value::Object(self.opts.clone());
        json!({"key": key, "job": self.job, "repeat": self.repeat(dialect), "data": self.data, "opts": opts})
            .to_string()
    }
}

impl Store {
    /// Sees to it that these schedules are registered, as they are now, and those that were registered by an earlier config
    /// and are not among them are removed: answers their names. What has not changed is left alone.
    ///
    /// # Errors
    /// A pattern that matches no time; and those of every call.
    pub async fn keep_schedules(
        &self,
        actor: &Actor,
        schedules: &[Schedule],
    ) -> Result<Vec<String>, StoreError> {
        let mut gone = Vec::new();
        let known = self.keys.extra_of("schedules");
        let stored: HashMap<String, String> =
            self.connection.query(redis::cmd("HGETALL").arg(&known)).await?;
        let store = self.by(actor.clone());
        for (name, old) in &stored {
            let current = schedules.iter().find(|schedule| schedule.name == *name);
            let is_same = current.is_some_and(|schedule| schedule.definition(self.dialect()) == *old);
            let is_replaced = current.is_some() && self.dialect() == Dialect::BullMq;
            if !is_same && !is_replaced {
                store.remove_schedule(old).await?;
            }
            if current.is_none() {
                self.connection.send(redis::cmd("HDEL").arg(&known).arg(name)).await?;
                gone.push(name.clone());
            }
        }
        for schedule in schedules {
            let definition = schedule.definition(self.dialect());
            let (key, _) = schedule.key_and_prefix(self.dialect());
            let mut ask = redis::cmd("ZSCORE");
            ask.arg(self.keys.of("repeat")).arg(&key);
            let planned: Option<f64> = self.connection.query(&ask).await?;
            if planned.is_none() || stored.get(&schedule.name) != Some(&definition) {
                let mut note = redis::cmd("HSET");
                note.arg(&known).arg(&schedule.name).arg(definition);
                // Who dies in between must leave nothing in Redis that a later config would not know to be ours.
                if !stored.contains_key(&schedule.name) {
                    self.connection.send(&note).await?;
                }
                store.register(schedule).await?;
                self.connection.send(&note).await?;
            }
        }
        Ok(gone)
    }

    async fn register(&self, schedule: &Schedule) -> Result<(), StoreError> {
        let (queue, repeat) = (Queue::on(self.clone()), schedule.repeat(self.dialect()));
        let mut opts = schedule.opts.clone();
        if self.dialect() == Dialect::BullMq {
            let opts = Value::Object(opts);
            let planned =
                queue.upsert_scheduler(&schedule.name, &repeat, Some(&schedule.job), &schedule.data, opts);
            return planned.await.map(|_| ());
        }
        opts.insert("repeat".into(), repeat);
        opts.insert("jobId".into(), json!(schedule.name));
        queue.add(&schedule.job, &schedule.data, Value::Object(opts)).await.map(|_| ())
    }

    /// `definition` as it was noted.
    async fn remove_schedule(&self, definition: &str) -> Result<(), StoreError> {
        let old: Value = serde_json::from_str(definition).unwrap_or_default();
        let Some(key) = old["key"].as_str() else { return Ok(()) };
        let prefix = match self.dialect() {
            Dialect::Bull => occurrence_prefix(key).unwrap_or_default(),
            Dialect::BullMq => String::new(),
        };
        self.repeat_remove(key, &prefix).await.map(|_| ())
    }

    /// Whose turn it is: `claimed`, an occurrence of this schedule, or (`None`) the one that is due and that nobody has claimed.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn turn(&self, schedule: &Schedule, claimed: Option<&str>) -> Result<Turn, StoreError> {
        let script = &self.scripts.overlap;
        let (key, prefix) = schedule.key_and_prefix(self.dialect());
        let mut call = script.call(&self.keys);
        call.arg(&schedule.name)
            .arg(schedule.overlap.as_str())
            .arg(claimed.unwrap_or(""))
            .arg(key)
            .arg(prefix);
        let mut reply = array(script.run(&self.connection, &call).await?)?.into_iter();
        let code = integer(&reply.next().unwrap_or(redis::Value::Nil))?;
        let mut ids = reply.map(text).collect::<Result<Vec<_>, _>>()?;
        Ok(match code {
            1 => Turn::Skip(ids.pop().unwrap_or_default()),
            2 => Turn::Wait(ids),
            _ => Turn::Run,
        })
    }
}
