//! Watches the queues for `[[alerts]]`, and tells of each change: once when it begins, once when it is over.
//!
//! Owns: the looks, who of many processes tells, the messages and their way. Nothing here stands in the way of a job: every
//! receiver has a queue and a task of its own. Called by the start chain.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::failure::{EXIT_CONFIG, Failure};
use crate::admin::metrics::Metrics;
use crate::config::{Alert, Config};
use crate::http::sign::{Secret, signature};
use crate::http::{Client, ClientOptions, Clients, HeaderMap, HeaderValue, Method};
use crate::store::clients::clients;
use crate::store::zombies::Limits;
use crate::store::{Store, StoreError};
use crate::telemetry::alert::{Judge, Level, QueueSight, Rules};

/// How often the queues are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Zombies are looked for at every so many looks: that takes the most of Redis.
const ZOMBIES_EVERY: u32 = 6;
/// Jobs of each kind that may be zombies and are looked at.
const SUSPECTS_MAX: usize = 200;
/// Longest wait for Redis at one look.
const LOOK_MAX: Duration = Duration::from_secs(5);
/// Longest time for a receiver to take a message.
const SEND_MAX: Duration = Duration::from_secs(10);
/// A message that cannot be sent is tried again after so long, and twice as long each time up to the second.
const RETRY_PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// After so long a message is given up: what it says is no news any more.
const RETRY_OVER: Duration = Duration::from_hours(1);
const AGENT: &str = concat!("bullock/", env!("CARGO_PKG_VERSION"));
/// Messages that wait for one receiver.
const WAITING_MAX: usize = 100;

/// One receiver.
struct Receiver {
    /// Tells its alerts from those of others in Redis.
    mark: String,
    judge: Judge,
    messages: mpsc::Sender<Value>,
    /// Alerts that are this process' own: what it has met itself.
    own: HashMap<String, i64>,
}

/// What is watched.
pub(super) struct Watched {
    pub stores: Vec<Store>,
    pub metrics: Metrics,
    /// The name of this process.
    pub worker: String,
}

/// Begins to watch, if the config has somebody to tell.
///
/// # Errors
/// TLS cannot be set up, or a secret cannot be used.
pub(super) fn start(
    config: &Config,
    clients: &Clients,
    watched: Watched,
    duties: &mut JoinSet<()>,
) -> Result<(), Failure> {
    let mut receivers = Vec::new();
    for alert in &config.alerts {
        let (sender, messages) = mpsc::channel(WAITING_MAX);
        duties.spawn(Post::new(alert, clients)?.run(messages));
        receivers.push(Receiver {
            mark: mark_of(alert.url.expose()),
            judge: Judge::new(rules(alert)),
            messages: sender,
            own: HashMap::new(),
        });
    }
    if !receivers.is_empty() {
        duties.spawn(Watch { watched, receivers, suspects: HashMap::new() }.run());
    }
    Ok(())
}

fn rules(alert: &Alert) -> Rules {
    Rules {
        oldest_waiting: alert.oldest_waiting,
        failure_ratio: alert.failure_ratio,
        zombies: alert.zombies,
        no_worker: alert.no_worker,
        handler_unhealthy: alert.handler_unhealthy,
    }
}

fn mark_of(url: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(url.as_bytes()).iter().take(6).fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

struct Watch {
    watched: Watched,
    receivers: Vec<Receiver>,
    /// Jobs that looked like zombies at the last look for them, by queue: one look can catch a job in a step.
    suspects: HashMap<String, HashSet<String>>,
}

impl Watch {
    async fn run(mut self) {
        let mut every = tokio::time::interval(LOOK_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for look in 0_u32.. {
            every.tick().await;
            let sights = self.look(look.is_multiple_of(ZOMBIES_EVERY) || look == 1).await;
            let handlers = self.watched.metrics.handlers();
            self.tell(&sights, &handlers).await;
        }
    }

    /// What can be found out just now.
    async fn look(&mut self, zombies: bool) -> Vec<QueueSight> {
        let ended: HashMap<String, (u64, u64)> = self.watched.metrics.ended_by_queue().into_iter().collect();
        let mut sights = Vec::with_capacity(self.watched.stores.len());
        for store in &self.watched.stores {
            let queue = store.keys().queue.to_string();
            let mut sight = QueueSight { ended: ended.get(&queue).copied(), queue, ..QueueSight::default() };
            let suspects = self.suspects.entry(sight.queue.clone()).or_default();
            let seen =
                tokio::time::timeout(LOOK_MAX, look_at(store, &mut sight, zombies.then_some(suspects)));
            match seen.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(queue = sight.queue, %error, "no look for alerts"),
                Err(_) => tracing::debug!(queue = sight.queue, "no look for alerts in time"),
            }
            sights.push(sight);
        }
        sights
    }

    async fn tell(&mut self, sights: &[QueueSight], handlers: &[(String, bool)]) {
        let (now, now_ms) = (Instant::now(), chrono::Utc::now().timestamp_millis());
        for receiver in &mut self.receivers {
            for level in receiver.judge.judge(sights, handlers, now) {
                let name = format!("{}:{}:{}", level.kind.as_str(), level.threshold, receiver.mark);
                let store = self.watched.stores.iter().find(|store| *store.keys().queue == *level.subject);
                let since = match store.filter(|_| level.kind.is_shared()) {
                    Some(store) => shared_change(store, &name, &level, now_ms).await,
                    None => {
                        own_change(&mut receiver.own, format!("{name}:{}", level.subject), &level, now_ms)
                    }
                };
                let Some(since) = since else { continue };
                let message = message(&self.watched.worker, &level, since, now_ms);
                tracing::warn!(alert = level.kind.as_str(), firing = level.is_firing, "{}", level.text());
                if receiver.messages.try_send(message).is_err() {
                    tracing::error!("an alert was dropped: its receiver takes none");
                }
            }
        }
    }
}

async fn look_at(
    store: &Store,
    sight: &mut QueueSight,
    suspects: Option<&mut HashSet<String>>,
) -> Result<(), StoreError> {
    if !store.is_settled() {
        store.look().await?;
    }
    let depth = store.depth().await?;
    // Jobs of a paused queue wait because somebody wants it.
    let oldest = if depth.paused { None } else { depth.oldest_waiting };
    sight.oldest_waiting = Some(oldest.unwrap_or_default());
    if let Some(named) = clients(store.connection()).await? {
        let quiet: HashSet<String> = store.quiet_workers().await?.into_iter().map(|told| told.name).collect();
        let claims = |name: &str| store.keys().worker_of(name).is_some_and(|worker| !quiet.contains(worker));
        sight.workers = Some(named.iter().filter(|client| claims(&client.name)).count());
    }
    if let Some(before) = suspects {
        let limits = Limits::default();
        let ids = store.zombie_suspects(&limits, SUSPECTS_MAX).await?;
        let found: HashSet<String> = if ids.is_empty() {
            HashSet::new()
        } else {
            let zombies = store.zombies_among(&ids, &limits).await?;
            zombies.iter().map(crate::store::zombies::Zombie::shown_id).collect()
        };
        sight.zombies = Some(found.intersection(before).count() as u64);
        *before = found;
    }
    Ok(())
}

/// Since when the alert is, or was, under way (ms), if this process is the one that tells of the change.
async fn shared_change(store: &Store, name: &str, level: &Level, now_ms: i64) -> Option<i64> {
    let change = if level.is_firing {
        store.begin_alert(name, now_ms).await.map(|is_new| is_new.then_some(now_ms))
    } else {
        store.end_alert(name).await
    };
    change.unwrap_or_else(|error| {
        tracing::debug!(%error, "an alert could not be noted: at the next look");
        None
    })
}

fn own_change(own: &mut HashMap<String, i64>, name: String, level: &Level, now_ms: i64) -> Option<i64> {
    if !level.is_firing {
        return own.remove(&name);
    }
    if own.contains_key(&name) {
        return None;
    }
    own.insert(name, now_ms);
    Some(now_ms)
}

fn message(worker: &str, level: &Level, since: i64, now_ms: i64) -> Value {
    let is_handler = level.kind == crate::telemetry::alert::Kind::HandlerUnhealthy;
    json!({
        "type": if level.is_firing { "alert.fired" } else { "alert.recovered" },
        "alert": level.kind.as_str(),
        "queue": (!is_handler).then_some(&level.subject),
        "handler": is_handler.then_some(&level.subject),
        "value": (level.value * 1000.0).round() / 1000.0,
        "threshold": level.threshold,
        "since": since,
        "at": now_ms,
        "worker": worker,
        "text": format!("{}{}", if level.is_firing { "" } else { "over: " }, level.text()),
    })
}

/// The way to one receiver.
struct Post {
    client: Client,
    url: crate::http::Url,
    secrets: Arc<[Secret]>,
}

impl Post {
    fn new(alert: &Alert, clients: &Clients) -> Result<Self, Failure> {
        let unfit =
            |why: &dyn std::fmt::Display| Failure::new(EXIT_CONFIG, format!("alerts cannot be sent: {why}"));
        let url = crate::http::Url::parse(alert.url.expose()).map_err(|error| unfit(&error))?;
        let client = clients.client(&ClientOptions::for_url(&url)).map_err(|error| unfit(&error))?;
        let secrets: Result<Vec<Secret>, _> =
            alert.secrets.iter().map(|secret| Secret::parse(secret.expose())).collect();
        Ok(Self { client, url, secrets: secrets.map_err(|error| unfit(&error))?.into() })
    }

    /// Sends what comes, one after the other: each until it is taken.
    async fn run(self, mut messages: mpsc::Receiver<Value>) {
        while let Some(message) = messages.recv().await {
            let (id, body) = (uuid::Uuid::now_v7().simple().to_string(), message.to_string());
            let (began, mut pause) = (Instant::now(), RETRY_PAUSES.0);
            while let Err(why) = self.send(&id, &body).await {
                if began.elapsed() >= RETRY_OVER {
                    tracing::error!(why, "an alert could not be sent, and is given up");
                    break;
                }
                tracing::warn!(why, "an alert could not be sent; it is tried again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_PAUSES.1);
            }
        }
    }

    async fn send(&self, id: &str, body: &str) -> Result<(), String> {
        let (headers, body) = (self.headers(id, body)?, body.to_owned().into());
        let sent = self.client.send(Method::POST, self.url.clone(), headers, body);
        match tokio::time::timeout(SEND_MAX, sent).await {
            Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
            Ok(Ok(answer)) => Err(format!("HTTP {}", answer.status().as_u16())),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer in {} s", SEND_MAX.as_secs())),
        }
    }

    fn headers(&self, id: &str, body: &str) -> Result<HeaderMap, String> {
        let timestamp = chrono::Utc::now().timestamp();
        let value = |text: &str| HeaderValue::from_str(text).map_err(|error| error.to_string());
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        headers.insert("user-agent", HeaderValue::from_static(AGENT));
        headers.insert("webhook-id", value(id)?);
        headers.insert("webhook-timestamp", timestamp.into());
        if !self.secrets.is_empty() {
            let signed = signature(&self.secrets, id, timestamp, body.as_bytes());
            headers.insert("webhook-signature", value(&signed)?);
        }
        Ok(headers)
    }
}
