//! Payloads of published events (docs/wire/bull-4.md 10). Never anything but JSON on `completed` and `failed`:
//! a payload that does not parse ends every Node process that listens.

use std::borrow::Cow;

/// The payload of `completed`: the result is JSON text, sent as a JSON string; no result = no `val`.
///
/// # Examples
///
/// ```
/// use bullock::wire::event::completed;
/// assert_eq!(completed("1", Some(r#""hi""#)), r#"{"jobId":"1","val":"\"hi\""}"#);
/// assert_eq!(completed("1", None), r#"{"jobId":"1"}"#);
/// ```
pub fn completed(id: &str, result: Option<&str>) -> String {
    with_val(id, result)
}

/// The same payload, as short as the script `complete` can take it: what the text of `val` is, given id and result.
///
/// # Examples
///
/// ```
/// use bullock::wire::event::completed_val;
/// assert_eq!(completed_val("1", Some("42")), "=");
/// assert_eq!(completed_val("1", Some(r#"{"a":1}"#)), r#""{\"a\":1}""#);
/// assert_eq!(completed_val("1", None), "");
/// assert_eq!(completed_val("a\"", Some("42")), r#"{"jobId":"a\"","val":"42"}"#);
/// ```
pub fn completed_val<'a>(id: &str, result: Option<&'a str>) -> Cow<'a, str> {
    if !is_plain(id) {
        return completed(id, result).into();
    }
    match result {
        None => "".into(),
        Some(text) if is_plain(text) => "=".into(),
        Some(text) => {
            let mut quoted = String::with_capacity(text.len() + 16);
            push_json_string(&mut quoted, text);
            quoted.into()
        }
    }
}

/// Text that stands for itself in a JSON string.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\')
}

/// The payload of `failed`: the raw message; no message = no `val`.
pub fn failed(id: &str, message: Option<&str>) -> String {
    with_val(id, message)
}

fn with_val(id: &str, val: Option<&str>) -> String {
    let mut out = String::with_capacity(24 + id.len() + val.map_or(0, str::len));
    out.push_str("{\"jobId\":");
    push_json_string(&mut out, id);
    if let Some(val) = val {
        out.push_str(",\"val\":");
        push_json_string(&mut out, val);
    }
    out.push('}');
    out
}

/// Appends a JSON string. Plain text, the usual case, is copied in one go.
fn push_json_string(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        // Encoding a string cannot fail.
        out.push_str(&serde_json::to_string(text).unwrap_or_default());
    }
}
