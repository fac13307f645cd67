//! docs/state-machine.md is made from the table of transitions in src/job/state.rs.
//!
//! After a change of the table: `UPDATE_DOCS=1 cargo test --test readme state_page`

use std::fmt::Write as _;

use bullock::job::state::{Event, State, TRANSITIONS};

use crate::blocks;

const PAGE: &str = "docs/state-machine.md";
const BEGIN: &str = "<!-- transitions: made from the table -->\n";
const END: &str = "<!-- end of transitions -->\n";

/// Each event: its word, the scripts that bring it about, and what happens.
#[rustfmt::skip]
const EVENTS: &[(Event, &str, &[&str], &str)] = &[
    (Event::Add, "add", &["enqueue", "flow", "scheduler_upsert", "repeat"], "A producer adds it: at once, for later, or as a parent of jobs that come first."),
    (Event::Claim, "claim", &["claim"], "A worker takes it, with a lock of its own and a lease."),
    (Event::Complete, "complete", &["complete"], "Its run ended well. It is kept, or removed by `removeOnComplete`."),
    (Event::Fail, "fail", &["fail"], "Its run failed and no attempt is left, or it must not be tried again: a dead letter. A parent fails with a child whose failure it takes over."),
    (Event::RetryNow, "retry now", &["fail"], "Its run failed; another attempt follows at once."),
    (Event::RetryLater, "retry later", &["fail"], "Its run failed; another attempt follows after the backoff."),
    (Event::Defer, "defer", &["hand_back"], "The backend asked for time (`Retry-After`). No attempt is spent."),
    (Event::HandBack, "hand back", &["hand_back"], "The worker stops before the job has ended. No attempt is spent."),
    (Event::Recover, "recover", &["recover", "stalled", "mend"], "Its worker died: the lease ran out. No attempt is spent. A zombie can be put back by hand."),
    (Event::StallOut, "stall out", &["stalled"], "Its workers died too often."),
    (Event::WaitForChildren, "wait for children", &["waiting_children"], "Its handler waits for jobs that it has added."),
    (Event::ChildrenDone, "children done", &["complete", "fail"], "The last of its children has ended."),
    (Event::Promote, "promote", &["promote", "claim", "promote_job", "promote_all"], "Its time has come, by Redis' clock, or by hand."),
    (Event::Pause, "pause", &["pause"], "The queue is paused (Bull 4 and BullMQ 5; a BullMQ 6 queue leaves jobs where they are)."),
    (Event::Resume, "resume", &["pause"], "The queue goes on."),
    (Event::Retry, "retry", &["retry", "retry_all", "replay"], "Somebody has it tried again."),
    (Event::Reprocess, "reprocess", &["retry", "retry_all"], "Somebody has a completed job done once more (BullMQ)."),
    (Event::Cancel, "cancel", &["cancel", "fail", "claim", "recover", "stalled"], "Somebody cancels it: at once where it waits; where it runs, when its handler has been stopped. Never tried again by itself."),
    (Event::ForceDone, "force done", &["force_done"], "Somebody declares it done."),
    (Event::Remove, "remove", &["remove", "clean", "empty", "obliterate", "move_jobs"], "It is deleted, or moved to another queue."),
];

fn named(state: Option<State>) -> String {
    state.map_or_else(|| "–".to_owned(), |state| state.as_str().to_owned())
}

/// States of one event, each once, in the table's order.
fn states(of: impl Iterator<Item = Option<State>>) -> String {
    let mut names: Vec<String> = Vec::new();
    for state in of.map(named) {
        if !names.contains(&state) {
            names.push(state);
        }
    }
    names.join(", ")
}

fn diagram() -> String {
    let mut lines: Vec<String> = Vec::new();
    let node =
        |state: Option<State>| state.map_or("[*]".to_owned(), |state| state.as_str().replace('-', "_"));
    let mut edges: Vec<(String, String, Vec<&str>)> = Vec::new();
    for (from, event, to) in TRANSITIONS {
        let word = entry(*event).1;
        let (from, to) = (node(*from), node(*to));
        match edges.iter_mut().find(|(a, b, _)| *a == from && *b == to) {
            Some((_, _, words)) if words.contains(&word) => {}
            Some((_, _, words)) => words.push(word),
            None => edges.push((from, to, vec![word])),
        }
    }
    for (from, to, words) in edges {
        lines.push(format!("  {from} --> {to}: {}", words.join(", ")));
    }
    format!("```mermaid\nstateDiagram-v2\n{}\n```\n", lines.join("\n"))
}

fn entry(event: Event) -> &'static (Event, &'static str, &'static [&'static str], &'static str) {
    EVENTS.iter().find(|(known, ..)| *known == event).unwrap_or_else(|| panic!("{event:?} is not in EVENTS"))
}

fn table() -> String {
    let mut rows = String::from("\n| event | from | to | what happens | scripts |\n|---|---|---|---|---|\n");
    for (event, word, scripts, about) in EVENTS {
        let of = || TRANSITIONS.iter().filter(move |(_, known, _)| known == event);
        assert!(of().next().is_some(), "{event:?} is not in TRANSITIONS");
        let (from, to) = (states(of().map(|row| row.0)), states(of().map(|row| row.2)));
        let scripts: Vec<String> =
            scripts.iter().filter(|name| exists(name)).map(|name| format!("`{name}`")).collect();
        let _ = writeln!(rows, "| {word} | {from} | {to} | {about} | {} |", scripts.join(", "));
    }
    rows
}

/// Is there such a script in one dialect at least?
fn exists(script: &str) -> bool {
    ["bull", "bullmq"]
        .iter()
        .any(|dialect| blocks::root().join(format!("lua/{dialect}/{script}.lua")).exists())
}

#[test]
fn the_state_machines_page_shows_every_transition_of_the_table() {
    let page = blocks::page(PAGE);
    let (head, rest) = page.split_once(BEGIN).expect("the page has the mark of its tables");
    let (shown, tail) = rest.split_once(END).expect("the page has the end of its tables");
    let made = format!("\n{}{}\n", diagram(), table());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(blocks::root().join(PAGE), format!("{head}{BEGIN}{made}{END}{tail}")).unwrap();
        return;
    }
    assert!(
        shown == made,
        "{PAGE} is not up to date. Run: UPDATE_DOCS=1 cargo test --test readme state_page"
    );
}
