//! `[[alerts]]`: whom to tell of what.
//!
//! Must never know: how alerts are sent.

use std::time::Duration;

use super::handler::http::secrets;
use super::limits as at;
use super::problem::Problems;
use super::read::Section;
use super::secret::Secret;

/// One validated `[[alerts]]`.
#[derive(Debug, Clone)]
pub struct Alert {
    /// Posted to. It can hold a key.
    pub url: Secret,
    /// Sign messages, the newest first; empty = unsigned.
    pub secrets: Vec<Secret>,
    /// A job waits for longer.
    pub oldest_waiting: Option<Duration>,
    /// This part of the jobs fails, 0 to 1.
    pub failure_ratio: Option<f64>,
    /// So many jobs look alive and are not.
    pub zombies: Option<u64>,
    /// Nobody claims from a queue for longer.
    pub no_worker: Option<Duration>,
    /// A handler cannot be reached, or does not know us.
    pub handler_unhealthy: bool,
}

/// Reads `[[alerts]]`.
pub(super) fn alerts(root: &Section<'_>, problems: &mut Problems) -> Vec<Alert> {
    let items = root.items("alerts");
    if items.len() > at::ALERTS_MAX {
        let expected = format!("at most {}", at::ALERTS_MAX);
        problems.push(root.problem(
            "alerts",
            "has too many entries",
            expected,
            "one receiver can tell many people",
        ));
    }
    items.iter().map(|item| alert(item, problems)).collect()
}

fn alert(item: &Section<'_>, problems: &mut Problems) -> Alert {
    let (url, on) = (item.text("url"), item.section("on"));
    if item.has("url") && !item.is_bad("url") {
        let fault = match url::Url::parse(&url) {
            Err(_) => Some("is no URL"),
            Ok(url) if !matches!(url.scheme(), "http" | "https") => Some("is neither http:// nor https://"),
            Ok(url) if url.host_str().is_none_or(str::is_empty) => Some("has no host"),
            Ok(_) => None,
        };
        if let Some(fault) = fault {
            let hint = "it is posted a JSON message at each change";
            problems.push(item.problem("url", fault, "e.g. \"https://example.com/alerts\"", hint));
        }
    }
    let zombies = on.has("zombies").then(|| on.int("zombies"));
    let alert = Alert {
        url: Secret::new(url),
        secrets: secrets(item, problems),
        oldest_waiting: on.maybe_duration("oldest_waiting"),
        failure_ratio: on.has("failure_ratio").then(|| on.number("failure_ratio")),
        zombies,
        no_worker: on.maybe_duration("no_worker"),
        handler_unhealthy: on.truth("handler_unhealthy"),
    };
    let names_any = on.entries().next().is_some();
    if item.has("on") && !item.is_bad("on") && !names_any {
        let hint = "on = { oldest_waiting = \"5m\" }";
        problems.push(item.problem("on", "names nothing", "at least one of its options", hint));
    }
    alert
}
