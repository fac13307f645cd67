//! Flows: a job, the children it waits for, theirs, in as many queues as they name. `BullMQ` only.

use std::collections::HashSet;

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

    /// The jobs, parents before their children.
    fn flatten(
        &self,
        prefix: &str,
        above: Option<(&str, &str)>,
        out: &mut Vec<Node>,
    ) -> Result<(), StoreError> {
        let opts = match &self.opts {
            Value::Object(opts) => opts.clone(),
            Value::Null => Map::new(),
            other => return Err(StoreError::Invalid(format!("opts {other}: expected an object"))),
        };
        let mut job = NewJob::bullmq(&self.name, &self.data, opts).map_err(StoreError::Invalid)?;
        let id = job.id.clone().unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
        // What is only ours to find it again is not stored among its options, as in Node.
        job.id = Some(id.clone());
        job.has_children = !self.children.is_empty();
        if let Some((queue_key, parent)) = above {
            job = job.below(queue_key, parent).map_err(StoreError::Invalid)?;
        }
        let keys = Keys::new(prefix, &self.queue);
        out.push(Node { base: keys.base.to_string(), job });
        let queue_key = format!("{prefix}:{}", self.queue);
        for child in &self.children {
            child.flatten(prefix, Some((&queue_key, &id)), out)?;
        }
        Ok(())
    }

    /// Hands the answers out in the order of [`Self::flatten`].
    fn answer(&self, answers: &mut impl Iterator<Item = Enqueued>) -> Option<FlowAdded> {
        let job = answers.next()?;
        let children = self.children.iter().map(|child| child.answer(answers)).collect::<Option<_>>()?;
        Some(FlowAdded { job, children })
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
        let mut nodes = Vec::new();
        flow.flatten(&self.keys.prefix, None, &mut nodes)?;
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
        flow.answer(&mut answers.into_iter())
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
