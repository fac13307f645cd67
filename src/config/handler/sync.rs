//! The options of syncs.
//!
//! Must never know: how a page is read or a batch is pushed.

use std::time::Duration;

use super::super::Base;
use super::super::problem::{Problem, Problems};
use super::super::read::Section;
use super::{ExecHandler, HttpHandler, exec, http};

/// A sync.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncHandler {
    /// Where the items come from; `None` = the job's own data.
    pub source: Option<Side>,
    /// Where they go; `None` = a dry run.
    pub sink: Option<Side>,
    /// Items in one batch.
    pub batch_size: usize,
    /// Shortest time from the start of one batch of new items to that of the next.
    pub batch_delay: Duration,
    /// How often an item is pushed at most.
    pub item_attempts: u32,
    /// Wait before an item is pushed again.
    pub item_backoff: ItemBackoff,
    /// How often a failing call is made within one attempt.
    pub call_attempts: u32,
    /// Does a run with failed items fail?
    pub fails_when_exhausted: bool,
    /// Largest item, bytes.
    pub item_bytes_max: u64,
    /// Most items of a page.
    pub page_items_max: usize,
    /// Runs at once of one organisation.
    pub per_org: Option<u64>,
    /// Names of jobs that come after a run that ends well.
    pub after: Vec<String>,
    /// Where successful runs stand.
    pub watermark: Option<Watermark>,
}

/// A stored watermark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watermark {
    /// Syncs that name the same one share it.
    pub kind: String,
    /// The source is told where it stands.
    pub delta: bool,
    /// Runs with failed items move it as well.
    pub on_partial: bool,
}

/// One side of a sync.
#[derive(Debug, Clone, PartialEq)]
pub enum Side {
    /// Posted to.
    Http(HttpHandler),
    /// Run.
    Exec(ExecHandler),
}

/// Wait before an item is pushed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemBackoff {
    /// Always so long.
    Fixed(Duration),
    /// Doubled each time.
    Exponential(Duration),
}

/// `handler` is the table that holds the options of both sides.
pub(super) fn read(handler: &Section<'_>, base: &Base<'_>, problems: &mut Problems) -> Option<SyncHandler> {
    let section = handler.section("sync");
    let dry_run = section.truth("dry_run");
    let source =
        if section.has("source") { Some(side("source", &section, handler, base, problems)?) } else { None };
    let sink =
        if section.has("sink") { Some(side("sink", &section, handler, base, problems)?) } else { None };
    if sink.is_none() && !dry_run {
        let what = format!("{} has no sink", section.path);
        let hint =
            "add sink = { http = \"http://127.0.0.1:3000/sync/push\" }, or dry_run = true to push nothing";
        problems.push(Problem::new(what, &section.place, "sink = { http = … } or { exec = … }", hint));
        return None;
    }
    Some(SyncHandler {
        source,
        sink: sink.filter(|_| !dry_run),
        batch_size: section.int("batch_size") as usize,
        batch_delay: section.duration("batch_delay"),
        item_attempts: section.int("item_attempts") as u32,
        item_backoff: backoff(&section, problems),
        call_attempts: section.int("call_attempts") as u32,
        fails_when_exhausted: section.text("on_exhausted") == "fail",
        item_bytes_max: section.bytes("item_max"),
        page_items_max: section.int("page_max") as usize,
        per_org: section.maybe_int("per_org"),
        after: section.texts("after"),
        watermark: watermark(&section, problems),
    })
}

fn watermark(section: &Section<'_>, problems: &mut Problems) -> Option<Watermark> {
    let kind = section.maybe_text("watermark").filter(|kind| !kind.is_empty());
    let (delta, on_partial) = (section.truth("delta"), section.truth("watermark_on_partial"));
    if kind.is_none() && (delta || on_partial) {
        let option = if delta { "delta" } else { "watermark_on_partial" };
        let hint = "write watermark = \"customers\": syncs that name the same one share it";
        problems.push(section.problem(option, "has no watermark", "a watermark beside it", hint));
    }
    kind.map(|kind| Watermark { kind, delta, on_partial })
}

fn backoff(section: &Section<'_>, problems: &mut Problems) -> ItemBackoff {
    let backoff = section.section("item_backoff");
    if backoff.has("fixed") && backoff.has("exponential") {
        let what = format!("{} is two things at once", backoff.path);
        problems.push(Problem::new(what, &backoff.place, "exponential or fixed", "delete one of the two"));
    }
    match backoff.maybe_duration("fixed") {
        Some(wait) => ItemBackoff::Fixed(wait),
        None => ItemBackoff::Exponential(backoff.duration("exponential")),
    }
}

fn side(
    name: &str,
    section: &Section<'_>,
    handler: &Section<'_>,
    base: &Base<'_>,
    problems: &mut Problems,
) -> Option<Side> {
    let side = section.section(name);
    match (side.has("http"), side.has("exec")) {
        (true, false) => http::read_to(&side, handler, problems).map(Side::Http),
        (false, true) => exec::read_of(&side, handler, base, problems).map(Side::Exec),
        (both, _) => {
            let what = if both { "is two things at once: http and exec" } else { "has no http and no exec" };
            let hint = format!("write {name} = {{ http = \"http://127.0.0.1:3000/sync/{name}\" }}");
            problems.push(Problem::new(format!("{} {what}", side.path), &side.place, "http or exec", hint));
            None
        }
    }
}
