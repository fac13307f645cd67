//! The one who listens to Redis while somebody looks on, and writes what is heard into the ring.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::Live;
use super::event::News;
use super::progress::Progress;
use super::watch::{Stirred, watch_counts, watch_workers};
use crate::store::Store;
use crate::store::feed::{Feed, Heard};

/// Most events taken in one go.
const TAKEN_MAX: usize = 1000;
/// How often to look whether anybody still looks on.
const TICK: Duration = Duration::from_secs(1);
/// Longest time for the first search for queues; it goes on while events are read.
const DISCOVERY_MAX: Duration = Duration::from_secs(1);
/// How often to look for further queues.
const DISCOVER_EVERY: Duration = Duration::from_secs(3);
/// Names that are looked up within a second; jobs beyond have none, as have those whose hash is gone.
const NAMES_PER_SECOND: usize = 500;
/// Longest wait for names: events do not wait for a slow Redis.
const NAMES_WAIT: Duration = Duration::from_millis(100);
/// Names remembered.
const NAMES_MAX: usize = 4096;

/// Listens until nobody has looked on for a while. Tells once it does.
pub(super) async fn run(live: Arc<Live>, listening: tokio::sync::watch::Sender<bool>) {
    // Events of queues that nobody has looked at yet are events.
    let _ = tokio::time::timeout(DISCOVERY_MAX, (live.discover)()).await;
    let mut feed = Feed::start(Arc::clone(&live.queues)).await;
    listening.send_replace(true);
    let stirred = Arc::new(Stirred::default());
    let mut duties = JoinSet::new();
    duties.spawn(watch_counts(Arc::clone(&live), Arc::clone(&stirred)));
    duties.spawn(watch_workers(Arc::clone(&live)));
    duties.spawn(discover(Arc::clone(&live)));
    let (mut progress, mut names) = (Progress::default(), Names::new());
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut heard, mut news) = (Vec::new(), Vec::new());
    loop {
        let turn = progress.next_turn();
        tokio::select! {
            () = feed.take(&mut heard, TAKEN_MAX) => {
                let mut fresh = Vec::with_capacity(heard.len());
                for one in heard.drain(..) {
                    match one {
                        Heard::Told(told) => fresh.extend(News::read(told, &live.redaction)),
                        Heard::Lost(loss) => fresh.push(News::lost(loss)),
                    }
                }
                stirred.note(&fresh);
                names.add(&live, &mut fresh).await;
                let now = Instant::now();
                for one in fresh {
                    progress.pass(one, now, &mut news);
                }
            }
            () = sleep_until(turn.unwrap_or_else(Instant::now)), if turn.is_some() => {
                progress.due(Instant::now(), &mut news);
            }
            _ = tick.tick() => {
                names.second_over();
                if live.is_over() {
                    return;
                }
            }
        }
        if !news.is_empty() {
            live.ring.publish(news.drain(..));
        }
    }
}

async fn discover(live: Arc<Live>) {
    loop {
        tokio::time::sleep(DISCOVER_EVERY).await;
        (live.discover)().await;
    }
}

type Key = (Arc<str>, String);

/// Names of jobs, as far as they are known or can be had cheaply.
struct Names {
    known: HashMap<Key, Option<Arc<str>>>,
    /// Still to be looked up in this second.
    budget: usize,
}

impl Names {
    fn new() -> Self {
        Self { known: HashMap::new(), budget: NAMES_PER_SECOND }
    }

    fn second_over(&mut self) {
        self.budget = NAMES_PER_SECOND;
        if self.known.len() > NAMES_MAX {
            self.known.clear();
        }
    }

    async fn add(&mut self, live: &Live, news: &mut [News]) {
        for one in news.iter() {
            if let (Some(name), Some(key)) = (&one.name, key_of(one)) {
                self.known.insert(key, Some(Arc::clone(name)));
            }
        }
        let mut unknown: HashMap<Arc<str>, Vec<String>> = HashMap::new();
        for one in news.iter().filter(|one| one.name.is_none()) {
            let Some(key) = key_of(one) else { continue };
            if self.budget > 0 && !self.known.contains_key(&key) {
                self.budget -= 1;
                unknown.entry(Arc::clone(&key.0)).or_default().push(key.1.clone());
                self.known.insert(key, None);
            }
        }
        if !unknown.is_empty() {
            self.look_up(live, unknown).await;
        }
        for one in news.iter_mut().filter(|one| one.name.is_none()) {
            one.name = key_of(one).and_then(|key| self.known.get(&key).cloned().flatten());
        }
    }

    async fn look_up(&mut self, live: &Live, mut unknown: HashMap<Arc<str>, Vec<String>>) {
        let stores: Vec<Store> = (live.queues)();
        let asked = stores.into_iter().filter_map(|store| {
            let (queue, ids) = unknown.remove_entry(&store.keys().queue)?;
            Some(async move { (queue, store.names(&ids).await.unwrap_or_default(), ids) })
        });
        let Ok(found) = tokio::time::timeout(NAMES_WAIT, join_all(asked)).await else { return };
        for (queue, names, ids) in found {
            for (id, name) in ids.into_iter().zip(names) {
                self.known.insert((Arc::clone(&queue), id), name.map(Arc::from));
            }
        }
    }
}

fn key_of(news: &News) -> Option<Key> {
    Some((Arc::clone(news.queue.as_ref()?), news.job.clone()?))
}
