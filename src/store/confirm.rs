//! Waiting for replicas: a write counts as safe once so many of them have it (`WAIT`).
//!
//! On a connection of its own: everything behind a `WAIT` waits with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::{Cmd, ErrorKind, ServerErrorKind, Value};

use super::script::Script;
use super::{Connection, Store, StoreError, integer};

/// Longest wait for the replicas; what they have not confirmed then is unconfirmed, and no less written.
pub(super) const REPLICAS_TIMEOUT: Duration = Duration::from_secs(1);

/// How adds and ends of a queue wait.
pub(super) struct Confirming {
    replicas: u32,
    connection: Connection,
    /// Ends of runs that were written and not confirmed, since somebody asked.
    unconfirmed: AtomicU64,
}

/// A write that must be on replicas: what the script answered, and how many replicas have it.
pub(super) struct Confirmed {
    pub reply: Value,
    pub replicas: u32,
    pub wanted: u32,
}

impl Confirmed {
    pub(super) fn is_enough(&self) -> bool {
        self.replicas >= self.wanted
    }
}

impl Store {
    /// The same queue, whose adds and ends of runs wait until so many replicas have them; 0 = they do not wait.
    #[must_use]
    pub fn with_replicas(&self, replicas: u32) -> Self {
        let confirming = (replicas > 0).then(|| {
            let connection = self.connection.again();
            Arc::new(Confirming { replicas, connection, unconfirmed: AtomicU64::new(0) })
        });
        Self { confirming, ..self.clone() }
    }

    /// Ends of runs that were written, and that too few replicas confirmed in time, since this was asked last.
    pub fn take_unconfirmed(&self) -> u64 {
        self.confirming.as_ref().map_or(0, |confirming| confirming.unconfirmed.swap(0, Ordering::Relaxed))
    }

    /// Sends a call, and waits for the replicas if that is wanted: one `WAIT` for all jobs of the call.
    pub(super) async fn confirmed(&self, script: &Script, call: &Cmd) -> Result<Confirmed, StoreError> {
        let Some(confirming) = &self.confirming else {
            let reply = script.run(&self.connection, call).await?;
            return Ok(Confirmed { reply, replicas: 0, wanted: 0 });
        };
        let Confirming { replicas, connection, .. } = &**confirming;
        let mut pipe = redis::pipe();
        pipe.add_command(call.clone());
        pipe.cmd("WAIT").arg(replicas).arg(REPLICAS_TIMEOUT.as_millis() as u64);
        for last in [false, true] {
            let mut replies = connection.pipeline_blocking(&pipe, 2, REPLICAS_TIMEOUT).await?.into_iter();
            let (reply, waited) =
                (replies.next().unwrap_or(Value::Nil), replies.next().unwrap_or(Value::Nil));
            match reply.extract_error() {
                Ok(reply) => {
                    // A user without the right to WAIT knows of none.
                    let replicas = integer(&waited).unwrap_or(0) as u32;
                    return Ok(Confirmed { reply, replicas, wanted: confirming.replicas });
                }
                Err(error) if !last && error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    connection.send(redis::cmd("SCRIPT").arg("LOAD").arg(script.text())).await?;
                }
                Err(error) => {
                    connection.met(&error).await;
                    return Err(error.into());
                }
            }
        }
        Err(StoreError::Unavailable("the server forgets scripts as it learns them".into()))
    }

    /// [`Store::confirmed`] for ends of `runs` runs. What is not confirmed is counted, and no error: it is written.
    pub(super) async fn end_runs(
        &self,
        script: &Script,
        call: &Cmd,
        runs: usize,
    ) -> Result<Value, StoreError> {
        let confirmed = self.confirmed(script, call).await?;
        if !confirmed.is_enough()
            && let Some(confirming) = &self.confirming
        {
            confirming.unconfirmed.fetch_add(runs as u64, Ordering::Relaxed);
        }
        Ok(confirmed.reply)
    }
}
