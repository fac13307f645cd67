//! What the sink said of a batch, item by item.
//!
//! Owns: the sink's answer. Must never know: the source, Redis. Called by the loop.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use super::items::{Answer, Item, Verdict, id_text};

/// What the sink answered, matched with the batch.
#[derive(Debug)]
pub(super) struct Answers {
    by_id: HashMap<String, Answer>,
    /// Ids that were answered for and not asked about.
    pub invented: usize,
    /// Ids that were answered for more than once.
    pub repeated: usize,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Told {
    List(Vec<One>),
    Named { results: Vec<One> },
}

#[derive(Deserialize)]
struct One {
    id: Value,
    status: String,
    #[serde(default)]
    code: Value,
    #[serde(default)]
    message: Value,
}

/// Reads an answer: `[{id, status: ok|skipped|failed, code?, message?}]`, also as `{results: […]}`.
///
/// An id that stands there twice counts by its worst answer. One that was not asked about is passed over. One that is left out
/// has failed this time ([`Answers::of`]).
pub(super) fn read(json: &str, batch: &[Item]) -> Result<Answers, String> {
    let expected =
        "expected [{\"id\": …, \"status\": \"ok\", \"skipped\" or \"failed\", \"code\"?, \"message\"?}, …]";
    let told: Told = serde_json::from_str(json)
        .map_err(|error| format!("the sink's answer cannot be read: {error}; {expected}"))?;
    let (Told::List(list) | Told::Named { results: list }) = told;
    let mut answers = Answers { by_id: HashMap::with_capacity(batch.len()), invented: 0, repeated: 0 };
    for one in list {
        let verdict = match one.status.as_str() {
            "ok" => Verdict::Ok,
            "skipped" => Verdict::Skipped,
            "failed" => Verdict::Failed,
            other => return Err(format!("the sink's answer has the status {other:?}; {expected}")),
        };
        let id = id_text(&one.id).filter(|id| batch.iter().any(|item| item.id == *id));
        let Some(id) = id else {
            answers.invented += 1;
            continue;
        };
        let answer = Answer { verdict, code: word(&one.code), message: word(&one.message) };
        match answers.by_id.get_mut(&id) {
            None => drop(answers.by_id.insert(id, answer)),
            Some(known) => {
                answers.repeated += 1;
                if answer.verdict > known.verdict {
                    *known = answer;
                }
            }
        }
    }
    Ok(answers)
}

impl Answers {
    /// The answer for an item. One that the sink left out is not known to be done: it counts as failed this time.
    pub(super) fn of(&self, item: &Item) -> Answer {
        self.by_id.get(&item.id).cloned().unwrap_or_else(|| Answer {
            verdict: Verdict::Failed,
            code: Some("no_answer".into()),
            message: Some("the sink did not answer for it".into()),
        })
    }
}

fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}
