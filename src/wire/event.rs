//! Payloads of published events (docs/wire/bull-4.md 10). Never anything but JSON on `completed` and `failed`:
//! a payload that does not parse ends every Node process that listens.

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
    if text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        // Encoding a string cannot fail.
        out.push_str(&serde_json::to_string(text).unwrap_or_default());
    }
}
