//! Starting a sync once, however often and from how many places it is asked for.

use std::time::Duration;

use redis::Value;

use crate::job::JobId;
use crate::store::actor::Actor;
use crate::store::enqueue::push_job;
use crate::store::{Store, StoreError, array, integer, text};
use crate::wire::NewJob;

/// How long an idempotency key holds when nobody says.
pub const KEY_HOLDS_DEFAULT: Duration = Duration::from_hours(24);
/// Longest name of an organisation, longest idempotency key, bytes.
pub const NAME_BYTES_MAX: usize = 256;

/// A start, beside the job itself.
#[derive(Debug, Clone, Default)]
pub struct Start<'a> {
    /// Whose sync it is. The same idempotency key of two organisations is two keys.
    pub org: Option<&'a str>,
    /// Starts under the same key are one.
    pub key: Option<&'a str>,
    /// How long the key holds; `None` = [`KEY_HOLDS_DEFAULT`].
    pub key_holds: Option<Duration>,
    /// May one organisation have several of a kind (name) that have not ended?
    pub several: bool,
}

/// What became of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartedAs {
    /// There was none: its job was added.
    Created,
    /// There is one: nothing was written.
    Existing,
    /// There is one that was interrupted: it goes on.
    Resumed,
    /// The id that was asked for is that of a job which is not this organisation's: nothing was written.
    Taken,
}

impl StartedAs {
    /// The word used in CLI and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Existing => "existing",
            Self::Resumed => "resumed",
            Self::Taken => "taken",
        }
    }
}

/// Answer to a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// What became of it.
    pub how: StartedAs,
    /// The sync's job.
    pub id: JobId,
    /// The state that it is in.
    pub state: String,
    /// Is it paused?
    pub is_paused: bool,
}

impl Start<'_> {
    fn check(&self) -> Result<(), StoreError> {
        for (what, text) in [("organisation", self.org), ("idempotency key", self.key)] {
            let Some(text) = text else { continue };
            if text.trim().is_empty() || text.len() > NAME_BYTES_MAX {
                let problem = format!("{what} {text:?}: expected 1 to {NAME_BYTES_MAX} bytes, not blank");
                return Err(StoreError::Invalid(problem));
            }
        }
        // `a` + `b:c` and `a:b` + `c` would be one key.
        if self.org.is_some_and(|org| org.contains(':')) {
            return Err(StoreError::Invalid("organisation: expected a name without colons".into()));
        }
        Ok(())
    }
}

impl Store {
    /// Starts a sync with `job`, unless the same key, the same id, or the same kind for the same organisation has one.
    ///
    /// One that is there and was interrupted (paused, failed, cancelled) goes on if it is asked for by its key or its id.
    ///
    /// # Errors
    /// A name that cannot be one; and those of every call.
    pub async fn start_sync(
        &self,
        actor: &Actor,
        start: &Start<'_>,
        job: &NewJob,
    ) -> Result<Started, StoreError> {
        start.check()?;
        let script = &self.scripts.sync_start;
        let mut call = script.call(&self.keys);
        call.arg(&actor.args()).arg(start.org.unwrap_or("")).arg(start.key.unwrap_or(""));
        call.arg(start.key_holds.unwrap_or(KEY_HOLDS_DEFAULT).as_millis().max(1) as u64);
        call.arg(&job.name).arg(u8::from(!start.several));
        push_job(&mut call, job, self.dialect());
        let mut reply = array(script.run(&self.connection, &call).await?)?.into_iter();
        let mut next = || reply.next().unwrap_or(Value::Nil);
        let how = match integer(&next())? {
            0 => StartedAs::Created,
            2 => StartedAs::Resumed,
            3 => StartedAs::Taken,
            _ => StartedAs::Existing,
        };
        let (id, state) = (text(next())?.into(), text(next())?);
        Ok(Started { how, id, state, is_paused: integer(&next())? == 1 })
    }
}
