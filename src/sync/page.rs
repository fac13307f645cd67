//! A page of the source: what it must look like, and what is refused.
//!
//! Owns: the source's answer. Must never know: the sink. Called by the loop.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::items::Item;
use super::options::Limits;

/// What the source answered.
#[derive(Debug)]
pub(super) struct Page {
    pub items: Vec<Item>,
    /// `null` = this was the last page.
    pub next: Value,
    pub total: Option<u64>,
    /// Where the source stands now; `null` = it does not say.
    pub watermark: Value,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    items: Option<Vec<Box<RawValue>>>,
    #[serde(default)]
    next: Value,
    #[serde(default)]
    total: Option<f64>,
    #[serde(default)]
    watermark: Value,
}

/// Reads an answer: `{items: [{id, …}], next, total?}`.
pub(super) fn read(json: &str, limits: &Limits) -> Result<Page, String> {
    let expected = "expected {\"items\": [{\"id\": …}, …], \"next\": cursor or null, \"total\": number?}";
    let answer: Answer = serde_json::from_str(json)
        .map_err(|error| format!("the source's page cannot be read: {error}; {expected}"))?;
    let raw = answer.items.ok_or_else(|| format!("the source's page has no items; {expected}"))?;
    let items = Item::read_all(raw, "the source's page", limits)?;
    let total = answer.total.filter(|total| total.is_finite() && *total >= 0.0).map(|total| total as u64);
    Ok(Page { items, next: answer.next, total, watermark: answer.watermark })
}
