//! The table of what was found, a line for each queue and class.

use serde_json::{Value, json};

use super::Tallies;
use crate::cli::error::{CliError, shown};
use crate::cli::output::{Cell, Column, Row, Tone};
use crate::cli::session::Session;
use crate::store::doctor::Finding;
use crate::wire::doctor::Class;

/// Ids that a line names.
const IDS_SHOWN: usize = 3;
/// Faults that the JSON names one by one, for each queue and class.
const DETAILS_MAX: usize = 100;

/// What was found of one class in one queue, and what became of it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    count: usize,
    more: bool,
    details: Vec<(String, String, Option<&'static str>)>,
    /// Mended.
    pub(super) mended: usize,
    /// Would be mended.
    pub(super) would: usize,
    /// Not so any more when it was to be mended.
    pub(super) gone: usize,
    /// Held by a run: left alone.
    pub(super) held: usize,
    /// Without a safe rule.
    pub(super) no_rule: usize,
    /// Still there after the last round.
    left: usize,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(super) struct Total {
    jobs: usize,
    queues: usize,
    tallies: Tallies,
}

const COLUMNS: &[Column] = &[
    Column::text("QUEUE"),
    Column::text("CLASS"),
    Column::number("COUNT"),
    Column::text("FIRST"),
    Column::text("MEANING"),
];
const REPAIR_COLUMNS: &[Column] = &[
    Column::text("QUEUE"),
    Column::text("CLASS"),
    Column::number("COUNT"),
    Column::text("FIRST"),
    Column::text("REPAIR"),
    Column::text("MEANING"),
];

impl Total {
    pub(super) fn looked_at(&mut self, jobs: usize) {
        self.jobs += jobs;
        self.queues += 1;
    }

    pub(super) fn of(&mut self, queue: &str, class: Class) -> &mut Tally {
        self.tallies.entry((queue.to_owned(), class)).or_default()
    }

    pub(super) fn add(&mut self, queue: &str, finding: &Finding) {
        let tally = self.of(queue, finding.fault.class);
        tally.count += 1;
        if tally.details.len() < DETAILS_MAX {
            let rule = finding.fault.rule.as_ref().map(|(rule, _)| *rule);
            tally.details.push((finding.shown_id(), finding.fault.detail.clone(), rule));
        }
    }

    pub(super) fn more(&mut self, queue: &str, classes: &[Class]) {
        for class in classes {
            self.of(queue, *class).more = true;
        }
    }

    /// What the last look of a repair still found.
    pub(super) fn left(&mut self, queue: &str, findings: &[Finding]) {
        for finding in findings {
            self.of(queue, finding.fault.class).left += 1;
        }
    }

    /// Is nothing wrong, or (`repaired`) nothing wrong any more?
    pub(super) fn is_sound(&self, repaired: bool) -> bool {
        self.tallies.iter().all(|((queue, _), tally)| repaired && !queue.is_empty() && tally.left == 0)
    }

    pub(super) fn print(&self, session: &Session, repair: bool) -> Result<(), CliError> {
        let rows: Vec<Row> =
            self.tallies.iter().map(|((queue, class), tally)| row(queue, *class, tally, repair)).collect();
        session.out.list(if repair { REPAIR_COLUMNS } else { COLUMNS }, &rows)?;
        let (jobs, queues) = (plural(self.jobs, "job"), plural(self.queues, "queue"));
        let found: usize = self.tallies.values().map(|tally| tally.count).sum();
        let what = match found {
            0 => "nothing wrong".to_owned(),
            n => plural(n, "fault"),
        };
        session.out.note(&format!("{what} in {jobs} of {queues}"));
        if found > 0 && !repair {
            session.out.note(
                "what to do: bullock doctor --repair --dry-run says what would be mended; docs/doctor.md",
            );
        }
        Ok(())
    }
}

fn row(queue: &str, class: Class, tally: &Tally, repair: bool) -> Row {
    let ids: Vec<String> = tally.details.iter().take(IDS_SHOWN).map(|(id, ..)| shown(id)).collect();
    let more = if tally.count > IDS_SHOWN { ", …" } else { "" };
    let first = match ids.join(", ") {
        text if text.is_empty() => {
            tally.details.first().map(|(_, detail, _)| shown(detail)).unwrap_or_default()
        }
        text => text + more,
    };
    let count = if tally.more { format!("{}+", tally.count) } else { tally.count.to_string() };
    let queue_text = if queue.is_empty() { "(server)" } else { queue };
    let mut cells = vec![
        Cell::new(queue_text),
        Cell::new(class.as_str()).tone(Tone::Bad),
        Cell::new(count),
        Cell::new(first),
    ];
    if repair {
        cells.push(Cell::new(became(queue, tally)));
    }
    cells.push(Cell::new(class.meaning()));
    let details: Vec<Value> = tally
        .details
        .iter()
        .map(|(id, detail, rule)| json!({"id": id, "detail": detail, "rule": rule}))
        .collect();
    let mut json = json!({"queue": (!queue.is_empty()).then_some(queue), "class": class.as_str(), "count": tally.count,
        "more": tally.more, "meaning": class.meaning(), "findings": details});
    if repair {
        json["repair"] = json!({"mended": tally.mended, "wouldMend": tally.would, "gone": tally.gone, "held": tally.held,
            "noRule": tally.no_rule, "left": tally.left});
    }
    Row { cells, json }
}

/// What became of the faults of one line.
fn became(queue: &str, tally: &Tally) -> String {
    let parts = [
        (tally.mended, "mended"),
        (tally.would, "would be mended"),
        (tally.gone, "gone by itself"),
        (tally.held, "held by a run"),
        (tally.no_rule, "no safe rule"),
    ];
    let said: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    if said.is_empty() && queue.is_empty() { "no safe rule".into() } else { said.join(", ") }
}

fn plural(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
