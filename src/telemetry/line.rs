//! How a line looks: JSON for machines, text for people.
//!
//! Invariant: whatever a field holds, an event is one line, and no terminal is steered by it.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use super::Format;

/// Behind the names of fields whose text is JSON; not shown.
const JSON_SUFFIX: &str = "_json";

/// Collects fields as JSON values.
struct Collect<'a>(&'a mut Map<String, Value>);

impl Visit for Collect<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        // A field whose name says that its text is JSON is no text in a line of JSON.
        if let Some((name, value)) =
            field.name().strip_suffix(JSON_SUFFIX).zip(serde_json::from_str::<Value>(value).ok())
        {
            self.0.insert(name.to_owned(), value);
            return;
        }
        self.put(field, value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, value.to_string().into());
    }
}

impl Collect<'_> {
    fn put(&mut self, field: &Field, value: Value) {
        let name = if field.name() == "message" { "msg" } else { field.name() };
        self.0.insert(name.strip_prefix("r#").unwrap_or(name).to_owned(), value);
    }
}

/// Keeps a span's fields as the inside of a JSON object, to be merged into each of its events.
pub(super) struct FieldsAsJson;

impl<'writer> FormatFields<'writer> for FieldsAsJson {
    fn format_fields<R: tracing_subscriber::field::RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        let mut map = Map::new();
        fields.record(&mut Collect(&mut map));
        write!(writer, "{}", Value::Object(map))
    }

    fn add_fields(
        &self,
        current: &'writer mut FormattedFields<Self>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        let mut map: Map<String, Value> = serde_json::from_str(&current.fields).unwrap_or_default();
        fields.record(&mut Collect(&mut map));
        current.fields = Value::Object(map).to_string();
        Ok(())
    }
}

/// Writes one event as one line.
pub(super) struct Lines {
    pub(super) format: Format,
    pub(super) colour: bool,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Map::new();
        for span in ctx.event_scope().into_iter().flat_map(tracing_subscriber::registry::Scope::from_root) {
            let extensions = span.extensions();
            let Some(of_span) = extensions.get::<FormattedFields<N>>() else { continue };
            fields.extend(serde_json::from_str::<Map<String, Value>>(&of_span.fields).unwrap_or_default());
        }
        event.record(&mut Collect(&mut fields));
        let ts = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        match self.format {
            Format::Json => json_line(writer, &ts, event, fields),
            Format::Pretty => self.pretty_line(writer, &ts, event, fields),
        }
    }
}

fn json_line(
    mut writer: Writer<'_>,
    ts: &str,
    event: &Event<'_>,
    mut fields: Map<String, Value>,
) -> fmt::Result {
    let meta = event.metadata();
    let mut line = Map::new();
    line.insert("ts".to_owned(), ts.into());
    line.insert("level".to_owned(), meta.level().as_str().to_lowercase().into());
    line.insert("msg".to_owned(), fields.shift_remove("msg").unwrap_or_else(|| "".into()));
    line.insert("target".to_owned(), meta.target().into());
    for (name, value) in fields {
        // A field must not pass itself off as one of the four.
        line.entry(name).or_insert(value);
    }
    writeln!(writer, "{}", Value::Object(line))
}

impl Lines {
    fn pretty_line(
        &self,
        mut writer: Writer<'_>,
        ts: &str,
        event: &Event<'_>,
        mut fields: Map<String, Value>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        let (on, off) = if self.colour { (colour_of(level), "\x1b[0m") } else { ("", "") };
        let (dim, undim) = if self.colour { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        let time = ts.get(11..23).unwrap_or(ts);
        let msg = fields.shift_remove("msg").map(|msg| plain(&msg)).unwrap_or_default();
        write!(writer, "{dim}{time}{undim} {on}{level:>5}{off} {msg}")?;
        for (name, value) in fields {
            write!(writer, " {dim}{}={undim}{}", escaped(&name), plain(&value))?;
        }
        writeln!(writer)
    }
}

fn colour_of(level: tracing::Level) -> &'static str {
    match level {
        tracing::Level::ERROR => "\x1b[31m",
        tracing::Level::WARN => "\x1b[33m",
        tracing::Level::INFO => "\x1b[32m",
        _ => "\x1b[34m",
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => escaped(text),
        other => escaped(&other.to_string()),
    }
}

/// Text that cannot break its line, colour the terminal or turn the writing direction.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let turns = matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
