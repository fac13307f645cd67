//! The text of a failure, as the backend gave it.
//!
//! Owns: where in a body the text stands. Must never know: what becomes of the job. Called by `response`.

use std::time::Duration;

use serde_json::Value;

use crate::handler::stream;

/// So much of a body without a known member is the text.
const TEXT_BYTES_MAX: usize = 2048;

/// What the body of an unsuccessful response says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Told {
    /// Stored unchanged; `None` when the body says nothing.
    pub(super) message: Option<String>,
    pub(super) stack: Option<String>,
    pub(super) retryable: Option<bool>,
    pub(super) retry_after: Option<Duration>,
}

/// Reads a body, whatever its content type claims: a JSON object has members, anything else is text.
pub(super) fn told(body: &[u8]) -> Told {
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(members)) => {
            let text =
                |name: &str| members.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
            let problem = match (text("title"), text("detail")) {
                (Some(title), Some(detail)) => Some(format!("{title}: {detail}")),
                (Some(only), None) | (None, Some(only)) => Some(only.to_owned()),
                (None, None) => None,
            };
            let nested = || members.get("error")?.get("message")?.as_str();
            let named = || text("message").or_else(|| text("error")).or_else(nested).map(str::to_owned);
            let retry_after = members.get("retryAfterMs").and_then(Value::as_f64).and_then(stream::millis);
            Told {
                message: problem
                    .or_else(named)
                    .or_else(|| (!members.is_empty()).then(|| head(body)).flatten()),
                stack: text("stack").map(str::to_owned),
                retryable: members.get("retryable").and_then(Value::as_bool),
                retry_after,
            }
        }
        Ok(Value::String(text)) => Told { message: head(text.as_bytes()), ..Told::default() },
        _ => Told { message: head(body), ..Told::default() },
    }
}

/// The first part of a text, cut between two characters.
fn head(body: &[u8]) -> Option<String> {
    let mut end = body.len().min(TEXT_BYTES_MAX);
    // A UTF-8 character has at most three bytes after its first.
    while end < body.len() && end > TEXT_BYTES_MAX - 4 && body[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    let text = String::from_utf8_lossy(&body[..end]);
    (!text.trim().is_empty()).then(|| text.into_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn message(body: &str) -> Option<String> {
        told(body.as_bytes()).message
    }

    #[test]
    fn the_text_is_found_where_backends_put_it_and_never_changed() {
        assert_eq!(message(r#"{"title":"Out of stock","detail":"SKU 7"}"#).unwrap(), "Out of stock: SKU 7");
        assert_eq!(message(r#"{"title":"Out of stock","message":"no"}"#).unwrap(), "Out of stock");
        assert_eq!(message(r#"{"message":" spaced ","error":"Bad Gateway"}"#).unwrap(), " spaced ");
        assert_eq!(message(r#"{"error":"Bad Gateway"}"#).unwrap(), "Bad Gateway");
        assert_eq!(message(r#"{"error":{"message":"deep"}}"#).unwrap(), "deep");
        assert_eq!(message(r#"{"code":7}"#).unwrap(), r#"{"code":7}"#);
        assert_eq!(message("<h1>502</h1>").unwrap(), "<h1>502</h1>");
        assert_eq!(message(""), None);
        assert_eq!(message("{}"), None);
        assert_eq!(message(" \n"), None);
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        let text = message(&"ä".repeat(3000)).unwrap();
        assert_eq!(text.len(), TEXT_BYTES_MAX);
        let text = message(&format!("x{}", "ä".repeat(3000))).unwrap();
        assert_eq!(text.len(), TEXT_BYTES_MAX - 1);
        assert!(text.ends_with('ä'));
    }
}
