//! Flows: a job, the children it waits for, theirs, in as many queues as they name. `BullMQ` only.

use std::collections::{HashSet, VecDeque};

use serde_json::{Map, Value};

use super::enqueue::{Enqueued, Refusal, push_job};
use super::script::in_dialect;
use super::{Queue, Store, StoreError, array, integer, text};
use crate::wire::{Dialect, Keys, NewJob};

/// Most jobs of one flow: it is added in one step, and Redis does nothing else meanwhile.
pub const FLOW_JOBS_MAX: usize = 5_000;

/// A job of a flow, and those it waits for.
///
/// ```
/// use bullock::store::flow::Flow;
/// use serde_json::json;
/// let flow = Flow::new("reports", "send", json!({"to": "a@example.com"}))
///     .child(Flow::new("pdf", "render", json!({"page": 1})))
///     .child(Flow::new("pdf", "render", json!({"page": 2})).opts(json!({"attempts": 3})));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Flow {
    queue: String,
    name: String,
    data: Value,
    opts: Value,
    children: Vec<Flow>,
}

/// What became of a flow: its jobs as they were given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowAdded {
    /// The job. `refused` with [`Refusal::ParentMissing`]: the one above it was not stored, because another job stands
    /// for it.
    pub job: Enqueued,
    /// Those below it.
    pub children: Vec<FlowAdded>,
}

impl Flow {
    /// A job of a queue.
    pub fn new(queue: impl Into<String>, name: impl Into<String>, data: Value) -> Self {
        Self { queue: queue.into(), name: name.into(), data, opts: Value::Null, children: Vec::new() }
    }

    /// Its options, under `BullMQ`'s names.
    #[must_use]
    pub fn opts(mut self, opts: Value) -> Self {
        self.opts = opts;
        self
    }

    /// Adds a job that it waits for.
    #[must_use]
    pub fn child(mut self, child: Flow) -> Self {
        self.children.push(child);
        self
    }

    /// The jobs level by level, as Node adds them: parents before their children.
    fn flatten(&self, prefix: &str) -> Result<Vec<Node>, StoreError> {
        let mut open = VecDeque::from([(self, None::<(String, String)>)]);
        let mut nodes = Vec::new();
        while let Some((flow, above)) = open.pop_front() {
            let mut job = flow.encode()?;
            if let Some((queue_key, parent)) = above {
                job = job.below(&queue_key, &parent).map_err(StoreError::Invalid)?;
            }
            let queue_key = format!("{prefix}:{}", flow.queue);
            let id = job.id.clone().unwrap_or_default();
            open.extend(flow.children.iter().map(|child| (child, Some((queue_key.clone(), id.clone())))));
            nodes.push(Node { base: Keys::new(prefix, &flow.queue).base.to_string(), job });
        }
        Ok(nodes)
    }

    /// The job alone, with an id.
    fn encode(&self) -> Result<NewJob, StoreError> {
        let opts = match &self.opts {
            Value::Object(opts) => opts.clone(),
            Value::Null => Map::new(),
            other => return Err(StoreError::Invalid(format!("opts {other}: expected an object"))),
        };
        if self.queue.contains(':') {
            let queue = &self.queue;
            return Err(StoreError::Invalid(format!(
                "queue \"{queue}\": a BullMQ queue's name has no colon"
            )));
        }
        let mut job = NewJob::bullmq(&self.name, &self.data, opts).map_err(StoreError::Invalid)?;
        job.id.get_or_insert_with(|| uuid::Uuid::now_v7().to_string());
        job.has_children = !self.children.is_empty();
        if job.has_children && job.deduplication.is_some() {
            let name = &self.name;
            return Err(StoreError::Invalid(format!(
                "flow: {name}: a job with children cannot be deduplicated"
            )));
        }
        Ok(job)
    }

    /// Hands the answers out in the order of [`Self::flatten`].
    fn answer(&self, answers: Vec<Enqueued>) -> Option<FlowAdded> {
        let mut open = VecDeque::from([self]);
        let (mut counts, mut added) = (Vec::new(), Vec::new());
        for job in answers {
            let flow = open.pop_front()?;
            counts.push(flow.children.len());
            open.extend(&flow.children);
            added.push(FlowAdded { job, children: Vec::new() });
        }
        // From the last one back, so that each is whole when it goes below its parent.
        let mut first_child = added.len();
        while let Some(count) = counts.pop() {
            first_child = first_child.checked_sub(count)?;
            let at = counts.len();
            let children = added.split_off(first_child);
            added.get_mut(at)?.children = children;
            if at == 0 {
                return added.pop();
            }
        }
        None
    }
}

struct Node {
    base: String,
    job: NewJob,
}

impl Store {
    /// Adds a flow in one step: all of it, or nothing. Its queues share this store's prefix; its root may go to any of
    /// them. A root with the option `parent` goes below a job that exists.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] names the job that is wrong, whose parent is gone, or that is another parent's child.
    pub async fn add_flow(&self, token: &str, flow: &Flow) -> Result<FlowAdded, StoreError> {
        let script = in_dialect(&self.scripts.flow, "flows")?;
        let nodes = flow.flatten(&self.keys.prefix)?;
        check_nodes(&nodes)?;
        let mut call = script.call(&self.keys);
        call.arg(token);
        for node in &nodes {
            call.arg(&node.base);
            push_job(&mut call, &node.job, Dialect::BullMq);
        }
        let answer = match script.run(&self.connection, &call).await {
            // Sent again after a lost reply it finds every job that landed: their ids are ours.
            Err(StoreError::Unavailable(_)) => script.run(&self.connection, &call).await?,
            answer => answer?,
        };
        let mut reply = array(answer)?.into_iter();
        let code = reply.next().as_ref().map(integer).transpose()?.unwrap_or_default();
        if code != 0 {
            let at = reply.next().as_ref().map(integer).transpose()?.unwrap_or(1) as usize;
            let id = nodes.get(at - 1).and_then(|node| node.job.id.as_deref()).unwrap_or_default();
            let refusal = if code == -5 { Refusal::ParentMissing } else { Refusal::OtherParent };
            return Err(StoreError::Invalid(format!("flow: job {id}: {refusal}; nothing was added")));
        }
        let mut answers = Vec::with_capacity(nodes.len());
        while let (Some(id), Some(code)) = (reply.next(), reply.next()) {
            answers.push(Enqueued::read(text(id)?, integer(&code)?));
        }
        flow.answer(answers)
            .ok_or_else(|| StoreError::Protocol("flow answered for fewer jobs than it has".into()))
    }
}

fn check_nodes(nodes: &[Node]) -> Result<(), StoreError> {
    if nodes.len() > FLOW_JOBS_MAX {
        let found = nodes.len();
        return Err(StoreError::Invalid(format!("flow: {found} jobs, expected at most {FLOW_JOBS_MAX}")));
    }
    let mut seen = HashSet::new();
    for Node { base, job } in nodes {
        let id = job.id.as_deref().unwrap_or_default();
        if !seen.insert((base, id)) {
            return Err(StoreError::Invalid(format!("flow: job {id} stands twice in it, in the same queue")));
        }
    }
    Ok(())
}

impl Queue {
    /// Adds a flow; see [`Store::add_flow`].
    pub async fn add_flow(&self, flow: &Flow) -> Result<FlowAdded, StoreError> {
        self.store().add_flow(self.token(), flow).await
    }
}
