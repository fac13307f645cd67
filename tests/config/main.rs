//! The config: what is refused and in which words, what is accepted and what it becomes, and the logs that it sets up.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod admin;
mod automation;
mod environment;
mod file;
mod handlers;
mod later;
mod names;
mod orgs;
mod otel;
mod redis_url;
mod reference;
mod syncs;
mod telemetry;
mod typos;
mod values;

use bullock::config::{Config, Problems};

/// A handler that makes any config with a queue `a` whole.
const HANDLER: &str = "[queues.a.handlers.\"*\"]\nhttp = \"http://127.0.0.1:3000/jobs\"\n";

/// Loads a text with a small environment.
fn load(text: &str) -> Result<Config, Problems> {
    load_with(text, &[])
}

/// Loads a text with further variables.
fn load_with(text: &str, vars: &[(&str, &str)]) -> Result<Config, Problems> {
    let path = [("PATH", "/usr/local/bin:/usr/bin:/bin")];
    let vars = path.iter().chain(vars).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::from_text("bullock.toml", text, vars)
}

/// The error lines of a text that must be refused.
fn errors(text: &str) -> String {
    errors_with(text, &[])
}

/// The same with further variables.
fn errors_with(text: &str, vars: &[(&str, &str)]) -> String {
    match load_with(text, vars) {
        Ok(_) => panic!("this was accepted:\n{text}"),
        Err(problems) => problems.to_string(),
    }
}

/// A text that must be accepted.
fn accepted(text: &str) -> Config {
    load(text).unwrap_or_else(|problems| panic!("{problems}\nwas said of:\n{text}"))
}

/// Checks the exact error line of each text, to which a whole handler is added.
fn refused(cases: &[(&str, &str)]) {
    for (text, line) in cases {
        assert_eq!(errors(&format!("{text}\n{HANDLER}")), *line, "for:\n{text}");
    }
}
