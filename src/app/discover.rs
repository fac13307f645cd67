//! Queues as they appear under a prefix, each worked by a worker of its own: `bullock dev --to`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::admin::Link;
use super::failure::{EXIT_CONFIG, Failure};
use super::stops::Stops;
use super::{build, opening};
use crate::admin::Queues;
use crate::config::Config;
use crate::http::Clients;
use crate::store::{Connection, inspect};
use crate::worker::{Options, QueueSpec, Worker};

/// How often the prefix is looked through. For a private Redis in development only: it reads every key's name.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Jobs at once in each queue.
const CONCURRENCY: usize = 4;
/// How long a backend that streams or is detached may be silent.
const HEARTBEAT: &str = "60s";

/// Where the jobs of every queue go.
#[derive(Debug, Clone)]
pub struct Discover {
    /// The URL that gets every job.
    pub to: String,
    /// Prefix of the queues' keys.
    pub prefix: String,
    /// These queues only, and at once; empty = all that appear.
    pub only: Vec<String>,
}

/// What the workers are made of.
pub(super) struct Site {
    pub(super) url: String,
    pub(super) connection: Connection,
    pub(super) clients: Clients,
    pub(super) options: Options,
    pub(super) observer: Arc<dyn crate::worker::Observer>,
    pub(super) link: Arc<Link>,
    pub(super) queues: Option<Queues>,
    pub(super) stops: Stops,
}

impl Discover {
    /// The config of one queue that sends all its jobs to the URL.
    pub(super) fn config(&self, queue: &str) -> Result<Config, Failure> {
        // What JSON escapes, TOML reads.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let (name, to) = (quoted(queue), quoted(&self.to));
        let text = format!(
            "[queues.{name}]\nconcurrency = {CONCURRENCY}\nprefix = {}\n[queues.{name}.handlers.\"*\"]\nhttp = {to}\n\
             heartbeat = \"{HEARTBEAT}\"\n",
            quoted(&self.prefix),
        );
        Config::from_text("--to", &text, std::iter::empty())
            .map_err(|problems| Failure::problems(&problems.to_string()))
    }
}

/// Works what appears until a stop is asked for, and until the last worker has stopped. `known` queues are others'.
pub(super) async fn run(discover: Discover, site: Site, mut known: BTreeSet<String>) -> bool {
    let mut workers = Vec::new();
    while !site.stops.is_asked() {
        let found = if discover.only.is_empty() {
            inspect::queues(&site.connection, &discover.prefix).await
        } else {
            Ok(discover.only.clone())
        };
        for queue in found.unwrap_or_default() {
            if known.contains(&queue) {
                continue;
            }
            match start(&discover, &site, &queue).await {
                Ok(worker) => {
                    tracing::info!(queue, "found: its jobs go to {}", discover.to);
                    workers.push(worker);
                    known.insert(queue);
                }
                Err(failure) if failure.exit == EXIT_CONFIG => {
                    tracing::warn!("passed over: {failure}");
                    known.insert(queue);
                }
                // Redis: tried again at the next look.
                Err(failure) => tracing::warn!("{failure}"),
            }
        }
        tokio::select! {
            () = site.stops.asked() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
    let mut clean = true;
    for worker in workers {
        clean &= worker.join().await.clean;
    }
    clean
}

async fn start(discover: &Discover, site: &Site, queue: &str) -> Result<Worker, Failure> {
    let config = discover.config(queue)?;
    let mut specs: Vec<QueueSpec> = build::queues(&config, &site.url, &site.connection, &[], &site.clients)?;
    for spec in &mut specs {
        // This config knows nothing of schedules: they are somebody else's.
        spec.schedules = None;
    }
    opening::open(&mut opening::all(&config, &specs)).await?;
    if let Some(queues) = &site.queues {
        for queue in super::admin::queue_options(&specs, &site.options) {
            queues.add(queue);
        }
    }
    let worker = Worker::start(&site.options, specs, &site.observer).map_err(Failure::redis)?;
    site.stops.add(worker.stop_handle());
    site.link.add(&worker);
    Ok(worker)
}
