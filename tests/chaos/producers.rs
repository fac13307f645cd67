//! Producers: npm `bull` or `bullmq`, and our own library. A job whose add is not acknowledged is added again under the
//! same id, as a careful producer does, until it is or time is up.

use std::sync::Arc;
use std::time::Duration;

use bullock::wire::Dialect;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::job::Design;
use crate::judge::Added;
use crate::recorder::now_ms;
use crate::run::{Options, QUEUE};
use crate::support::node::BullQueue;

const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// How long a job is tried to be added.
const PATIENCE: Duration = Duration::from_secs(30);
/// No fault lasts as long as so many of these in a row: then the producer itself does not work.
const IN_VAIN_MAX: usize = 2;

/// Who takes the jobs.
pub(crate) enum Producer {
    Node(NodeProducer),
    Ours(bullock::Queue),
}

/// A producer of npm `bull` or `bullmq`. It is started again should it end: no job may be missing from the judge's books
/// because a process went away that nobody was told to harm.
pub(crate) struct NodeProducer {
    queue: Box<BullQueue>,
    options: Options,
    url: String,
    /// How it ended, each time.
    ended: Vec<String>,
}

impl NodeProducer {
    async fn open(options: &Options, url: &str) -> Box<BullQueue> {
        Box::new(match options.dialect {
            Dialect::Bull => BullQueue::open(url, QUEUE).await,
            Dialect::BullMq => BullQueue::open_mq(6, url, QUEUE, &json!({})).await,
        })
    }

    async fn add(&mut self, words: Value) -> Result<(), String> {
        let how = if self.options.wait_replicas > 0 { "addConfirmed" } else { "add" };
        match self.queue.try_add(how, words).await {
            Ok(answer) => answer.map(drop),
            Err(end) => {
                self.ended.push(end.clone());
                self.queue = NodeProducer::open(&self.options, &self.url).await;
                Err(end)
            }
        }
    }
}

impl Producer {
    pub(crate) async fn node(options: &Options, url: &str) -> Producer {
        let queue = NodeProducer::open(options, url).await;
        Producer::Node(NodeProducer {
            queue,
            options: options.clone(),
            url: url.to_owned(),
            ended: Vec::new(),
        })
    }

    pub(crate) fn ours(options: &Options, url: &str) -> Producer {
        let queue = bullock::Queue::open_as(options.dialect, url, "bull", QUEUE).unwrap();
        Producer::Ours(queue.wait_replicas(options.wait_replicas))
    }

    async fn add(&mut self, design: &Design) -> Result<(), String> {
        match self {
            Producer::Node(queue) => queue.add(json!([design.name, design.data(), design.opts()])).await,
            Producer::Ours(queue) => {
                let added = queue.add(design.name, &design.data(), design.opts()).await;
                added.map(drop).map_err(|error| error.to_string())
            }
        }
    }

    /// Adds jobs, each not before its time, which is so long after `began`. How often and how its process ended.
    pub(crate) async fn produce(
        mut self,
        jobs: Vec<(Duration, Design)>,
        began: Instant,
        added: Arc<std::sync::Mutex<Vec<Added>>>,
    ) -> Vec<String> {
        let mut in_vain = 0;
        for (due, design) in jobs {
            tokio::time::sleep_until(began + due).await;
            let (at, first) = (now_ms(), Instant::now());
            let (mut was_acknowledged, mut last) = (false, String::new());
            while !was_acknowledged && first.elapsed() < PATIENCE {
                match self.add(&design).await {
                    Ok(()) => was_acknowledged = true,
                    Err(error) => {
                        last = error;
                        tokio::time::sleep(AGAIN_AFTER).await;
                    }
                }
            }
            in_vain = if was_acknowledged { 0 } else { in_vain + 1 };
            assert!(
                in_vain < IN_VAIN_MAX,
                "{in_vain} jobs in a row could not be added, the last one because: {last}"
            );
            added.lock().unwrap().push(Added { design, at, was_acknowledged });
        }
        match self {
            Producer::Node(queue) => queue.ended,
            Producer::Ours(_) => Vec::new(),
        }
    }
}
