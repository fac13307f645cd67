//! One scheduler or repeatable job, and what its jobs are made from.

use redis::Value;
use serde_json::{Map, Value as Json};

use super::inspect::{Repeatable, SCHEDULER_FIELDS, fields_of};
use super::{Store, StoreError, bytes, convert};
use crate::job::repeat::occurrence_prefix;
use crate::wire::Dialect;
use crate::wire::hash::JobView;

impl Store {
    /// A registered repeatable job by its key, or a scheduler by its id; `None` = there is none.
    pub async fn repeatable(&self, key: &str) -> Result<Option<Repeatable>, StoreError> {
        let mut pipe = redis::pipe();
        pipe.cmd("ZSCORE").arg(self.keys.of("repeat")).arg(key);
        pipe.cmd("HMGET").arg(self.keys.of(&format!("repeat:{key}"))).arg(&SCHEDULER_FIELDS);
        let mut replies = self.connection.pipeline(&pipe, 2).await?.into_iter();
        let score = replies.next().and_then(bytes).and_then(|score| String::from_utf8(score).ok());
        let Some(next) = score.and_then(|score| score.parse::<f64>().ok()) else { return Ok(None) };
        let values: Vec<Option<String>> =
            replies.next().and_then(|reply| convert(reply).ok()).unwrap_or_default();
        let named = SCHEDULER_FIELDS.into_iter().zip(values);
        let record = named.filter_map(|(field, value)| Some((field, value?))).collect();
        Ok(Some(Repeatable { key: key.to_owned(), next_ms: next as i64, record }))
    }

    /// Name, data and options that the jobs of a scheduler are made from. Of a Bull repeatable job they stand in the
    /// occurrence that is delayed; `None` = that is not there, because it runs just now.
    pub async fn template(&self, of: &Repeatable) -> Result<Option<JobView>, StoreError> {
        let id = match self.dialect() {
            Dialect::BullMq => format!("repeat:{}", of.key),
            Dialect::Bull => match occurrence_prefix(&of.key) {
                Some(prefix) => format!("{prefix}{}", of.next_ms),
                None => return Ok(None),
            },
        };
        let mut cmd = redis::cmd("HGETALL");
        cmd.arg(self.keys.of(&id));
        let reply: Value = self.connection.send(&cmd).await?;
        let fields = fields_of(reply)?;
        Ok((!fields.is_empty()).then(|| self.view(&id, &fields)))
    }

    /// Name, data and options for one more job of a scheduler, to be run now; `None` as for [`Store::template`].
    pub async fn job_of_template(
        &self,
        of: &Repeatable,
    ) -> Result<Option<(String, Json, Map<String, Json>)>, StoreError> {
        let Some(template) = self.template(of).await? else { return Ok(None) };
        let mut opts = match template.opts {
            Json::Object(opts) => opts,
            _ => Map::new(),
        };
        for own in ["jobId", "timestamp", "repeat", "prevMillis", "delay"] {
            opts.shift_remove(own);
        }
        let data = if template.data.is_null() { Json::Object(Map::new()) } else { template.data };
        // A scheduler that says no name has jobs of its own name.
        let is_unnamed = template.name == "__default__" && self.dialect() == Dialect::BullMq;
        let name = if is_unnamed { of.key.clone() } else { template.name };
        Ok(Some((name, data, opts)))
    }
}
