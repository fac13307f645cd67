//! docs/reference/cli.md agrees with the command line: it is made from the commands themselves.
//!
//! After a change of a command: `UPDATE_DOCS=1 cargo test --test readme cli_page`

use std::fmt::Write as _;

use bullock::cli::{ALONE, Cli, OVER_API};
use clap::{Arg, Command, CommandFactory as _};

use crate::blocks;

const PAGE: &str = "docs/reference/cli.md";
const HEAD: &str = "\
<!-- Made from the commands: UPDATE_DOCS=1 cargo test --test readme cli_page -->

# Commands

Data goes to standard output, messages and errors to standard error. On a terminal lists are tables; in a pipe they are lines with tabs, and `-o json`, `-o ndjson`
and `-o csv` are for programs. An error is one line: what, where, what was found, what was expected, what to do.

## Exit codes

| Code | Meaning |
|---|---|
| 0 | done; an empty list is done, too |
| 1 | failed; for `job watch` and `job add --wait`: the job failed |
| 2 | wrong usage or config |
| 3 | not found |
| 4 | not authorised |
| 5 | conflict: the state does not allow it, or somebody else holds it |
| 6 | Redis, the worker or the admin API cannot be reached |
| 7 | timed out waiting |
| 8 | unsafe Redis settings |
| 78 | there is no redis-server to start |
| 130 | interrupted |
";

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "\\<").replace('\n', " ")
}

/// A flag or an argument as it is typed.
fn typed(arg: &Arg) -> String {
    let value = arg
        .get_value_names()
        .map(|names| names.iter().map(|name| format!("<{name}>")).collect::<Vec<_>>().join(" "));
    let value = value.filter(|_| arg.get_action().takes_values()).unwrap_or_default();
    if arg.is_positional() {
        let many = if arg.get_num_args().is_some_and(|range| range.max_values() > 1) { "..." } else { "" };
        return format!("{value}{many}");
    }
    let names = [arg.get_short().map(|c| format!("-{c}")), arg.get_long().map(|name| format!("--{name}"))];
    let names: Vec<String> = names.into_iter().flatten().collect();
    format!("{} {value}", names.join(", ")).trim_end().to_owned()
}

fn rows(page: &mut String, arguments: &[&Arg]) {
    if arguments.is_empty() {
        return;
    }
    page.push_str("\n| | |\n|---|---|\n");
    for arg in arguments {
        let mut about = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let defaults: Vec<String> =
            arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
        if arg.get_action().takes_values() && !defaults.is_empty() && !about.contains("[default") {
            let _ = write!(about, " [default: {}]", defaults.join(", "));
        }
        if !arg.is_hide_possible_values_set() && arg.get_action().takes_values() {
            let words: Vec<String> =
                arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
            if !words.is_empty() {
                let _ = write!(about, " ({})", words.join(", "));
            }
        }
        let _ = writeln!(page, "| `{}` | {} |", typed(arg).replace('|', "\\|"), cell(&about));
    }
}

fn section(page: &mut String, command: &Command, path: &str, depth: usize) {
    let mut usual = command.clone();
    let _ = write!(page, "\n{} {path}\n\n", "#".repeat(depth));
    let _ = writeln!(page, "{}.", command.get_about().map(ToString::to_string).unwrap_or_default());
    let below: Vec<&Command> = command.get_subcommands().filter(|below| below.get_name() != "help").collect();
    if below.is_empty() {
        let usage = usual.render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").replace("\n       ", "\n");
        let usage: Vec<String> = usage.lines().map(|line| line.trim().to_owned()).collect();
        let _ = write!(page, "\n```\n{}\n```\n", usage.join("\n"));
    }
    let own = |arg: &&Arg| !arg.is_global_set() && !matches!(arg.get_id().as_str(), "help" | "version");
    let arguments: Vec<&Arg> = command.get_arguments().filter(own).collect();
    rows(page, &arguments);
    if let Some(after) = command.get_after_help().filter(|_| depth > 1) {
        let _ = write!(page, "\n{}\n", cell(&after.to_string()));
    }
    for one in below {
        section(page, one, &format!("{path} {}", one.get_name()), (depth + 1).min(4));
    }
}

/// What `--api` goes with; `tests/cli` tries each both ways, and all others for their refusal.
fn over_api(page: &mut String) {
    page.push_str("\n## Over the admin API\n\n");
    page.push_str(
        "With `--api` (or `BULLOCK_API`) these commands ask a server instead of Redis, print the same and end with the same \
         codes; [from another machine](../how-to/another-machine.md) tells what differs:\n\n",
    );
    for name in OVER_API {
        let _ = writeln!(page, "- `bullock {name}`");
    }
    let alone: Vec<String> = ALONE.iter().map(|name| format!("`bullock {name}`")).collect();
    let _ = writeln!(
        page,
        "\nAll others speak to Redis themselves, or start what does, and say so with exit code 2. {} ask neither.",
        alone.join(", ")
    );
}

fn made() -> String {
    let mut root = Cli::command();
    root.build();
    let mut page = HEAD.to_owned();
    page.push_str("\n## Options of all commands\n");
    let shared: Vec<&Arg> = root.get_arguments().filter(|arg| arg.is_global_set()).collect();
    rows(&mut page, &shared);
    over_api(&mut page);
    for command in root.get_subcommands().filter(|command| command.get_name() != "help") {
        section(&mut page, command, &format!("bullock {}", command.get_name()), 2);
    }
    page
}

#[test]
fn the_page_on_commands_is_made_from_the_commands() {
    let made = made();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(blocks::root().join(PAGE), made).unwrap();
        return;
    }
    assert!(
        blocks::page(PAGE) == made,
        "{PAGE} is not up to date. Run: UPDATE_DOCS=1 cargo test --test readme cli_page"
    );
}
