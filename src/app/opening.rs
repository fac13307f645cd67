//! From queues that are named to queues that are open: Redis is asked again until it is fit and takes our writes, or
//! until it is known that waiting will not help.
//!
//! Owns: the wait at the start. Must never know: handlers, workers. Called by `app`, and by `discover` for one queue.

use futures_util::future::join_all;

use super::failure::{EXIT_CONFIG, Failure};
use super::server;
use super::trouble::Troubles;
use crate::config::{self, Config};
use crate::store::{Connection, Opened, Store};
use crate::wire::Dialect;
use crate::worker::{QueueSpec, jittered};

/// Queues of the config that are not open yet.
type Left<'a> = Vec<(&'a config::Queue, &'a Store)>;

/// The queues of these specs, none of them open.
pub(super) fn all<'a>(config: &'a Config, specs: &'a [QueueSpec]) -> Left<'a> {
    let of_config = |spec: &'a QueueSpec| config.queues.get(&*spec.store.keys().queue).zip(Some(&spec.store));
    specs.iter().filter_map(of_config).collect()
}

/// Opens all queues of a server that is fit for jobs. What passes by itself is waited for unless `fail_fast`: one line
/// when it begins or changes its kind, and one when it is over.
///
/// # Errors
/// What no waiting mends: settings that lose jobs, wrong credentials, a queue that is not ours to work.
pub(super) async fn wait(
    config: &Config,
    connection: &Connection,
    specs: &[QueueSpec],
    fail_fast: bool,
    troubles: &Troubles,
) -> Result<(), Failure> {
    troubles.redis(Some("not asked yet".into()));
    let (mut is_fit, mut left) = (false, all(config, specs));
    let (mut known, mut times) = (None, 0);
    loop {
        let failure = match attempt(config, connection, &mut is_fit, &mut left).await {
            Ok(()) => break,
            Err(failure) => failure,
        };
        let Some(error) = failure.store.as_ref().filter(|_| !fail_fast && failure.passes()) else {
            return Err(failure);
        };
        let reason = error.reason();
        if known != Some(reason) {
            tracing::warn!(reason, %error, "waiting for redis");
            troubles.redis(Some(error.to_string()));
            (known, times) = (Some(reason), 0);
        }
        times += 1;
        tokio::select! {
            () = tokio::time::sleep(jittered(times)) => {}
            () = connection.mended() => {}
        }
    }
    if known.is_some() {
        tracing::info!("redis serves again: starting");
    }
    troubles.redis(None);
    Ok(())
}

async fn attempt(
    config: &Config,
    connection: &Connection,
    is_fit: &mut bool,
    left: &mut Left<'_>,
) -> Result<(), Failure> {
    if !*is_fit {
        server::fit(connection, config.redis.eviction_check).await?;
        *is_fit = true;
    }
    open(left).await
}

/// Opens queues, all at once, or the start would take longer with every queue. Those that are open are taken out; of
/// the others one that no waiting mends is told, or the first in the config's order.
pub(super) async fn open(left: &mut Left<'_>) -> Result<(), Failure> {
    let opened = join_all(left.iter().map(|(queue, store)| open_one(store, queue))).await;
    let (mut results, mut failures) = (opened.into_iter(), Vec::new());
    left.retain(|_| {
        let failure = results.next().and_then(Result::err);
        let is_left = failure.is_some();
        failures.extend(failure);
        is_left
    });
    failures.sort_by_key(Failure::passes);
    failures.into_iter().next().map_or(Ok(()), Err)
}

/// What the config asks for and the dialect does not have.
pub(super) fn unknown_here(store: &Store, queue: &config::Queue) -> Option<String> {
    let grouped = queue.rate.as_ref().is_some_and(|rate| rate.group.is_some());
    (store.is_settled() && store.dialect() == Dialect::BullMq && grouped).then(|| {
        "rate.group is set; expected a limit of the whole queue. hint: BullMQ counts no groups, leave it out".to_owned()
    })
}

/// Finds out whose queue this is. Refuses one that this worker must not touch; nothing has been written then.
async fn open_one(store: &Store, queue: &config::Queue) -> Result<(), Failure> {
    let name = queue.name.as_str();
    let refused = |why: String| Failure::new(EXIT_CONFIG, format!("queue \"{name}\" is refused: {why}"));
    server::check_rights(store, false).await?;
    // Looked at first: it must not be opened by a user who cannot work it.
    let looked = store.admit().await.map_err(Failure::redis)?;
    if let Some(why) = looked.refusal() {
        return Err(refused(why.to_string()));
    }
    server::check_rights(store, true).await?;
    if let Some(problem) = unknown_here(store, queue) {
        return Err(refused(problem));
    }
    if let Some(problem) = store.dead_letters_misfit().await.map_err(Failure::redis)? {
        return Err(refused(problem));
    }
    let opened = store.open().await.map_err(Failure::redis)?;
    if let Some(why) = opened.refusal() {
        return Err(refused(why.to_string()));
    }
    match opened {
        Opened::Ready(dialect, layout) if layout.is_doubtful() => {
            let (dialect, found) = (dialect.as_str(), layout.describe());
            tracing::warn!(queue = name, dialect, "the queue is {found}; worked as configured");
        }
        Opened::Ready(dialect, layout) => {
            tracing::info!(queue = name, dialect = dialect.as_str(), "the queue is {}", layout.describe());
        }
        _ => tracing::info!(queue = name, "the queue has no keys yet: its first one will tell its dialect"),
    }
    Ok(())
}
