//! The start chain on one page: builds, starts and stops everything, in order.
//!
//! Owns: the order. Must never know: what any of the parts does. Called by `cli`.

mod admin;
mod build;
mod failure;
mod observer;
mod server;
mod signals;

use std::sync::Arc;

pub use failure::Failure;

use crate::config::Config;
use crate::embedded;
use crate::http::Clients;
use crate::store::connection::RESPONSE_TIMEOUT;
use crate::store::{Connection, Scripts};
use crate::worker::Worker;

/// What a caller may choose beside the config.
#[derive(Debug, Default)]
pub struct Launch {
    /// Where a private Redis keeps its data, if one is started.
    pub private_redis: embedded::Options,
    /// Work these queues only; empty = all.
    pub only_queues: Vec<String>,
    /// Give up at once when Redis cannot be reached at the start.
    pub fail_fast: bool,
}

/// Runs a worker until it is told to stop. Answers once every job was finished or handed back.
pub async fn run(config: Config, launch: Launch) -> Result<(), Failure> {
    // 1. Redis: the one that was named, or a private one that ends with us.
    let private = match &config.redis.url {
        Some(_) => None,
        None => Some(embedded::Redis::start(launch.private_redis).await?),
    };
    let url = private.as_ref().map_or_else(
        || config.redis.url.as_ref().map(|url| url.expose().to_owned()).unwrap_or_default(),
        embedded::Redis::url,
    );
    if private.is_some() {
        eprintln!("redis  private, ends with this process\nREDIS_URL={url}");
    }
    let outcome = work(&config, &url, &launch.only_queues, launch.fail_fast).await;
    // 6. The private Redis last: hand-backs need it.
    if let Some(redis) = private {
        redis.stop().await;
    }
    outcome
}

async fn work(config: &Config, url: &str, only: &[String], fail_fast: bool) -> Result<(), Failure> {
    // 2. The server must be one that keeps jobs.
    let connection = Connection::new(url, None, RESPONSE_TIMEOUT).map_err(Failure::redis)?;
    server::wait_until_fit(&connection, config.redis.eviction_check, fail_fast).await?;

    // 3. Every queue is opened and every handler built before any job is touched.
    let specs =
        build::queues(config, url, &connection, &Arc::new(Scripts::bull(None)), only, &Clients::default())
            .await?;

    // 4. The admin server is bound first, so that a port in use is known before any job is touched; then work.
    let options = build::options(config);
    let metrics = build::metrics(config);
    let front = admin::Front::bind(config, &specs, &options, metrics.clone())?;
    let worker = Worker::start(&options, specs, &(Arc::new(observer::Counts(metrics)) as _))
        .map_err(Failure::redis)?;
    signals::stop_on_signal(worker.stop_handle());
    let front = front.map(|front| front.serve(&worker));

    // 5. Until told to stop: no more claims, handlers finish or are handed back; callbacks are taken to the end.
    let stopped = worker.join().await;
    if let Some(front) = front {
        front.stop().await;
    }
    if stopped.clean { Ok(()) } else { Err(Failure::new(1, "a duty of the worker ended early; see the log")) }
}
