//! Reading a page of the source, and translating its jobs.

use redis::{Cmd, Value};
use serde::de::IgnoredAny;

use super::{MOVED_AT_ONCE, Mover, Reason};
use crate::store::{CALL_BYTES_MAX, StoreError, array, bytes};
use crate::wire::moving::{Translated, translate};

/// A job that can be moved if nothing changes meanwhile.
pub(super) struct Prepared {
    pub(super) id: String,
    /// Its name.
    pub(super) name: String,
    /// Its options as they were read; moved only while they are the same.
    read: String,
    pub(super) job: Translated,
}

/// Why a job is not even tried.
pub(super) type Refused = (String, Reason, String);

impl Prepared {
    pub(super) fn push(&self, call: &mut Cmd) {
        call.arg(&self.id).arg(&self.read).arg(&self.job.opts).arg(self.job.priority);
        let Some(series) = &self.job.series else {
            call.arg(0);
            return;
        };
        call.arg(3 + 2 * series.record.len()).arg(&series.key).arg(&series.scheduler).arg(&series.due);
        for (field, value) in &series.record {
            call.arg(*field).arg(value);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.id.len() + self.read.len() + 2 * self.job.opts.len()
    }
}

impl Mover {
    /// Ids of one place, the next to run first, without the `skip` first ones.
    pub(super) async fn page(&self, place: &str, skip: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let key = self.from.keys().of(place);
        let (first, last) = (skip.cast_signed(), (skip + MOVED_AT_ONCE - 1).cast_signed());
        let is_list = matches!(place, "wait" | "paused");
        let mut cmd = if is_list { redis::cmd("LRANGE") } else { redis::cmd("ZRANGE") };
        if is_list {
            cmd.arg(key).arg(-(last + 1)).arg(-(first + 1));
        } else {
            cmd.arg(key).arg(first).arg(last);
        }
        let mut ids: Vec<Vec<u8>> = self.from.connection.query(&cmd).await?;
        if is_list {
            ids.reverse();
        }
        Ok(ids)
    }

    /// Reads and translates jobs; those that cannot be moved come with the reason.
    pub(super) async fn prepare(
        &self,
        ids: Vec<Vec<u8>>,
    ) -> Result<(Vec<Prepared>, Vec<Refused>), StoreError> {
        let (mut prepared, mut refused) = (Vec::with_capacity(ids.len()), Vec::new());
        let mut named: Vec<(String, usize)> = Vec::with_capacity(ids.len());
        let mut pipe = redis::pipe();
        for id in ids {
            match String::from_utf8(id) {
                Ok(id) => named.push((id, 0)),
                Err(error) => {
                    let shown = String::from_utf8_lossy(error.as_bytes()).into_owned();
                    refused.push((shown, Reason::Id, "its id is not UTF-8".into()));
                }
            }
        }
        for (id, _) in &named {
            let key = self.from.keys().of(id);
            pipe.cmd("HMGET").arg(&key).arg("name").arg("opts");
            pipe.cmd("HSTRLEN").arg(&key).arg("data");
        }
        let mut replies = self.from.connection.pipeline(&pipe, 2 * named.len()).await?.into_iter();
        let mut read = Vec::with_capacity(named.len());
        for (_, length) in &mut named {
            // What is no hash is for the script to say.
            let mut fields = array(replies.next().unwrap_or(Value::Nil)).unwrap_or_default().into_iter();
            let mut field = || fields.next().and_then(bytes);
            read.push((field(), field()));
            *length = match replies.next() {
                Some(Value::Int(n)) => usize::try_from(n).unwrap_or(0),
                _ => 0,
            };
        }
        let bad = self.undecodable(&named).await?;
        for (((id, _), (name, opts)), bad) in named.into_iter().zip(read).zip(bad) {
            let name =
                name.map_or_else(|| "__default__".into(), |name| String::from_utf8_lossy(&name).into_owned());
            let Ok(read) = String::from_utf8(opts.unwrap_or_default()) else {
                refused.push((id, Reason::Options, "its options are not UTF-8".into()));
                continue;
            };
            if bad {
                refused.push((id, Reason::Data, "its data is not JSON".into()));
                continue;
            }
            match translate(&id, &name, &read, self.zone) {
                Ok(job) => prepared.push(Prepared { id, name, read, job }),
                Err(why) => refused.push((id, Reason::Options, why)),
            }
        }
        Ok((prepared, refused))
    }

    /// For each job (id, bytes of its data): is its data there and not JSON? A `BullMQ` worker, and every dashboard, would
    /// stumble over it.
    async fn undecodable(&self, jobs: &[(String, usize)]) -> Result<Vec<bool>, StoreError> {
        let mut bad = Vec::with_capacity(jobs.len());
        let mut rest = jobs;
        while !rest.is_empty() {
            let mut total = 0;
            let fits = |(_, length): &&(String, usize)| {
                total += length;
                total <= CALL_BYTES_MAX
            };
            let n = rest.iter().take_while(fits).count().max(1);
            let mut pipe = redis::pipe();
            for (id, _) in &rest[..n] {
                pipe.cmd("HGET").arg(self.from.keys().of(id)).arg("data");
            }
            for reply in self.from.connection.pipeline(&pipe, n).await? {
                let data = bytes(reply);
                bad.push(data.is_some_and(|data| serde_json::from_slice::<IgnoredAny>(&data).is_err()));
            }
            rest = &rest[n..];
        }
        Ok(bad)
    }
}
