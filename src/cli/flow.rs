//! `bullock flow`: a job with the jobs that it waits for, as a tree. `BullMQ` only; a Bull job stands alone.

use std::collections::HashSet;

use clap::{Args, Subcommand};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::CliError;
use super::job::no_job;
use super::job::record::{Progress, Record, tone};
use super::output::{Cell, Column, Row, Tone};
use super::session::Session;
use super::target::{At, Target};
use crate::store::StoreError;
use crate::store::children::ChildOutcome;

/// `bullock flow`.
#[derive(Debug, Subcommand)]
pub enum Flow {
    /// Show a job and the jobs below it
    Show(Show),
}

/// Arguments of `bullock flow show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Name of the queue
    queue: String,
    /// Id of the job
    id: String,
    /// Levels below the job, 1 to 20
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=20))]
    depth: u32,
    /// Most jobs, 1 to 5000
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=5000))]
    limit: u32,
}

/// A tree, as the admin API has it.
#[derive(Serialize, Deserialize)]
struct Tree {
    root: Node,
    nodes: usize,
    truncated: bool,
    above: Option<Place>,
}

/// Where a job is.
#[derive(Serialize, Deserialize)]
struct Place {
    queue: String,
    id: String,
}

/// A job of the tree.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    queue: String,
    id: String,
    missing: bool,
    name: Option<String>,
    state: Option<String>,
    status: Option<String>,
    progress: Value,
    failed_reason: Option<String>,
    /// What its parent has noted of it.
    outcome: Option<String>,
    rollup: Rollup,
    children: Vec<Node>,
    more: u64,
}

/// Its children, by what became of them.
#[derive(Default, Serialize, Deserialize)]
struct Rollup {
    pending: u64,
    processed: u64,
    failed: u64,
    ignored: u64,
}

/// What is left of the bounds.
struct Walk<'a> {
    session: &'a Session,
    left: usize,
    seen: HashSet<(String, String)>,
}

const COLUMNS: &[Column] = &[
    Column::text("JOB"),
    Column::text("NAME"),
    Column::text("STATUS"),
    Column::text("FOR ITS PARENT").wide(),
    Column::text("PROGRESS"),
    Column::text("CHILDREN"),
    Column::text("DETAIL"),
];

/// Runs the command.
pub async fn run(target: &Target, command: Flow) -> Result<(), CliError> {
    let Flow::Show(args) = command;
    let tree = match &target.at {
        At::Redis(session) => directly(session, &args).await?,
        At::Api(api) => {
            let (depth, limit) = (args.depth.to_string(), args.limit.to_string());
            let query = [("depth", depth.as_str()), ("limit", limit.as_str())];
            api.get(&["flows", &args.queue, &args.id], &query).await?
        }
    };
    if target.out.is_json() {
        return Ok(target.out.page(&[], &json!(tree))?);
    }
    let mut rows = Vec::new();
    tree.root.rows("", "", &mut rows);
    target.out.list(COLUMNS, &rows)?;
    if let Some(Place { queue, id }) = tree.above {
        target.out.note(&format!("it is a child itself: bullock flow show {queue} {id}"));
    }
    if tree.truncated {
        target.out.note(&format!("{} jobs shown, there are more: --depth or --limit", tree.nodes));
    }
    Ok(())
}

async fn directly(session: &Session, args: &Show) -> Result<Tree, CliError> {
    let store = session.known_queue(&args.queue).await?;
    let limit = args.limit as usize;
    let mut walk = Walk { session, left: limit, seen: HashSet::new() };
    let is_job = !store.is_key_of_queue(&args.id);
    let root = walk.node(args.queue.clone(), args.id.clone(), None, args.depth).await;
    let (root, parent) = root.map_err(|error| session.error(error))?;
    if root.missing || !is_job {
        return Err(no_job(&args.queue, &args.id));
    }
    let above = parent.as_deref().and_then(|key| store.place_of(key));
    let above = above.map(|(queue, id)| Place { queue, id });
    Ok(Tree { truncated: root.is_cut(), root, nodes: limit - walk.left, above })
}

impl Walk<'_> {
    /// A job with those below it, and the key of its parent.
    fn node(
        &mut self,
        queue: String,
        id: String,
        outcome: Option<ChildOutcome>,
        depth: u32,
    ) -> BoxFuture<'_, Result<(Node, Option<String>), StoreError>> {
        Box::pin(async move {
            self.left = self.left.saturating_sub(1);
            let store = self.session.store(&queue);
            let is_new = self.seen.insert((queue.clone(), id.clone()));
            // A cycle, which only somebody's own hand can have made, ends where it closes.
            let record = if is_new {
                store.look().await?;
                Record::read(&store, &id).await?
            } else {
                None
            };
            let (mut node, parent) = Node::of(queue, id, outcome, record);
            if node.missing {
                return Ok((node, parent));
            }
            let wanted = if depth == 0 { 0 } else { self.left };
            let found = store.children(&node.id, wanted.max(1)).await?;
            let [pending, processed, failed, ignored] = found.counts;
            node.rollup = Rollup { pending, processed, failed, ignored };
            let total = found.total();
            for child in found.items.into_iter().take(wanted) {
                if self.left == 0 {
                    break;
                }
                node.children.push(self.node(child.queue, child.id, Some(child.outcome), depth - 1).await?.0);
            }
            node.more = total.saturating_sub(node.children.len() as u64);
            Ok((node, parent))
        })
    }
}

fn word(outcome: ChildOutcome) -> &'static str {
    match outcome {
        ChildOutcome::Pending => "pending",
        ChildOutcome::Processed => "processed",
        ChildOutcome::Failed => "failed",
        ChildOutcome::Ignored => "ignored",
    }
}

impl Node {
    fn of(
        queue: String,
        id: String,
        outcome: Option<ChildOutcome>,
        record: Option<Record>,
    ) -> (Self, Option<String>) {
        let mut node = Self {
            queue,
            id,
            missing: record.is_none(),
            name: None,
            state: None,
            status: None,
            progress: Value::Null,
            failed_reason: None,
            outcome: outcome.map(|outcome| word(outcome).to_owned()),
            rollup: Rollup::default(),
            children: Vec::new(),
            more: 0,
        };
        let Some(record) = record else { return (node, None) };
        node.state = Some(record.state_word().to_owned());
        node.status = Some(record.status_word());
        let view = record.view;
        (node.name, node.progress, node.failed_reason) = (Some(view.name), view.progress, view.failed_reason);
        (node, view.parent_key)
    }

    fn is_cut(&self) -> bool {
        self.more > 0 || self.children.iter().any(Self::is_cut)
    }

    /// Its line, then those below it. `lead` stands before its own, `below` before theirs.
    fn rows(&self, lead: &str, below: &str, rows: &mut Vec<Row>) {
        rows.push(self.row(lead));
        let last = self.children.len();
        for (at, child) in self.children.iter().enumerate() {
            let is_last = at + 1 == last && self.more == 0;
            let (branch, stem) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            child.rows(&format!("{below}{branch}"), &format!("{below}{stem}"), rows);
        }
        if self.more > 0 {
            let text = format!("{below}└─ … {} more", self.more);
            let cells = vec![Cell::new(text).raw(format!("{} more", self.more)).tone(Tone::Faint)];
            rows.push(Row { cells, json: Value::Null });
        }
    }

    fn row(&self, lead: &str) -> Row {
        let place = format!("{}/{}", self.queue, self.id);
        let job = Cell::new(format!("{lead}{place}")).raw(&place);
        let text = |text: &Option<String>| Cell::new(text.as_deref().unwrap_or_default());
        let Some(status) = &self.status else {
            let (blank, outcome) = (Cell::default, text(&self.outcome));
            let status = if self.missing { "gone" } else { "" };
            let cells =
                vec![job, blank(), Cell::new(status).tone(Tone::Faint), outcome, blank(), blank(), blank()];
            return Row { cells, json: Value::Null };
        };
        let progress = Progress::read(&self.progress).map_or_else(Cell::default, |p| Cell::new(p.text()));
        let cells = vec![
            job,
            text(&self.name),
            Cell::new(status).tone(tone(serde_json::from_value(json!(status)).ok())),
            text(&self.outcome),
            progress,
            Cell::new(self.children_text()),
            text(&self.failed_reason),
        ];
        Row { cells, json: Value::Null }
    }

    fn children_text(&self) -> String {
        let Rollup { pending, processed, failed, ignored } = self.rollup;
        let total = pending + processed + failed + ignored;
        let bad = failed + ignored;
        match (total, bad) {
            (0, _) => String::new(),
            (_, 0) => format!("{processed} of {total} done"),
            _ => format!("{processed} of {total} done, {bad} failed"),
        }
    }
}
