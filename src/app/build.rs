//! From the config to what a worker is started with.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::join_all;

use super::failure::{EXIT_CONFIG, Failure};
use super::server;
use crate::admin::metrics::Metrics;
use crate::config::{self, Config, HandlerKind, Target};
use crate::handler::exec::{ExecHandler, ExecOptions};
use crate::handler::http::{BodyMode, HttpHandler, HttpOptions};
use crate::handler::{Handler, OptionError};
use crate::http::Clients;
use crate::http::sign::Secret;
use crate::job::cron::Zone;
use crate::job::options::Keep;
use crate::store::claim::Limiter;
use crate::store::connection::RESPONSE_TIMEOUT;
use crate::store::wakeup::BLOCK_DEADLINE;
use crate::store::{Connection, Opened, Store};
use crate::wire::{Dialect, Keys};
use crate::worker::{HandlerSpec, Options, QueueSpec};

/// Options of the worker.
pub(super) fn options(config: &Config) -> Options {
    let worker = &config.worker;
    Options {
        name: worker.name.clone(),
        lease: worker.lease,
        renew: worker.renew,
        sweep: worker.sweep,
        shutdown_grace: worker.shutdown_grace,
        max_stalled: worker.max_stalled,
        max_started: worker.max_started,
        zone: match worker.cron_zone {
            config::CronZone::Local => Zone::Local,
            config::CronZone::Named(zone) => Zone::Named(zone),
        },
        strategies: config.backoff.clone(),
        // Known once the port is bound.
        callback_base: None,
    }
}

/// The metrics of the queues of the config.
pub(super) fn metrics(config: &Config) -> Metrics {
    let queues = config.queues.values().map(|queue| (queue.name.as_str(), queue.concurrency));
    Metrics::with_names(queues, config.bullmq_names)
}

/// Opens every queue and builds every handler.
pub(super) async fn queues(
    config: &Config,
    url: &str,
    connection: &Connection,
    only: &[String],
    clients: &Clients,
) -> Result<Vec<QueueSpec>, Failure> {
    let mut specs = Vec::new();
    if let Some(unknown) = only.iter().find(|name| !config.queues.contains_key(*name)) {
        let line = format!("no such queue (--queues): \"{unknown}\"; expected one of the config's");
        return Err(Failure::new(EXIT_CONFIG, line));
    }
    // One for all queues: the lease thread sends one call per queue and beat.
    let lease_connection = Connection::new(url, None, RESPONSE_TIMEOUT).map_err(Failure::redis)?;
    let chosen = config.queues.iter().filter(|(name, _)| only.is_empty() || only.contains(name));
    let stores: Vec<(&config::Queue, Store)> = chosen
        .map(|(name, queue)| {
            let keys = Keys::new(&queue.prefix, name);
            (queue, Store::of(connection.clone(), keys, dialect(queue.dialect)))
        })
        .collect();
    // All at once, or the start would take longer with every queue; the first refusal of the config's order is told.
    let opened = join_all(stores.iter().map(|(queue, store)| open(store, queue))).await;
    opened.into_iter().collect::<Result<(), Failure>>()?;
    for (queue, store) in stores {
        let connection_name = store.keys().client_name(&config.worker.name);
        specs.push(QueueSpec {
            store,
            blocking: Connection::new(url, Some(connection_name), BLOCK_DEADLINE).map_err(Failure::redis)?,
            lease_connection: lease_connection.clone(),
            redis_url: url.to_owned(),
            concurrency: queue.concurrency,
            limiter: queue.rate.as_ref().map(|rate| Limiter {
                max: rate.max,
                duration_ms: rate.per.as_millis() as u64,
                grouped: rate.group.is_some(),
            }),
            metrics_points: queue.metrics_points_max.unwrap_or(0),
            keep_completed: keep(queue.retention.completed.as_ref()),
            keep_failed: keep(queue.retention.failed.as_ref()),
            payload_max: usize::try_from(queue.payload_bytes_max).unwrap_or(usize::MAX),
            handlers: handlers(queue, clients)?,
        });
    }
    Ok(specs)
}

/// What the config asks for and the dialect does not have.
pub(super) fn unknown_here(store: &Store, queue: &config::Queue) -> Option<String> {
    let grouped = queue.rate.as_ref().is_some_and(|rate| rate.group.is_some());
    (store.is_settled() && store.dialect() == Dialect::BullMq && grouped).then(|| {
        "rate.group is set; expected a limit of the whole queue. hint: BullMQ counts no groups, leave it out".to_owned()
    })
}

/// The dialect that the config names.
pub(super) fn dialect(word: config::Dialect) -> Option<Dialect> {
    match word {
        config::Dialect::Auto => None,
        config::Dialect::Bull => Some(Dialect::Bull),
        config::Dialect::BullMq => Some(Dialect::BullMq),
    }
}

/// Finds out whose queue this is. Refuses one that this worker must not touch; nothing has been written then.
async fn open(store: &Store, queue: &config::Queue) -> Result<(), Failure> {
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

fn keep(rule: Option<&config::Keep>) -> Keep {
    rule.map_or(Keep::All, |rule| Keep::Some {
        count: rule.count,
        age_s: rule.age.map(|age| age.as_secs_f64()),
        limit: None,
    })
}

/// The handlers of a queue by job name.
pub(super) fn handlers(
    queue: &config::Queue,
    clients: &Clients,
) -> Result<HashMap<String, HandlerSpec>, Failure> {
    let mut specs = HashMap::new();
    for (job_name, handler) in &queue.handlers {
        let place = format!("queues.{}.handlers.{job_name}", queue.name);
        let (work, max_deferrals): (Arc<dyn Handler>, u32) = match &handler.kind {
            HandlerKind::Http(http) => {
                let options = http_options(handler, http).map_err(|problem| refused(&place, &problem))?;
                let built =
                    HttpHandler::new(options, clients).map_err(|problems| refused_all(&place, &problems))?;
                (Arc::new(built), http.max_deferrals)
            }
            HandlerKind::Exec(exec) => {
                let mut options = ExecOptions::new(exec.argv.clone());
                options.env.clone_from(&exec.env);
                options.cwd = Some(exec.cwd.clone());
                options.result_max = usize::try_from(handler.response_bytes_max).unwrap_or(usize::MAX);
                let built = ExecHandler::new(options).map_err(|problems| refused_all(&place, &problems))?;
                (Arc::new(built), config::limits::MAX_DEFERRALS_DEFAULT as u32)
            }
        };
        let spec = HandlerSpec {
            handler: work,
            concurrency: handler.concurrency,
            run_limit: handler.run_limit,
            no_progress: handler.no_progress,
            max_deferrals,
        };
        specs.insert(job_name.clone(), spec);
    }
    Ok(specs)
}

fn http_options(handler: &config::Handler, http: &config::HttpHandler) -> Result<HttpOptions, String> {
    let url = match &http.target {
        Target::Tcp { url } => url.clone(),
        Target::Unix { socket, path } => format!("unix:{}:{path}", socket.display()),
    };
    let mut options = HttpOptions::new(url);
    for secret in &http.secrets {
        options.secrets.push(Secret::parse(secret.expose()).map_err(|error| error.to_string())?);
    }
    options.headers =
        http.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
    options.body = match http.body {
        config::Body::Data => BodyMode::Data,
        config::Body::Envelope => BodyMode::Envelope,
        config::Body::BullmqProxy => BodyMode::BullmqProxy,
    };
    options.connect = http.connect;
    options.first_byte = http.first_byte;
    if let Some(heartbeat) = handler.heartbeat {
        options.heartbeat = heartbeat;
    }
    options.permanent.clone_from(&http.permanent);
    options.retry_after_max = http.retry_after_max;
    options.response_max = usize::try_from(handler.response_bytes_max).unwrap_or(usize::MAX);
    options.allow_private = http.allow_private;
    Ok(options)
}

fn refused(place: &str, problem: &str) -> Failure {
    Failure::new(EXIT_CONFIG, format!("handler refused ({place}): {problem}"))
}

fn refused_all(place: &str, problems: &[OptionError]) -> Failure {
    let all: Vec<String> = problems.iter().map(|p| format!("{}: {}", p.option, p.problem)).collect();
    refused(place, &all.join("; "))
}
