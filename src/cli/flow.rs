//! `bullock flow`: a job with the jobs that it waits for, as a tree. `BullMQ` only; a Bull job stands alone.

use std::collections::HashSet;

use clap::{Args, Subcommand};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::error::CliError;
use super::job::record::{Progress, Record};
use super::job::{no_job, queue_of};
use super::output::{Cell, Column, Row, Tone};
use super::session::Session;
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

/// A job of the tree. In JSON it has the names of the admin API's.
struct Node {
    queue: String,
    id: String,
    /// `None` = it is gone.
    record: Option<Record>,
    /// What its parent has noted of it.
    outcome: Option<ChildOutcome>,
    /// Waiting, completed, failed, ignored.
    counts: [u64; 4],
    children: Vec<Node>,
    more: u64,
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
pub async fn run(session: &Session, command: Flow) -> Result<(), CliError> {
    let Flow::Show(args) = command;
    let failed = |error| session.error(error);
    let store = queue_of(session, &args.queue, &args.id).await?;
    let limit = args.limit as usize;
    let mut walk = Walk { session, left: limit, seen: HashSet::new() };
    let root = walk.node(args.queue.clone(), args.id.clone(), None, args.depth).await.map_err(failed)?;
    let Some(record) = &root.record else { return Err(no_job(&args.queue, &args.id)) };
    let nodes = limit - walk.left;
    let above = record.view.parent_key.as_deref().and_then(|key| store.place_of(key));
    if session.out.is_json() {
        let above = above.map(|(queue, id)| json!({"queue": queue, "id": id}));
        let tree = json!({"root": root.json(), "nodes": nodes, "truncated": root.is_cut(), "above": above});
        return Ok(session.out.page(&[], &tree)?);
    }
    let mut rows = Vec::new();
    root.rows("", "", &mut rows);
    session.out.list(COLUMNS, &rows)?;
    if let Some((queue, id)) = above {
        session.out.note(&format!("it is a child itself: bullock flow show {queue} {id}"));
    }
    if root.is_cut() {
        session.out.note(&format!("{nodes} jobs shown, there are more: --depth or --limit"));
    }
    Ok(())
}

impl Walk<'_> {
    fn node(
        &mut self,
        queue: String,
        id: String,
        outcome: Option<ChildOutcome>,
        depth: u32,
    ) -> BoxFuture<'_, Result<Node, StoreError>> {
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
            let mut node = Node { queue, id, record, outcome, counts: [0; 4], children: Vec::new(), more: 0 };
            if node.record.is_none() {
                return Ok(node);
            }
            let wanted = if depth == 0 { 0 } else { self.left };
            let found = store.children(&node.id, wanted.max(1)).await?;
            node.counts = found.counts;
            let total = found.total();
            for child in found.items.into_iter().take(wanted) {
                if self.left == 0 {
                    break;
                }
                node.children.push(self.node(child.queue, child.id, Some(child.outcome), depth - 1).await?);
            }
            node.more = total.saturating_sub(node.children.len() as u64);
            Ok(node)
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
    fn is_cut(&self) -> bool {
        self.more > 0 || self.children.iter().any(Self::is_cut)
    }

    fn json(&self) -> Value {
        let [pending, processed, failed, ignored] = self.counts;
        let of = |record: &Record| {
            (json!(record.view.name), record.state_word(), record.status_word(), record.view.progress.clone())
        };
        let known = self.record.as_ref().map(of);
        let reason = self.record.as_ref().and_then(|record| record.view.failed_reason.clone());
        json!({
            "queue": self.queue, "id": self.id, "missing": self.record.is_none(),
            "name": known.as_ref().map(|known| &known.0), "state": known.as_ref().map(|known| known.1),
            "status": known.as_ref().map(|known| &known.2), "progress": known.as_ref().map(|known| &known.3),
            "failedReason": reason, "outcome": self.outcome.map(word),
            "rollup": {"pending": pending, "processed": processed, "failed": failed, "ignored": ignored},
            "children": self.children.iter().map(Self::json).collect::<Vec<_>>(), "more": self.more,
        })
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
        let outcome = self.outcome.map_or_else(Cell::default, |outcome| Cell::new(word(outcome)));
        let Some(record) = &self.record else {
            let blank = Cell::default;
            let cells =
                vec![job, blank(), Cell::new("gone").tone(Tone::Faint), outcome, blank(), blank(), blank()];
            return Row { cells, json: Value::Null };
        };
        let progress =
            Progress::read(&record.view.progress).map_or_else(Cell::default, |p| Cell::new(p.text()));
        let cells = vec![
            job,
            Cell::new(&record.view.name),
            Cell::new(record.status_word()).tone(record.tone()),
            outcome,
            progress,
            Cell::new(self.children_text()),
            Cell::new(record.view.failed_reason.as_deref().unwrap_or_default()),
        ];
        Row { cells, json: Value::Null }
    }

    fn children_text(&self) -> String {
        let [_, processed, failed, ignored] = self.counts;
        let total: u64 = self.counts.iter().sum();
        let bad = failed + ignored;
        match (total, bad) {
            (0, _) => String::new(),
            (_, 0) => format!("{processed} of {total} done"),
            _ => format!("{processed} of {total} done, {bad} failed"),
        }
    }
}
