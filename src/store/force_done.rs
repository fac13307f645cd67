//! Ending a job well by a person's word, whatever it is doing.

use redis::Value;

use super::actor::Actor;
use super::finish::push_keep_with_limit;
use super::zombies::Limits;
use super::{Store, StoreError, array, bytes, integer, text};
use crate::job::options::Keep;
use crate::wire::{Dialect, event};

/// Answer to a force-done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Forced {
    /// It is completed now; the state it was in.
    Done(String),
    /// Somebody has forced it before: nothing was written.
    Already,
    /// It has completed by itself: nothing was written.
    Completed,
    /// There is no such job.
    NotFound,
    /// It is no zombie of the class that was asked for (any more).
    NoZombie,
    /// A run holds it, and it was not to be taken from a live one.
    Held,
}

impl Store {
    /// Completes a job that waits, is delayed, runs or has failed, with the result
    /// `{"forced":true,"by":…,"reason":…}`. A run that holds it loses its lease: what it writes later is refused. What
    /// the job's own `removeOnComplete` says is done.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn force_done(&self, actor: &Actor, id: &str) -> Result<Forced, StoreError> {
        self.send_force_done(actor, id, None).await
    }

    pub(super) async fn send_force_done(
        &self,
        actor: &Actor,
        id: &str,
        zombie: Option<(&str, &Limits)>,
    ) -> Result<Forced, StoreError> {
        let result = serde_json::json!({"forced": true, "by": actor.by, "reason": actor.why}).to_string();
        let keep = self.keep_completed_of(id).await?;
        let script = &self.scripts.force_done;
        let mut call = script.call(&self.keys);
        call.arg(&actor.args()).arg(id).arg(&result);
        match self.dialect() {
            Dialect::Bull => call.arg(event::completed(id, Some(&result))),
            Dialect::BullMq => call.arg(""),
        };
        push_keep_with_limit(&mut call, keep);
        match zombie {
            None => call.arg("").arg(0).arg(0),
            Some((class, limits)) => {
                call.arg(class).arg(limits.of(class)).arg(u8::from(limits.from_live_runs))
            }
        };
        let reply = script.run(&self.connection, &call).await?;
        let (code, was) = match reply {
            Value::Array(_) => {
                let mut reply = array(reply)?.into_iter();
                let code = integer(&reply.next().unwrap_or(Value::Nil))?;
                (code, reply.next().map(text).transpose()?.unwrap_or_default())
            }
            other => (integer(&other)?, String::new()),
        };
        Ok(match code {
            1 => Forced::Done(was),
            -1 => Forced::Completed,
            -2 => Forced::Already,
            -3 => Forced::NoZombie,
            -4 => Forced::Held,
            _ => Forced::NotFound,
        })
    }

    /// What the job's own options say of completed ones; all are kept where they say nothing or cannot be read.
    async fn keep_completed_of(&self, id: &str) -> Result<Keep, StoreError> {
        let found = self.connection.send(redis::cmd("HGET").arg(self.keys.of(id)).arg("opts")).await;
        let opts = match found {
            Ok(value) => bytes(value).and_then(|bytes| String::from_utf8(bytes).ok()),
            Err(error) if error.code() == Some("WRONGTYPE") => None,
            Err(error) => return Err(error.into()),
        };
        let keep = opts.and_then(|text| self.dialect().options(&text).ok()?.remove_on_complete);
        Ok(keep.unwrap_or(Keep::All))
    }
}
