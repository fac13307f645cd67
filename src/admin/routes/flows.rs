//! `GET /flows/{queue}/{id}`: a job with what it waits for, bounded in depth and in number.

use std::collections::HashSet;

use axum::http::StatusCode;
use axum::response::Response;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::about::{About, Kind, Shape, param};
use super::jobs::one::outcome_word;
use super::{Ask, answer};
use crate::admin::problem::Problem;
use crate::store::Store;

/// Depth and nodes of a tree: at most, and unless told otherwise.
const DEPTH: (u64, u64) = (10, 5);
const NODES: (u64, u64) = (500, 200);

pub(super) const SHOW: About = About::new("flows", "A job with the jobs below it")
    .query(&[
        param("depth", Kind::Number(1, DEPTH.0, DEPTH.1), "Levels below the job"),
        param("limit", Kind::Number(1, NODES.0, NODES.1), "Most jobs"),
    ])
    .answers(&[(200, "The tree", Some(Shape::of::<FlowTree>()))])
    .refusals(&[404, 409]);

/// A tree of jobs.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct FlowTree {
    /// The job that was asked for.
    pub root: FlowNode,
    /// How many jobs are shown.
    pub nodes: usize,
    /// Some are left out.
    pub truncated: bool,
    /// The job above it.
    pub above: Option<FlowPlace>,
}

/// Where a job is.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::admin) struct FlowPlace {
    /// Its queue.
    pub queue: String,
    /// Its id.
    pub id: String,
}

/// A job of a tree.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct FlowNode {
    /// Its queue.
    pub queue: String,
    /// Its id.
    pub id: String,
    /// Its name; null = it is gone, or not this caller's to see.
    pub name: Option<String>,
    /// Its state.
    pub state: Option<String>,
    /// Its status.
    pub status: Option<String>,
    /// Its progress.
    pub progress: Value,
    /// Its error.
    pub failed_reason: Option<String>,
    /// There is no such job any more.
    pub missing: bool,
    /// What its parent has noted of it: pending, processed, failed or ignored.
    pub outcome: Option<String>,
    /// What has become of its children.
    pub rollup: Rollup,
    /// Those that are shown.
    #[schema(no_recursion)]
    pub children: Vec<FlowNode>,
    /// How many are not.
    pub more: u64,
}

/// Children by what has become of them.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
pub(in crate::admin) struct Rollup {
    /// The parent waits for them.
    pub pending: u64,
    /// They have completed.
    pub processed: u64,
    /// They have failed.
    pub failed: u64,
    /// They have failed, which is ignored.
    pub ignored: u64,
}

/// What is left of the bounds.
struct Walk<'a> {
    call: &'a Ask,
    nodes_left: usize,
    seen: HashSet<(String, String)>,
    truncated: bool,
}

pub(super) async fn show(call: Ask) -> Result<Response, Problem> {
    let store = call.store_of_job().await?;
    let detail = store.job_detail(&call.id).await?.ok_or_else(|| call.no_job())?;
    let depth = call.query.number("depth").unwrap_or(DEPTH.1);
    let limit = call.query.number("limit").unwrap_or(NODES.1) as usize;
    let above = detail.view.parent_key.as_deref().and_then(|key| store.place_of(key));
    let mut walk = Walk { call: &call, nodes_left: limit, seen: HashSet::new(), truncated: false };
    let root = walk.node(call.queue.clone(), call.id.clone(), None, depth).await?;
    let (nodes, truncated) = (limit - walk.nodes_left, walk.truncated);
    let above = above.map(|(queue, id)| FlowPlace { queue, id });
    Ok(answer(StatusCode::OK, &FlowTree { root, nodes, truncated, above }))
}

impl Walk<'_> {
    fn node(
        &mut self,
        queue: String,
        id: String,
        outcome: Option<&'static str>,
        depth: u64,
    ) -> BoxFuture<'_, Result<FlowNode, Problem>> {
        Box::pin(async move {
            self.nodes_left = self.nodes_left.saturating_sub(1);
            let mut node = FlowNode {
                name: None,
                state: None,
                status: None,
                progress: Value::Null,
                failed_reason: None,
                missing: true,
                outcome: outcome.map(str::to_owned),
                rollup: Rollup::default(),
                children: Vec::new(),
                more: 0,
                queue,
                id,
            };
            // A cycle, which only somebody's own hand can have made.
            if !self.seen.insert((node.queue.clone(), node.id.clone())) {
                self.truncated = true;
                return Ok(node);
            }
            if !self.call.caller()?.may(&node.queue) {
                node.missing = false;
                return Ok(node);
            }
            let Ok(store) = self.call.board()?.open(&node.queue).await else { return Ok(node) };
            let Some(detail) = store.job_detail(&node.id).await? else { return Ok(node) };
            let shown = self.call.viewer(&store).page(&detail, Vec::new()).job;
            node.missing = false;
            node.name = Some(shown.name);
            node.state = Some(shown.state);
            node.status = Some(shown.status);
            node.progress = shown.progress;
            node.failed_reason = shown.failed_reason;
            self.below(&store, &mut node, depth).await?;
            Ok(node)
        })
    }

    async fn below(&mut self, store: &Store, node: &mut FlowNode, depth: u64) -> Result<(), Problem> {
        let wanted = if depth == 0 { 0 } else { self.nodes_left };
        let children = store.children(&node.id, wanted.max(1)).await?;
        let [pending, processed, failed, ignored] = children.counts;
        node.rollup = Rollup { pending, processed, failed, ignored };
        let total = children.total();
        for child in children.items.into_iter().take(wanted) {
            if self.nodes_left == 0 {
                break;
            }
            let outcome = Some(outcome_word(child.outcome));
            let below = self.node(child.queue, child.id, outcome, depth - 1).await?;
            node.children.push(below);
        }
        node.more = total.saturating_sub(node.children.len() as u64);
        self.truncated |= node.more > 0;
        Ok(())
    }
}
