//! From the config to what a worker is started with.

use super::failure::{EXIT_CONFIG, Failure};
use super::handlers::handlers;
use crate::admin::metrics::Metrics;
use crate::config::{self, Config, HandlerKind, Queue};
use crate::http::Clients;
use crate::job::cron::Zone;
use crate::job::options::Keep;
use crate::store::audit::Auditing;
use crate::store::claim::Limiter;
use crate::store::orgs::{KeyLimit, Names, Turns};
use crate::store::overlap::{Overlap, Schedule, When};
use crate::store::retention::{Rule, What};
use crate::store::wakeup::BLOCK_DEADLINE;
use crate::store::{Connection, Store};
use crate::wire::{Dialect, Keys};
use crate::worker::{DataKeys, Options, QueueSpec};

/// Options of the worker.
pub(super) fn options(config: &Config) -> Options {
    let worker = &config.worker;
    Options {
        name: worker.name.clone(),
        lease: worker.lease,
        renew: worker.renew,
        sweep: worker.sweep,
        shutdown_grace: worker.shutdown_grace,
        cancel_grace: worker.cancel_grace,
        max_stalled: worker.max_stalled,
        max_started: worker.max_started,
        crash_limit: worker.crash_limit,
        zone: match worker.cron_zone {
            config::CronZone::Local => Zone::Local,
            config::CronZone::Named(zone) => Zone::Named(zone),
        },
        strategies: config.backoff.clone(),
        // Known once the port is bound.
        callback_base: None,
        data_keys: DataKeys::new(&config.log.data_keys, &config.log.redact),
    }
}

/// The metrics of the queues of the config.
pub(super) fn metrics(config: &Config) -> Metrics {
    let queues = config.queues.values().map(|queue| (queue.name.as_str(), queue.concurrency));
    Metrics::with_names(queues, config.bullmq_names)
}

/// How the queues' audit logs are kept.
fn auditing(audit: &config::Audit) -> Auditing {
    Auditing {
        transitions: audit.transitions,
        keep_count: audit.keep_count,
        keep_age_ms: audit.keep_age.map(|age| age.as_millis() as u64),
    }
}

/// Names every queue and builds every handler. Nothing is asked of Redis.
pub(super) fn queues(
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
    let lease_connection = connection.again();
    let chosen = config.queues.iter().filter(|(name, _)| only.is_empty() || only.contains(name));
    for (name, queue) in chosen {
        let keys = Keys::new(&queue.prefix, name);
        let dead_letters = queue.dead_letter.as_deref().map(|name| Keys::new(&queue.prefix, name));
        let store = Store::of(connection.clone(), keys, dialect(queue.dialect));
        let store = store.with_dead_letters(dead_letters).with_replicas(config.redis.wait_replicas);
        let store = store.with_turns(Some(turns(queue)));
        let store = store.with_auditing(auditing(&config.audit));
        let connection_name = store.keys().client_name(&config.worker.name);
        specs.push(QueueSpec {
            store,
            blocking: connection.sibling(Some(connection_name), BLOCK_DEADLINE),
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
            retention: retention(&queue.retention),
            schedules: Some(
                queue.schedules.iter().map(|one| schedule(one, config.worker.cron_zone)).collect(),
            ),
            history: queue.retention.history,
            org: queue.org.clone(),
            payload_max: usize::try_from(queue.payload_bytes_max).unwrap_or(usize::MAX),
            handlers: handlers(queue, clients)?,
        });
    }
    Ok(specs)
}

/// The dialect that the config names.
pub(super) fn dialect(word: config::Dialect) -> Option<Dialect> {
    match word {
        config::Dialect::Auto => None,
        config::Dialect::Bull => Some(Dialect::Bull),
        config::Dialect::BullMq => Some(Dialect::BullMq),
    }
}

/// How the jobs of a queue share it.
fn turns(queue: &Queue) -> Turns {
    let mut limits: Vec<KeyLimit> = queue
        .limits
        .iter()
        .map(|limit| KeyLimit {
            label: format!("data.{}", limit.path.join(".")),
            path: Some(limit.path.clone()),
            names: Names::Any,
            running: limit.running,
            rate: limit.rate,
        })
        .collect();
    for (name, handler) in &queue.handlers {
        let HandlerKind::Sync(sync) = &handler.kind else { continue };
        let others = || queue.handlers.keys().filter(|other| *other != "*").cloned().collect();
        limits.extend(sync.per_org.map(|most| KeyLimit {
            label: format!("sync:{name}"),
            path: None,
            names: if name == "*" { Names::Except(others()) } else { Names::Only(vec![name.clone()]) },
            running: Some(most),
            rate: None,
        }));
    }
    Turns { org: queue.org.clone(), fair: queue.fair, limits }
}

/// Jobs of which none are kept go as they end; the others in steps, later.
fn keep(rule: Option<&config::Keep>) -> Keep {
    if rule.is_some_and(|rule| rule.count == Some(0)) { Keep::None } else { Keep::All }
}

fn schedule(schedule: &config::Schedule, zone: config::CronZone) -> Schedule {
    let zone = match zone {
        config::CronZone::Local => None,
        config::CronZone::Named(zone) => Some(zone.name().to_owned()),
    };
    let attempts = ("attempts".to_owned(), schedule.attempts.into());
    Schedule {
        name: schedule.name.clone(),
        job: schedule.job.clone(),
        when: match &schedule.when {
            config::When::Cron(pattern, tz) => When::Cron(pattern.clone(), tz.clone().or(zone)),
            config::When::Every(every) => When::Every(every.as_millis() as u64),
        },
        data: schedule.data.clone(),
        opts: serde_json::Map::from_iter([attempts]),
        overlap: match schedule.overlap {
            config::Overlap::Skip => Overlap::Skip,
            config::Overlap::Queue => Overlap::Queue,
            config::Overlap::Cancel => Overlap::Cancel,
        },
    }
}

fn retention(retention: &config::Retention) -> Vec<Rule> {
    let rule =
        |what, keep: Option<config::Keep>| keep.map(|keep| Rule { what, age: keep.age, count: keep.count });
    let rules = [rule(What::Completed, retention.completed), rule(What::Failed, retention.failed)];
    rules.into_iter().flatten().collect()
}
