//! Is this a Redis that keeps jobs? Asked before anything trusts it.

use std::time::Duration;

use super::failure::{EXIT_UNREACHABLE, EXIT_UNSAFE_REDIS, Failure};
use crate::store::server::{ServerFacts, VERSION_MIN};
use crate::store::{Connection, StoreError};

/// Pause between two tries to reach a server at the start; one line is printed for each.
const RETRY: Duration = Duration::from_secs(5);

/// Waits until the server answers, and checks it.
pub(super) async fn wait_until_fit(
    connection: &Connection,
    eviction_check: bool,
    fail_fast: bool,
) -> Result<ServerFacts, Failure> {
    loop {
        match ServerFacts::read(connection).await {
            Ok(facts) => return check(facts, eviction_check),
            Err(error @ StoreError::Unavailable(_)) if !fail_fast => {
                tracing::warn!(%error, "waiting for redis, next try in {} s", RETRY.as_secs());
                tokio::time::sleep(RETRY).await;
            }
            Err(error) => return Err(Failure::redis(error)),
        }
    }
}

/// Refuses servers on which jobs would be lost or scripts would fail.
pub(super) fn check(facts: ServerFacts, eviction_check: bool) -> Result<ServerFacts, Failure> {
    if facts.is_too_old() {
        let (major, minor) = VERSION_MIN;
        let found = facts.version.as_deref().unwrap_or("unknown");
        let line =
            format!("redis is too old: {found}; expected {major}.{minor} or newer. hint: upgrade the server");
        return Err(Failure::new(EXIT_UNSAFE_REDIS, line));
    }
    if facts.role.as_deref() == Some("slave") {
        let line =
            "connected to a read-only replica; expected a primary. hint: point redis.url at the primary";
        return Err(Failure::new(EXIT_UNREACHABLE, line));
    }
    match facts.eviction.as_deref() {
        Some("noeviction") | None => {}
        Some(policy) if eviction_check => {
            let line = format!(
                "redis may delete jobs when memory is out (maxmemory-policy): {policy}; expected noeviction. hint: run \
                 redis-cli CONFIG SET maxmemory-policy noeviction, or set redis.eviction_check = false to run all the same"
            );
            return Err(Failure::new(EXIT_UNSAFE_REDIS, line));
        }
        Some(policy) => tracing::warn!(policy, "redis may delete jobs when memory is out"),
    }
    if facts.persistence == Some("none") {
        tracing::warn!("redis keeps nothing on disk: a restart of it loses all jobs (durability: NONE)");
    }
    Ok(facts)
}
