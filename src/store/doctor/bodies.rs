//! Data and options of jobs that are still to run: can they be read?

use std::collections::HashMap;

use redis::Value;
use serde::de::IgnoredAny;

use crate::store::{CALL_BYTES_MAX, Store, StoreError, array, bytes};
use crate::wire::Dialect;
use crate::wire::doctor::{Class, Fault, JobFacts, Kind};

/// Data or options that are longer are not looked into.
const LOOKED_INTO_BYTES_MAX: usize = 1024 * 1024;

/// By so many of its first bytes, and its length, a body is known again.
const START_BYTES: usize = 1024;

/// A body that no worker can read.
pub(super) struct Unreadable(pub(super) Fault);

impl Store {
    /// Those among unfinished jobs whose data or options cannot be read.
    pub(super) async fn unreadable<'a>(
        &self,
        jobs: impl Iterator<Item = (&'a [u8], &'a JobFacts)>,
    ) -> Result<HashMap<Vec<u8>, Unreadable>, StoreError> {
        let length = |job: &JobFacts| job.data.unwrap_or(0) + job.opts.unwrap_or(0);
        let wanted: Vec<(&[u8], usize)> = jobs
            .filter(|(_, job)| job.kind == Kind::Right && job.places.is_unfinished())
            .filter(|(_, job)| job.data.max(job.opts).is_some_and(|longest| longest <= LOOKED_INTO_BYTES_MAX))
            .map(|(id, job)| (id, length(job)))
            .collect();
        let mut unreadable = HashMap::new();
        let mut rest = &wanted[..];
        while !rest.is_empty() {
            let mut sum = 0;
            let fit = rest.iter().take_while(|(_, size)| {
                sum += size;
                sum <= CALL_BYTES_MAX
            });
            let (now, later) = rest.split_at(fit.count().max(1));
            rest = later;
            let mut pipe = redis::pipe();
            for (id, _) in now {
                pipe.cmd("HMGET").arg([self.keys.base.as_bytes(), id].concat()).arg("data").arg("opts");
            }
            let replies = self.connection.pipeline(&pipe, now.len()).await?;
            for ((id, _), reply) in now.iter().zip(replies) {
                if let Some(fault) = self.fault_of_body(reply) {
                    unreadable.insert(id.to_vec(), Unreadable(fault));
                }
            }
        }
        Ok(unreadable)
    }

    fn fault_of_body(&self, reply: Value) -> Option<Fault> {
        let mut fields = array(reply).ok()?.into_iter().map(bytes);
        let (data, opts) = (fields.next().flatten(), fields.next().flatten());
        let fault = |class, field: &str, text: &[u8], problem: String| {
            // What the rule looks for again before it mends.
            let mut arg = format!("{field}:{}:", text.len()).into_bytes();
            arg.extend_from_slice(&text[..text.len().min(START_BYTES)]);
            let start = text[..text.len().min(64)].escape_ascii();
            let detail = format!("{field}: {problem}; it starts with \"{start}\"");
            Fault::new(class, "undecodable", arg, detail)
        };
        let mut raw = false;
        if let Some(opts) = &opts {
            let read = std::str::from_utf8(opts).map_err(|_| "not UTF-8".to_owned());
            match read.and_then(|text| self.dialect().options(text)) {
                Ok(read) => raw = self.dialect() == Dialect::Bull && read.prevent_parsing_data,
                Err(problem) => return Some(fault(Class::UndecodableOpts, "opts", opts, problem)),
            }
        }
        let data = data.filter(|_| !raw)?;
        let problem = match std::str::from_utf8(&data) {
            Err(_) => "not UTF-8".to_owned(),
            Ok(text) => serde_json::from_str::<IgnoredAny>(text).err()?.to_string(),
        };
        Some(fault(Class::UndecodableData, "data", &data, problem))
    }
}
