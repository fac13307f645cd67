//! One item: its id, its bytes, its tries.
//!
//! Owns: what an item must be and how it is noted. Must never know: who gave it or who takes it. Called by `page`, `push`
//! and the loop.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::options::Limits;

/// Longest id of an item, bytes.
const ID_BYTES_MAX: usize = 256;
/// So much of a message of the sink is kept, bytes.
const MESSAGE_BYTES_MAX: usize = 500;

/// One item on its way.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub id: String,
    /// As the source wrote it.
    pub body: Box<RawValue>,
    /// How often it was pushed and failed.
    pub tries: u32,
}

impl Item {
    /// Items of a page or of the job's own data: each an object with an `id` that is text or a number.
    pub(super) fn read_all(
        raw: Vec<Box<RawValue>>,
        whose: &str,
        limits: &Limits,
    ) -> Result<Vec<Self>, String> {
        if raw.len() > limits.page_items_max {
            return Err(format!(
                "{whose} has {} items; at most {} are taken",
                raw.len(),
                limits.page_items_max
            ));
        }
        let read = |(at, body): (usize, Box<RawValue>)| {
            if body.get().len() > limits.item_bytes_max {
                let (got, max) = (body.get().len(), limits.item_bytes_max);
                return Err(format!("item {at} of {whose} is {got} bytes; at most {max} are taken"));
            }
            let id = id_of(body.get()).map_err(|problem| format!("item {at} of {whose} {problem}"))?;
            Ok(Self { id, body, tries: 0 })
        };
        raw.into_iter().enumerate().map(read).collect()
    }

    /// The item as its note kept it.
    pub(super) fn noted(id: &str, note: &str) -> Option<Self> {
        let note: Note = serde_json::from_str(note).ok()?;
        Some(Self { id: id.to_owned(), body: note.item?, tries: note.tries })
    }

    /// Its note.
    pub(super) fn note(&self, state: &'static str, answer: &Answer) -> Box<RawValue> {
        let keep_body = state != "skipped";
        let note = Note {
            state: state.into(),
            tries: self.tries,
            code: answer.code.clone(),
            message: answer.message.as_deref().map(short),
            item: keep_body.then(|| self.body.clone()),
        };
        serde_json::value::to_raw_value(&note).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }
}

fn short(message: &str) -> String {
    message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)].to_owned()
}

#[derive(Deserialize)]
struct Identified {
    #[serde(default)]
    id: Value,
}

/// An id is text or a whole number; numbers count as their digits.
pub(super) fn id_of(body: &str) -> Result<String, String> {
    let Identified { id } = serde_json::from_str(body).map_err(|_| "is no object".to_owned())?;
    id_text(&id).ok_or_else(|| "has no id; expected text or a whole number".to_owned())
}

/// The same of a value.
pub(super) fn id_text(id: &Value) -> Option<String> {
    let text = match id {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        _ => return None,
    };
    (!text.is_empty() && text.len() <= ID_BYTES_MAX).then_some(text)
}

/// What is stored of an item. The script of `retry-items` reads `state` and `tries` by their place.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    state: String,
    tries: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<Box<RawValue>>,
}

/// What the sink said of an item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub verdict: Verdict,
    pub code: Option<String>,
    pub message: Option<String>,
}

/// Worse is greater: of several answers for one item the worst counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    #[default]
    Ok,
    Skipped,
    Failed,
}
