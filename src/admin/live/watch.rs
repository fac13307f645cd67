//! What nobody tells and must be asked for: how many jobs are in each state, and which workers are connected. Asked while
//! somebody looks on, and seldom: an idle dashboard with 50 queues costs Redis about five commands a second.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::Live;
use super::event::News;
use crate::store::inspect::Counts;
use crate::store::{Store, StoreError, look};

/// How often the counts of a queue are told at most.
const COUNTS_EVERY: Duration = Duration::from_secs(1);
/// Queues whose counts are read in one go.
const COUNTED_MAX: usize = 20;
/// Every so many rounds one queue is counted of which nothing was heard: some acts of Bull's are told by nobody.
const SWEEP_ROUNDS: u64 = 3;
/// How often the connections of workers are looked at.
const WORKERS_EVERY: Duration = Duration::from_secs(10);
/// Longest wait for one look.
const LOOK_MAX: Duration = Duration::from_secs(2);

/// The queues of which something was heard since they were last counted.
#[derive(Debug, Default)]
pub(super) struct Stirred(Mutex<BTreeSet<Arc<str>>>);

impl Stirred {
    /// Notes the queues of all news. What says that something was lost stirs nobody: the sweep comes round to all.
    pub(super) fn note(&self, news: &[News]) {
        let mut stirred = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for queue in news.iter().filter_map(|one| one.queue.as_ref()) {
            if !stirred.contains(queue) {
                stirred.insert(Arc::clone(queue));
            }
        }
    }

    fn take(&self, max: usize) -> BTreeSet<Arc<str>> {
        let mut stirred = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = match stirred.iter().nth(max).cloned() {
            Some(first) => stirred.split_off(&first),
            None => BTreeSet::new(),
        };
        std::mem::replace(&mut stirred, rest)
    }
}

/// Tells `queue.counts` of the queues where something has changed.
pub(super) async fn watch_counts(live: Arc<Live>, stirred: Arc<Stirred>) {
    let mut known: HashMap<Arc<str>, (Counts, bool)> = HashMap::new();
    for round in 0_u64.. {
        tokio::time::sleep(COUNTS_EVERY).await;
        let mut wanted = stirred.take(COUNTED_MAX);
        let stores = (live.queues)();
        if round % SWEEP_ROUNDS == 0 && !stores.is_empty() {
            let turn = (round / SWEEP_ROUNDS) as usize % stores.len();
            wanted.insert(Arc::clone(&stores[turn].keys().queue));
        }
        let asked = stores.iter().filter(|store| wanted.contains(&store.keys().queue)).map(count);
        for (queue, counted) in join_all(asked).await {
            let Some((counts, paused, now_ms)) = counted else { continue };
            if known.insert(Arc::clone(&queue), (counts, paused)) == Some((counts, paused)) {
                continue;
            }
            let data = json!({"counts": counts, "isPaused": paused, "serverTime": now_ms});
            live.ring.publish([News::of_queue("queue.counts", &queue, data)]);
        }
    }
}

async fn count(store: &Store) -> (Arc<str>, Option<(Counts, bool, i64)>) {
    let asked = async {
        let (counts, paused) = store.counts().await?;
        Ok::<_, StoreError>((counts, paused, store.time_ms().await?))
    };
    let counted = tokio::time::timeout(LOOK_MAX, asked).await.ok().and_then(Result::ok);
    (Arc::clone(&store.keys().queue), counted)
}

/// Tells `worker.up` and `worker.down`, by the names of connections.
pub(super) async fn watch_workers(live: Arc<Live>) {
    let mut known: Option<BTreeSet<(Arc<str>, String)>> = None;
    loop {
        if let Some(now) = workers(&(live.queues)()).await {
            if let Some(before) = &known {
                let told = |kind, (queue, worker): &(Arc<str>, String)| {
                    News::of_queue(kind, queue, json!({"worker": worker}))
                };
                live.ring.publish(now.difference(before).map(|one| told("worker.up", one)));
                live.ring.publish(before.difference(&now).map(|one| told("worker.down", one)));
            }
            known = Some(now);
        }
        tokio::time::sleep(WORKERS_EVERY).await;
    }
}

/// The workers of these queues; `None` = not all servers say.
async fn workers(stores: &[Store]) -> Option<BTreeSet<(Arc<str>, String)>> {
    let mut by_server: HashMap<String, Vec<&Store>> = HashMap::new();
    for store in stores {
        by_server.entry(store.connection().server()).or_default().push(store);
    }
    let mut found = BTreeSet::new();
    for stores in by_server.into_values() {
        let asked = look::client_names(stores.first()?.connection());
        let names = tokio::time::timeout(LOOK_MAX, asked).await.ok()?.ok()??;
        // Most connections are nobody's worker, and a worker's name says its queue.
        for store in stores {
            let workers = names.iter().filter_map(|name| store.keys().worker_of(name));
            found.extend(workers.map(|worker| (Arc::clone(&store.keys().queue), worker.to_owned())));
        }
    }
    Some(found)
}
