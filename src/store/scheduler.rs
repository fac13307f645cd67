//! Job schedulers, the producer's side. `BullMQ` only.

use serde_json::{Map, Value};

use super::act::Terms;
use super::script::in_dialect;
use super::{Queue, Store, StoreError, array, integer, text};
use crate::job::JobId;
use crate::job::cron::Zone;
use crate::job::repeat::scheduler::Upsert;
use crate::wire::NewJob;

/// The iteration that a scheduler has planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The job: `repeat:<scheduler>:<due ms>`.
    pub id: JobId,
    /// In how many ms it is due.
    pub delay_ms: u64,
}

impl Store {
    /// Creates or changes a scheduler and plans its next iteration. `template` is what its jobs are made from.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`]: a job of that time exists already and cannot be replaced.
    pub async fn upsert_scheduler(
        &self,
        token: &str,
        id: &str,
        upsert: &Upsert,
        template: &NewJob,
    ) -> Result<Planned, StoreError> {
        let script = in_dialect(&self.scripts.scheduler_upsert, "job schedulers: add a job with `repeat`")?;
        let or_empty = |ms: Option<i64>| ms.map(|ms| ms.to_string()).unwrap_or_default();
        let mut call = self.act(script);
        call.arg(token).arg(id).arg(or_empty(upsert.every_ms)).arg(or_empty(upsert.due_ms));
        call.arg(or_empty(upsert.start_ms)).arg(or_empty(upsert.offset_ms));
        call.arg(&template.name).arg(&template.data).arg(&upsert.opts_head);
        call.arg(&template.priority).arg(u8::from(template.lifo));
        call.arg("name").arg(&template.name);
        for (field, value) in &upsert.record {
            call.arg(*field).arg(value);
        }
        for (field, value) in [("opts", &template.opts_head), ("data", &template.data)] {
            if value != "{}" {
                call.arg(field).arg(value);
            }
        }
        let terms = Terms { what: "scheduler-upsert", job: id, done: "#", ..Terms::default() };
        let mut reply = array(call.run(terms).await?)?.into_iter();
        match (reply.next(), reply.next()) {
            (Some(job), Some(delay)) => {
                let delay = text(delay)?;
                let delay_ms =
                    delay.parse::<i64>().map_err(|_| StoreError::Protocol(format!("delay {delay}")))?;
                Ok(Planned { id: text(job)?.into(), delay_ms: delay_ms.max(0).cast_unsigned() })
            }
            (Some(code), None) if integer(&code)? == -10 => Err(StoreError::Invalid(format!(
                "scheduler {id}: its next iteration exists as a job already"
            ))),
            _ => Err(StoreError::Invalid(format!("scheduler {id}: its next slots are all taken by jobs"))),
        }
    }
}

impl Queue {
    /// Creates or changes a job scheduler. `repeat` has `every` (ms) or `pattern`, and may have `tz`, `limit`, `startDate`,
    /// `endDate`, `offset`, `immediately`; patterns without `tz` are read in the zone of this process, as Node does. Jobs
    /// are called `name`, or as the scheduler.
    ///
    /// ```no_run
    /// # async fn demo(queue: bullock::Queue) -> Result<(), Box<dyn std::error::Error>> {
    /// use serde_json::json;
    /// let repeat = json!({"pattern": "0 3 * * *", "tz": "Europe/Rome"});
    /// let planned = queue.upsert_scheduler("nightly", &repeat, None, &json!({"full": true}), json!({})).await?;
    /// println!("the first one is due in {} ms", planned.delay_ms);
    /// # Ok(()) }
    /// ```
    pub async fn upsert_scheduler(
        &self,
        id: &str,
        repeat: &Value,
        name: Option<&str>,
        data: &impl serde::Serialize,
        opts: Value,
    ) -> Result<Planned, StoreError> {
        let invalid = |error: &dyn std::fmt::Display| StoreError::Invalid(error.to_string());
        let data = serde_json::to_value(data).map_err(|error| invalid(&error))?;
        let opts = match opts {
            Value::Object(opts) => opts,
            _ => Map::new(),
        };
        let template = NewJob::template(name.unwrap_or(id), &data, opts).map_err(StoreError::Invalid)?;
        let stored: Map<String, Value> = serde_json::from_str(&template.opts_head).unwrap_or_default();
        let now_ms = self.store().time_ms().await?;
        let upsert = crate::job::repeat::scheduler::upsert(id, repeat, &stored, now_ms, Zone::Local)
            .map_err(|error| invalid(&error))?;
        // Sent again after a lost reply it replaces what it planned.
        match self.store().upsert_scheduler(self.token(), id, &upsert, &template).await {
            Err(StoreError::Unavailable(_)) => {
                self.store().upsert_scheduler(self.token(), id, &upsert, &template).await
            }
            planned => planned,
        }
    }

    /// Removes a job scheduler with the iteration it has planned; false = there was none.
    pub async fn remove_scheduler(&self, id: &str) -> Result<bool, StoreError> {
        in_dialect(&self.store().scripts.scheduler_upsert, "job schedulers")?;
        self.store().repeat_remove(id, "").await
    }
}
