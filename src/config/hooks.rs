//! `[hooks.<name>]`: webhooks that shops send to the admin server.
//!
//! Must never know: how signatures are checked.

use std::collections::BTreeMap;
use std::time::Duration;

use super::problem::{Problem, Problems};
use super::read::Section;
use super::{Queue, Secret};

/// A hook.
#[derive(Debug, Clone, PartialEq)]
pub struct Hook {
    /// Its name, in the path.
    pub name: String,
    /// The queue that it enqueues into.
    pub queue: String,
    /// The name of its jobs.
    pub job: String,
    /// How its sender signs.
    pub signature: HookSignature,
    /// Secrets, several while one is replaced.
    pub secrets: Vec<Secret>,
    /// Where its organisation is found: `header.<name>` or `body.<path>`.
    pub org: Option<String>,
    /// What a delivery is known by: the same, or `body`.
    pub dedupe: Option<String>,
    /// How long a delivery is known.
    pub dedupe_for: Duration,
    /// How old a signed time may be.
    pub tolerance: Duration,
    /// Longest body, bytes.
    pub body_bytes_max: u64,
    /// Attempts of its jobs.
    pub attempts: u32,
}

/// How a sender signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookSignature {
    /// `X-WC-Webhook-Signature`.
    WooCommerce,
    /// `X-Shopify-Hmac-Sha256`.
    Shopify,
    /// Standard Webhooks.
    Standard,
}

pub(super) fn read_all(
    section: &Section<'_>,
    queues: &BTreeMap<String, Queue>,
    problems: &mut Problems,
) -> Vec<Hook> {
    section.named().iter().map(|(name, hook)| read(name, hook, queues, problems)).collect()
}

fn read(
    name: &str,
    section: &Section<'_>,
    queues: &BTreeMap<String, Queue>,
    problems: &mut Problems,
) -> Hook {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_plain) {
        let hint = "it is a part of the URL, and of the ids of its jobs";
        let what = format!("hook {name:?} has no usable name");
        problems.push(Problem::new(what, &section.place, "up to 64 letters, digits, - _ and .", hint));
    }
    let queue = section.text("queue");
    if section.has("queue") && !queues.contains_key(&queue) {
        let hint = "a hook enqueues into a queue of this config";
        problems.push(section.problem("queue", "is no queue of this config", "the name of one", hint));
    }
    for key in ["org", "dedupe"] {
        let text = section.maybe_text(key);
        let fits = |text: &str| {
            let rest = text.strip_prefix("header.").or_else(|| text.strip_prefix("body."));
            (text == "body" && key == "dedupe")
                || rest.is_some_and(|rest| !rest.split('.').any(str::is_empty))
        };
        if text.is_some_and(|text| !fits(&text)) {
            let hint = "body.shop.id is the member id of the member shop of the body";
            problems.push(section.problem(key, "names no place", "header.<name> or body.<path>", hint));
        }
    }
    Hook {
        name: name.to_owned(),
        queue,
        job: section.maybe_text("name").unwrap_or_else(|| name.to_owned()),
        signature: match section.text("signature").as_str() {
            "woocommerce" => HookSignature::WooCommerce,
            "shopify" => HookSignature::Shopify,
            _ => HookSignature::Standard,
        },
        secrets: section.texts("secret").into_iter().map(Secret::new).collect(),
        org: section.maybe_text("org"),
        dedupe: section.maybe_text("dedupe"),
        dedupe_for: section.duration("dedupe_for"),
        tolerance: section.duration("tolerance"),
        body_bytes_max: section.bytes("body_max"),
        attempts: section.int("attempts") as u32,
    }
}
