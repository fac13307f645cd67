//! The start chain on one page: builds, starts and stops everything, in order.
//!
//! Owns: the order. Must never know: what any of the parts does. Called by `cli`.

mod admin;
mod alerts;
pub mod board;
mod build;
pub mod check;
mod discover;
mod failure;
mod files;
mod handlers;
mod observer;
mod opening;
#[cfg_attr(not(feature = "otel"), path = "app/otel/absent.rs")]
mod otel;
mod server;
mod signals;
mod stops;
mod trouble;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use discover::Discover;
pub use failure::Failure;
pub use stops::Stops;

use crate::admin::BoardOptions;
use crate::config::Config;
use crate::embedded::{self, Storage};
use crate::http::Clients;
use crate::store::Connection;
use crate::store::connection::RESPONSE_TIMEOUT;
use crate::worker::{HandlerSpec, Observer, Worker};

/// How often a running worker looks whether its Redis still keeps all keys.
pub const EVICTION_RECHECK: Duration = Duration::from_mins(1);
/// How long handlers may take to end after their Redis, a private one, has died. Nothing of theirs can be recorded.
const REDIS_GONE_GRACE: Duration = Duration::from_secs(2);

/// Called once work has begun.
pub type OnStart = Box<dyn FnOnce(Started) + Send>;

/// What a caller may choose beside the config.
pub struct Launch {
    /// Where a private Redis keeps its data, if one is started.
    pub private_redis: embedded::Options,
    /// Start a private Redis even if the config names another.
    pub always_private: bool,
    /// Work these queues only; empty = all.
    pub only_queues: Vec<String>,
    /// Give up at once when Redis cannot be reached at the start, or refuses what a start writes.
    pub fail_fast: bool,
    /// How often to look whether Redis still keeps all keys.
    pub eviction_recheck: Duration,
    /// Work queues that the config does not name, too.
    pub discover: Option<Discover>,
    /// Rust functions in place of every queue's handlers, by job name.
    pub handlers: Option<HashMap<String, HandlerSpec>>,
    /// Make a link that signs its first user in to the dashboard.
    pub sign_in: bool,
    /// Told once work has begun.
    pub on_start: Option<OnStart>,
}

impl Default for Launch {
    fn default() -> Self {
        Self {
            private_redis: embedded::Options::default(),
            always_private: false,
            only_queues: Vec::new(),
            fail_fast: false,
            eviction_recheck: EVICTION_RECHECK,
            discover: None,
            handlers: None,
            sign_in: false,
            on_start: None,
        }
    }
}

/// Where the data of a private Redis is.
#[derive(Debug, Clone)]
pub enum Data {
    /// In this directory, kept.
    Kept(PathBuf),
    /// Gone at the end.
    Temporary,
}

/// What has been started.
#[derive(Clone)]
pub struct Started {
    /// The Redis, password included.
    pub redis_url: String,
    /// Where its data is, if it is private.
    pub private_redis: Option<Data>,
    /// Where the admin server listens.
    pub admin: Option<SocketAddr>,
    /// The dashboard, with a code that signs its first user in if that was wanted.
    pub dashboard: Option<String>,
    /// The worker's name.
    pub worker: String,
    /// The queues of the config, each with its concurrency.
    pub queues: Vec<(String, usize)>,
    /// Ends it all.
    pub stops: Stops,
}

/// Runs a worker until it is told to stop. Answers once every job was finished or handed back.
///
/// # Errors
/// What kept it from starting, or from ending well. A private Redis that dies ends the worker, and is not started again
/// behind its back: its last second of writes may be lost, which a person should know. A supervisor starts both again.
pub async fn run(config: Config, mut launch: Launch) -> Result<(), Failure> {
    // Heard from the first moment on: as process 1 of a container nothing else would end us.
    let stops = Stops::default();
    signals::stop_on_signal(stops.clone());
    // 1. Redis: the one that was named, or a private one that ends with us.
    let named = config.redis.url.as_ref().filter(|_| !launch.always_private);
    let mut private = match named {
        Some(_) => None,
        None => Some(embedded::Redis::start(launch.private_redis.clone()).await?),
    };
    let url = match (&private, named) {
        (Some(redis), _) => redis.url(),
        (None, named) => named.map(|url| url.expose().to_owned()).unwrap_or_default(),
    };
    // Our own server was just seen to answer: when it does not, waiting helps nobody.
    launch.fail_fast |= private.is_some();
    let data = private.as_ref().map(|redis| match launch.private_redis.storage {
        Storage::Directory(_) => Data::Kept(redis.directory().to_owned()),
        Storage::Ephemeral => Data::Temporary,
    });
    let mut working = std::pin::pin!(work(&config, &url, launch, data, stops.clone()));
    let outcome = match &mut private {
        None => working.await,
        Some(redis) => tokio::select! {
            outcome = &mut working => outcome,
            what = redis.died() => {
                tracing::error!("{what}");
                stops.ask();
                stops.ask();
                let _ = tokio::time::timeout(REDIS_GONE_GRACE, &mut working).await;
                let line = format!(
                    "the private {what}. hint: start again: what it had written is in its directory, and jobs that ran are \
                     taken back when their leases end"
                );
                Err(Failure::new(1, line))
            }
        },
    };
    // 6. The private Redis last: hand-backs need it.
    if let Some(redis) = private {
        redis.stop().await;
    }
    outcome
}

async fn work(
    config: &Config,
    url: &str,
    mut launch: Launch,
    private_redis: Option<Data>,
    stops: Stops,
) -> Result<(), Failure> {
    // 2. Every queue is named and every handler built: what is wrong with the config is said at once.
    let metrics = build::metrics(config);
    let connection = Connection::new(url, None, RESPONSE_TIMEOUT).map_err(Failure::redis)?;
    let connection = connection.metered(Arc::new(metrics.clone()));
    let clients = Clients::default();
    if let Some(discover) = &launch.discover {
        discover.config("any")?;
    }
    let mut specs = build::queues(config, url, &connection, &launch.only_queues, &clients)?;
    if let Some(handlers) = &launch.handlers {
        for spec in &mut specs {
            spec.handlers.clone_from(handlers);
        }
    }
    let otel = otel::Otel::start(config, &clients)?;
    let queues: Vec<_> =
        specs.iter().map(|spec| (spec.store.keys().queue.to_string(), spec.concurrency)).collect();
    files::raise(queues.iter().map(|(_, slots)| slots).sum());

    // 3. The admin server is bound before Redis is asked: a port in use is known before any job is touched, and probes
    // hear what is waited for.
    let mut options = build::options(config);
    let troubles = trouble::Troubles::default();
    let names = queues.iter().map(|(name, _)| name.clone()).collect();
    let link = admin::Link::new(stops.clone(), troubles.clone(), names);
    let board = admin::Board {
        options: BoardOptions { connection: connection.clone(), prefix: config.redis.prefix.clone() },
        read_only: false,
    };
    let front = admin::Front::bind(config, metrics.clone(), &link, board)?;
    if let Some(front) = &front {
        options.callback_base = Some(front.callback_base(config));
    }
    let admin = front.as_ref().map(admin::Front::address);
    let dashboard = front.as_ref().map(|front| front.dashboard(launch.sign_in));
    let served_queues = front.as_ref().map(admin::Front::queues);
    let front = front.map(admin::Front::serve);

    // 4. The server must be one that keeps jobs, and every queue open, before any job is touched; then work.
    let opened = tokio::select! {
        opened = opening::wait(config, &connection, &specs, launch.fail_fast, &troubles) => Some(opened),
        () = stops.asked() => None,
    };
    if !matches!(opened, Some(Ok(()))) {
        if let Some(front) = front {
            front.stop().await;
        }
        otel.shut_down().await;
        return opened.unwrap_or(Ok(()));
    }
    if let Some(served) = &served_queues {
        for queue in admin::queue_options(&specs, &options) {
            served.add(queue);
        }
    }
    let watched = alerts::Watched {
        stores: specs.iter().map(|spec| spec.store.on(connection.again())).collect(),
        metrics: metrics.clone(),
        worker: config.worker.name.clone(),
    };
    let observer: Arc<dyn Observer> = Arc::new(observer::Counts(metrics, troubles.clone(), otel.clone()));
    let worker = Worker::start(&options, specs, &observer).map_err(Failure::redis)?;
    stops.add(worker.stop_handle());
    link.add(&worker);
    let mut duties = tokio::task::JoinSet::new();
    alerts::start(config, &clients, watched, &mut duties)?;
    if config.redis.eviction_check && private_redis.is_none() {
        duties.spawn(server::watch_eviction(connection.clone(), launch.eviction_recheck, troubles));
    }
    let started = Started {
        redis_url: url.to_owned(),
        private_redis,
        admin,
        dashboard,
        worker: config.worker.name.clone(),
        queues,
        stops: stops.clone(),
    };
    let discovering = launch.discover.take().map(|discover| {
        let (url, queues) = (url.to_owned(), served_queues);
        let site = discover::Site { url, connection, clients, options, observer, link, queues, stops };
        tokio::spawn(discover::run(discover, site, config.queues.keys().cloned().collect()))
    });
    tell(launch.on_start, started);

    // 5. Until told to stop: no more claims, handlers finish or are handed back; callbacks are taken to the end.
    let mut clean = worker.join().await.clean;
    if let Some(discovering) = discovering {
        clean &= discovering.await.unwrap_or(false);
    }
    if let Some(front) = front {
        front.stop().await;
    }
    otel.shut_down().await;
    if clean { Ok(()) } else { Err(Failure::new(1, "a duty of the worker ended early; see the log")) }
}

/// Says that work has begun. A private Redis is never kept quiet: nobody else knows its URL.
fn tell(on_start: Option<OnStart>, started: Started) {
    match (on_start, &started.private_redis) {
        (Some(told), _) => told(started),
        (None, Some(_)) => {
            eprintln!("redis  private, ends with this process\nREDIS_URL={}", started.redis_url);
        }
        (None, None) => {}
    }
}
