//! Sending: follows a slot that moves, and doubts a socket whose reply is late while the server answers others.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value};

use super::health::now_ms;
use super::signs::{is_away, is_broken, redirection};
use super::target::Target;
use super::{Connection, GRACE, PATIENCE, RESPONSE_TIMEOUT, Shared};

/// The same where another socket to the server was just found dead.
const PATIENCE_SUSPECT: Duration = Duration::from_millis(200);
/// Longest wait for that other connection and its answer.
const SECOND_OPINION: Duration = Duration::from_secs(1);
/// So long after the last dead socket the patience is the usual one again; more than the time-out, so that a reply that
/// is only slow gets through meanwhile.
const FORGIVEN: Duration = Duration::from_secs(10);
/// How often a command follows a slot that moves before it fails.
const REDIRECTS_MAX: u32 = 3;

/// What is sent, and what is known of the time that it takes.
pub(super) enum Request<'a> {
    One(&'a Cmd),
    /// So many replies; blocks for so long.
    Many(&'a Pipeline, usize, Duration),
    Atomic(&'a Pipeline),
}

impl Connection {
    /// Notes the error of a reply inside a pipeline: it may mean that the connection must be replaced.
    pub(in crate::store) async fn met(&self, error: &RedisError) {
        if is_broken(error) {
            self.reset().await;
        }
        if is_away(error) {
            self.shared.health.is_down(Arc::downgrade(&self.shared), error.clone());
        }
    }

    /// Sends, and tells whoever counts round trips.
    pub(super) async fn request(&self, name: &str, request: &Request<'_>) -> Result<Vec<Value>, RedisError> {
        let Some(meter) = &self.shared.meter else { return self.follow(request).await };
        let begun = Instant::now();
        let replies = self.follow(request).await;
        let is_for_waits = self.shared.response_timeout != RESPONSE_TIMEOUT;
        let waits = is_for_waits || matches!(request, Request::Many(_, _, block) if !block.is_zero());
        meter.round_trip(name, (!waits).then(|| begun.elapsed()));
        replies
    }

    /// Sends, and follows a slot that has moved: a command that was refused for it was not executed.
    async fn follow(&self, request: &Request<'_>) -> Result<Vec<Value>, RedisError> {
        let mut redirects = 0;
        loop {
            let (number, live) = self.live().await?;
            let replies = self.patiently(request, live).await;
            let error = match &replies {
                Err(error) => error.clone(),
                Ok(values) => match redirection(values) {
                    Some(error) => error,
                    None => return replies,
                },
            };
            if is_broken(&error) {
                self.discard(number).await;
            }
            if is_away(&error) {
                self.shared.health.is_down(Arc::downgrade(&self.shared), error.clone());
            }
            if let Target::Cluster(cluster) = &*self.shared.target
                && error.kind() == ErrorKind::Server(ServerErrorKind::Moved)
                && let Some((address, slot)) = error.redirect_node()
            {
                cluster.moved(slot, address).await;
                redirects += 1;
                if redirects <= REDIRECTS_MAX {
                    continue;
                }
            }
            return Err(error);
        }
    }

    /// Awaits the replies. When they are late, another connection is asked whether the server is: if it answers there,
    /// this socket is dead, and waiting for the whole of the time-out would hold up every job.
    async fn patiently(
        &self,
        request: &Request<'_>,
        mut live: MultiplexedConnection,
    ) -> Result<Vec<Value>, RedisError> {
        let shared = &*self.shared;
        let mut work = std::pin::pin!(exchange(request, &mut live));
        if let Ok(replies) = tokio::time::timeout(self.patience(request), &mut work).await {
            if replies.is_ok() {
                shared.heard_ms.store(now_ms(), Ordering::Relaxed);
            }
            return replies;
        }
        let server_answers = tokio::select! {
            replies = &mut work => return replies,
            answers = self.answers_elsewhere() => answers,
        };
        if !server_answers {
            return work.await;
        }
        if let Ok(replies) = tokio::time::timeout(GRACE, &mut work).await {
            return replies;
        }
        let in_a_row = self.silences() + 1;
        shared.silences.store(in_a_row, Ordering::Relaxed);
        shared.health.suspect();
        Err(RedisError::from((ErrorKind::Io, "no answer", "on a connection that fell silent".to_owned())))
    }

    fn patience(&self, request: &Request<'_>) -> Duration {
        let shared = &*self.shared;
        let heard = shared.heard_ms.load(Ordering::Relaxed);
        let suspect = shared.health.is_suspect_since(heard) && shared.patience == PATIENCE;
        let base = if suspect { PATIENCE_SUSPECT } else { shared.patience };
        let block = if let Request::Many(_, _, block) = request { *block } else { Duration::ZERO };
        let doubled = self.silences().saturating_sub(1).min(6);
        block + (base * 2u32.saturating_pow(doubled)).min(shared.response_timeout)
    }

    /// Sockets that were found dead in a row.
    fn silences(&self) -> u32 {
        let forgiven = now_ms().saturating_sub(FORGIVEN.as_millis() as u64);
        let Shared { health, silences, .. } = &*self.shared;
        if health.is_suspect_since(forgiven) { silences.load(Ordering::Relaxed) } else { 0 }
    }

    /// Does the server answer on a new connection?
    async fn answers_elsewhere(&self) -> bool {
        tokio::time::timeout(SECOND_OPINION, self.connect()).await.is_ok_and(|opened| opened.is_ok())
    }
}

async fn exchange(request: &Request<'_>, live: &mut MultiplexedConnection) -> Result<Vec<Value>, RedisError> {
    match request {
        // Errors inside replies come as values from the raw call.
        Request::One(cmd) => {
            live.send_packed_command(cmd).await.and_then(Value::extract_error).map(|value| vec![value])
        }
        Request::Many(pipe, commands, _) => live.send_packed_commands(pipe, 0, *commands).await,
        Request::Atomic(pipe) => pipe.query_async(live).await.map(|value| vec![value]),
    }
}
