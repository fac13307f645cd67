//! Bodies of requests: bounded in size, time and depth, and strictly JSON.

use std::collections::HashSet;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, Request, StatusCode};
use futures_util::StreamExt as _;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::problem::Problem;

/// Largest body, bytes.
pub(super) const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Longest time that a body may take to arrive.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads the body of a request.
pub(super) async fn read(request: Request<Body>) -> Result<Vec<u8>, Problem> {
    read_up_to(request, BODY_BYTES_MAX).await
}

/// The same, of at most `max` bytes. A body that says it is too large is refused before any of it is asked for.
pub(super) async fn read_up_to(request: Request<Body>, max: usize) -> Result<Vec<u8>, Problem> {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > max as u64) {
        return Err(Problem::too_large(max));
    }
    let gather = async {
        let mut bytes = Vec::new();
        let mut stream = request.into_body().into_data_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| Problem::validation("the body ended early"))?;
            if bytes.len() + chunk.len() > max {
                return Err(Problem::too_large(max));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    };
    tokio::time::timeout(BODY_TIMEOUT, gather).await.unwrap_or_else(|_| {
        let detail = format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs());
        Err(Problem::timeout(StatusCode::REQUEST_TIMEOUT, detail))
    })
}

/// Reads a body that is JSON or empty, and checks it. Gives the text; empty = no body.
pub(super) async fn read_json(request: Request<Body>) -> Result<String, Problem> {
    let is_json = is_json(request.headers());
    let bytes = read(request).await?;
    if bytes.is_empty() {
        return Ok(String::new());
    }
    if !is_json {
        return Err(Problem::media_type());
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Problem::validation(format!("the body is not UTF-8 at byte {at}")).with("offset", at)
    })?;
    if text.starts_with('\u{feff}') {
        return Err(Problem::validation("the body begins with a byte order mark").with("offset", 0));
    }
    check_json(&text)?;
    Ok(text)
}

/// `application/json` or `application/<anything>+json`, with any parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Is the text one JSON value, with no name twice in an object, at most 128 levels deep?
fn check_json(text: &str) -> Result<(), Problem> {
    let mut reader = serde_json::Deserializer::from_str(text);
    Strict.deserialize(&mut reader).and_then(|()| reader.end()).map_err(|error| {
        let at = offset(text, error.line(), error.column());
        Problem::validation(format!("the body is not valid JSON at byte {at}: {error}")).with("offset", at)
    })
}

/// The byte that a line and column (both from 1) stand for.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (before + column.saturating_sub(1)).min(text.len())
}

/// Visits a whole value and keeps nothing. `serde_json` itself bounds the depth at 128 when values are visited.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Strict)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            members.next_value_seed(Strict)?;
            if !names.insert(name) {
                return Err(A::Error::custom("a name occurs twice in one object"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{check_json, offset};

    #[test]
    fn what_is_not_one_strict_json_value_is_refused() {
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        for good in ["1", "null", r#"{"a":[1,{"b":"ü"}],"c":1e300}"#, &deep(100), "12345678901234567890123"]
        {
            assert!(check_json(good).is_ok(), "{good}");
        }
        for bad in ["", "{", "{} x", "NaN", r#"{"a":1,"a":2}"#, r#""\ud800""#, "1e999", &deep(129)] {
            assert!(check_json(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_offset_counts_bytes_from_the_beginning() {
        assert_eq!(offset("{\n \"ü\": x}", 2, 7), 8);
        assert_eq!(offset("x", 1, 1), 0);
    }
}
