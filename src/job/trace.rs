//! One point of a distributed trace, as W3C Trace Context writes it: where a producer was when it added a job, and where
//! the run is that works on it.
//!
//! Must never know: how spans are recorded and where they are sent.

use serde_json::Value;

/// A longer `tracestate` is not passed on; the standard asks for at least this much.
pub const TRACESTATE_BYTES_MAX: usize = 512;

/// Length of a `traceparent` of version 00.
const TRACEPARENT_BYTES: usize = 55;

/// A span that others can be children of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace. Never all zeros.
    pub trace_id: [u8; 16],
    /// The span. Never all zeros.
    pub span_id: [u8; 8],
    /// Bit 0: the trace is recorded.
    pub flags: u8,
    /// What tracing systems carry along; visible ASCII, at most [`TRACESTATE_BYTES_MAX`].
    pub state: Option<Box<str>>,
}

impl TraceContext {
    /// Reads a carrier as producers store it: a JSON object of propagation headers. `None` when there is no good
    /// `traceparent` in it: a trace that cannot be read is no reason to fail a job.
    ///
    /// # Examples
    ///
    /// ```
    /// use bullock::job::trace::TraceContext;
    /// let carrier = r#"{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}"#;
    /// let context = TraceContext::of_carrier(carrier).unwrap();
    /// assert_eq!(context.trace_id_text(), "0af7651916cd43dd8448eb211c80319c");
    /// assert_eq!(TraceContext::of_carrier("{}"), None);
    /// ```
    pub fn of_carrier(text: &str) -> Option<Self> {
        let Ok(Value::Object(headers)) = serde_json::from_str(text) else { return None };
        let get = |wanted: &str| {
            headers
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .and_then(|(_, value)| value.as_str())
        };
        let mut context = Self::of_traceparent(get("traceparent")?)?;
        let is_good = |state: &&str| {
            !state.is_empty()
                && state.len() <= TRACESTATE_BYTES_MAX
                && state.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        };
        context.state = get("tracestate").filter(is_good).map(Into::into);
        Some(context)
    }

    /// Reads a `traceparent`. Of versions to come it takes what version 00 has, as the standard says.
    fn of_traceparent(text: &str) -> Option<Self> {
        let text = text.trim();
        let (head, rest) = (text.get(..TRACEPARENT_BYTES)?, &text[TRACEPARENT_BYTES..]);
        let mut parts = head.split('-');
        let [version] = bytes(parts.next()?)?;
        let goes_on = rest.starts_with('-') && version > 0;
        if version == 0xff || !(rest.is_empty() || goes_on) {
            return None;
        }
        let (trace_id, span_id) = (bytes(parts.next()?)?, bytes(parts.next()?)?);
        let [flags] = bytes(parts.next()?)?;
        let is_whole = trace_id != [0; 16] && span_id != [0; 8] && parts.next().is_none();
        is_whole.then_some(Self { trace_id, span_id, flags, state: None })
    }

    /// The header: `00-<trace>-<span>-<flags>`.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace_id_text(), self.span_id_text(), self.flags)
    }

    /// 32 hex digits.
    pub fn trace_id_text(&self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.trace_id))
    }

    /// 16 hex digits.
    pub fn span_id_text(&self) -> String {
        format!("{:016x}", u64::from_be_bytes(self.span_id))
    }
}

/// Exactly so many bytes of lower-case hex.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let text = text.as_bytes();
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{TRACESTATE_BYTES_MAX, TraceContext};

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn read(traceparent: &str, tracestate: &str) -> Option<TraceContext> {
        let carrier = json!({"Traceparent": traceparent, "tracestate": tracestate});
        TraceContext::of_carrier(&carrier.to_string())
    }

    #[test]
    fn what_was_read_is_written_again() {
        let context = read(PARENT, "a=1,b=2").unwrap();
        assert_eq!((context.traceparent().as_str(), context.state.as_deref()), (PARENT, Some("a=1,b=2")));
        assert_eq!(context.span_id_text(), "b7ad6b7169203331");
    }

    #[test]
    fn of_a_later_version_the_known_part_is_read() {
        let later = PARENT.replacen("00", "cc", 1);
        assert_eq!(read(&format!("{later}-more"), "").unwrap().traceparent(), PARENT);
        assert_eq!(read(&format!("{PARENT}-more"), ""), None, "version 00 has no more");
        assert_eq!(read(&format!("{later}.more"), ""), None);
    }

    #[test]
    fn a_context_that_cannot_be_is_none() {
        let zeros = |part: &str| PARENT.replace(part, &"0".repeat(part.len()));
        for text in [
            "",
            "00",
            &PARENT.replacen("00", "ff", 1),
            &PARENT.to_uppercase(),
            &zeros("0af7651916cd43dd8448eb211c80319c"),
            &zeros("b7ad6b7169203331"),
            &PARENT.replace('-', "_"),
            &PARENT.replacen("0a", "ä", 1),
        ] {
            assert_eq!(read(text, ""), None, "{text}");
        }
        for carrier in ["", "null", "[]", "{", r#"{"traceparent":7}"#, r#""00-""#] {
            assert_eq!(TraceContext::of_carrier(carrier), None, "{carrier}");
        }
    }

    #[test]
    fn a_state_that_no_header_can_hold_is_left_out() {
        for state in ["", "a=\n", "a=ä", &"x".repeat(TRACESTATE_BYTES_MAX + 1)] {
            assert_eq!(read(PARENT, state).unwrap().state, None, "{state:?}");
        }
    }
}
