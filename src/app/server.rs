//! Is this a Redis that keeps jobs? Asked before anything trusts it.

use std::time::Duration;

use super::failure::{EXIT_REFUSED, EXIT_UNSAFE_REDIS, Failure};
use super::trouble::Troubles;
use crate::store::server::{ServerFacts, VERSION_MIN};
use crate::store::{Connection, Store, StoreError};

/// Asks the server what it is like, and checks it.
pub(super) async fn fit(connection: &Connection, eviction_check: bool) -> Result<ServerFacts, Failure> {
    match ServerFacts::read(connection).await {
        Ok(facts) => check(facts, eviction_check),
        Err(error) => Err(Failure::redis(error)),
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
        // It may become a primary, or give its place to one.
        let text = "READONLY connected to a read-only replica; expected a primary".to_owned();
        return Err(Failure::redis(StoreError::Unavailable(text)));
    }
    match facts.eviction.as_deref() {
        Some("noeviction") | None => {}
        Some(policy) if eviction_check => {
            return Err(Failure::new(EXIT_UNSAFE_REDIS, evicts(policy)));
        }
        Some(policy) => tracing::warn!(policy, "redis may delete jobs when memory is out"),
    }
    if facts.persistence == Some("none") {
        tracing::warn!("redis keeps nothing on disk: a restart of it loses all jobs (durability: NONE)");
    }
    Ok(facts)
}

/// The message about a policy that deletes keys.
pub(super) fn evicts(policy: &str) -> String {
    format!(
        "redis may delete jobs when memory is out (maxmemory-policy): {policy}; expected noeviction. hint: run \
         redis-cli CONFIG SET maxmemory-policy noeviction, or set redis.eviction_check = false to run all the same"
    )
}

/// Refuses a user who lacks rights for a queue: better now, by name, than in the middle of a job.
pub(super) async fn check_rights(store: &Store, looked: bool) -> Result<(), Failure> {
    let queue = &store.keys().queue;
    match store.missing_rights(looked).await.map_err(Failure::redis)? {
        Some(missing) if !missing.is_empty() => Err(Failure::new(EXIT_REFUSED, lacks(queue, &missing))),
        _ => Ok(()),
    }
}

/// The message about missing rights.
pub(super) fn lacks(queue: &str, missing: &[String]) -> String {
    let rules = missing.join(" ");
    format!(
        "the Redis user lacks rights (queue \"{queue}\"): {rules}; expected all that the worker's scripts use (NOPERM). hint: \
         an administrator grants them with ACL SETUSER <user> {rules}"
    )
}

/// Looks again and again whether the server still keeps all keys; someone may change it under us. Ends when dropped.
pub(super) async fn watch_eviction(connection: Connection, every: Duration, troubles: Troubles) {
    let mut known: Option<String> = None;
    loop {
        tokio::time::sleep(every).await;
        // Not reachable, or not allowed to ask: others tell of that.
        let Ok(ServerFacts { eviction: Some(policy), .. }) = ServerFacts::read(&connection).await else {
            continue;
        };
        let bad = Some(policy).filter(|policy| policy != "noeviction");
        match (&bad, &known) {
            (Some(policy), None) => {
                tracing::error!("{}", evicts(policy));
                troubles
                    .redis(Some(format!("it may delete jobs: maxmemory-policy is {policy}, not noeviction")));
            }
            (None, Some(_)) => {
                tracing::info!("redis keeps all keys again (maxmemory-policy noeviction)");
                troubles.redis(None);
            }
            _ => {}
        }
        known = bad;
    }
}

#[cfg(test)]
mod tests {
    use super::{EXIT_UNSAFE_REDIS, ServerFacts, check};
    use crate::app::failure::EXIT_UNREACHABLE;

    #[test]
    fn an_old_server_is_told_what_was_found_and_what_is_needed() {
        let facts = ServerFacts { version: Some("5.0.14".into()), ..ServerFacts::default() };
        let refused = check(facts, true).expect_err("too old");
        assert_eq!(refused.exit, EXIT_UNSAFE_REDIS);
        assert!(refused.line.contains("5.0.14; expected 6.2"), "{refused}");
    }

    #[test]
    fn a_replica_is_refused_for_now_and_facts_that_may_not_be_asked_for_are_not() {
        let facts = ServerFacts { role: Some("slave".into()), ..ServerFacts::default() };
        let refused = check(facts, true).expect_err("a replica");
        assert!(refused.exit == EXIT_UNREACHABLE && refused.passes(), "{refused}");
        assert!(check(ServerFacts::default(), true).is_ok());
    }
}
