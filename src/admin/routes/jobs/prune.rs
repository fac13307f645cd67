//! Bodies in lists: made shorter as JSON, so that columns and searches find the fields that are left.

use serde_json::Value;

/// Longest text that is left whole in what is cut, bytes.
const TEXT_BYTES: usize = 256;
/// Longest list that is left whole in what is cut.
const ITEMS: usize = 10;
/// Marks a text that goes on.
const MORE: char = '…';

/// Makes a value fit into about `bytes`; true = something was left out.
pub(super) fn pruned(value: &mut Value, bytes: usize) -> bool {
    if size_within(value, bytes).is_some() {
        return false;
    }
    let mut left = bytes;
    shorten(value, &mut left);
    true
}

/// Bytes of the value, if they are within a limit.
fn size_within(value: &Value, limit: usize) -> Option<usize> {
    let mut size = match value {
        Value::String(text) => text.len() + 2,
        Value::Array(_) | Value::Object(_) => 2,
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    };
    let mut add = |bytes: Option<usize>| {
        size = size.checked_add(bytes?).filter(|size| *size <= limit)?;
        Some(())
    };
    match value {
        Value::Array(items) => {
            for item in items {
                add(size_within(item, limit))?;
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                add(size_within(member, limit).map(|bytes| bytes + name.len() + 4))?;
            }
        }
        _ => {}
    }
    (size <= limit).then_some(size)
}

fn shorten(value: &mut Value, left: &mut usize) {
    match value {
        Value::String(text) => {
            cut_text(text, TEXT_BYTES.min(*left));
            *left = left.saturating_sub(text.len() + 2);
        }
        Value::Array(items) => {
            items.truncate(ITEMS);
            items.retain_mut(|item| {
                let fits = *left > 0;
                shorten(item, left);
                fits
            });
        }
        Value::Object(members) => {
            members.retain(|name, member| {
                let fits = *left > name.len();
                *left = left.saturating_sub(name.len() + 4);
                shorten(member, left);
                fits
            });
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => *left = left.saturating_sub(8),
    }
}

/// Cuts a text at a character's border, and says that it goes on.
pub(super) fn cut_text(text: &mut String, bytes: usize) {
    if text.len() <= bytes {
        return;
    }
    let end = (0..=bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.truncate(end);
    text.push(MORE);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::pruned;

    #[test]
    fn what_fits_is_left_alone() {
        let mut value = json!({"shop": "acme", "items": [1, 2, 3], "deep": {"a": null}});
        let before = value.clone();
        assert!(!pruned(&mut value, 4096));
        assert_eq!(value, before);
    }

    #[test]
    fn what_is_long_keeps_its_first_fields_and_stays_small() {
        let items: Vec<_> =
            (0..10_000).map(|n| json!({"sku": format!("sku-{n}"), "text": "ü".repeat(300)})).collect();
        let mut value = json!({"shop": "acme", "items": items, "last": 1});
        assert!(pruned(&mut value, 4096));
        assert_eq!(value["shop"], "acme");
        assert_eq!(value["items"][0]["sku"], "sku-0");
        assert!(value["items"][0]["text"].as_str().unwrap_or_default().ends_with('…'));
        assert!(value.to_string().len() < 6000, "{}", value.to_string().len());
    }
}
