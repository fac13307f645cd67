//! The logs: one JSON object a line on stderr, or lines for people on a terminal.
//!
//! Owns: how a line looks, and that a stuck reader of the logs never stops a job. Must never know: who logs what. Called
//! by `app`, once.
//!
//! Lines go through a bounded channel to a thread of their own. When the reader of stderr stands still, the channel
//! fills and further lines are dropped and counted; when it moves again, one line tells how many.

pub mod alert;
mod line;
#[cfg(feature = "otel")]
pub mod otel;
mod sink;

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

use line::{FieldsAsJson, Lines};
use sink::{Line, LineQueue};

/// Lines that wait for the reader before more are dropped.
pub const LINES_WAITING_MAX: usize = 4_096;
/// How long a flush waits for a reader that stands still.
pub const FLUSH_MS_MAX: u64 = 1_000;

/// Characters of a panic's text that are logged.
const PANIC_CHARS_MAX: usize = 500;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// The logs of a process. Keep it until the end: dropping it writes what waits.
#[derive(Debug)]
pub struct Logs {
    queue: LineQueue,
}

/// Sets up the logs on stderr for the whole process. Without a `format`: pretty on a terminal, else JSON. Colour only
/// on a terminal, and not where `NO_COLOR` is set to anything.
///
/// # Errors
/// When the process has logs already, or no thread can be started.
pub fn init(format: Option<Format>, level: LevelFilter) -> anyhow::Result<Logs> {
    let terminal = std::io::stderr().is_terminal();
    let format = format.unwrap_or(if terminal { Format::Pretty } else { Format::Json });
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let (subscriber, logs) = subscriber(format, level, colour, std::io::stderr())?;
    tracing::subscriber::set_global_default(subscriber)?;
    log_panics();
    Ok(logs)
}

/// Makes a panic one line of the logs instead of several beside them. Its text may quote what was worked on, so it is
/// cut.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("(no text)");
        let text: String = text.chars().take(PANIC_CHARS_MAX).collect();
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        tracing::error!(location, thread = thread.name().unwrap_or_default(), error = text, "panic");
    }));
}

/// The same without making it the process' own, on any sink: for tests and for programs with logs of their own.
pub fn subscriber(
    format: Format,
    level: LevelFilter,
    colour: bool,
    sink: impl Write + Send + 'static,
) -> anyhow::Result<(impl Subscriber + Send + Sync, Logs)> {
    let queue = LineQueue::start(sink)?;
    let logs = Logs { queue: queue.clone() };
    let fields = FieldsAsJson;
    let layer = tracing_subscriber::fmt::layer()
        .fmt_fields(fields)
        .event_format(Lines { format, colour })
        // The formats here paint by themselves; the layer's own switch would escape our fields.
        .with_ansi(false)
        .with_writer(queue);
    Ok((tracing_subscriber::registry().with(level).with(layer), logs))
}

impl Logs {
    /// Lines dropped so far because nobody read them.
    pub fn dropped(&self) -> u64 {
        self.queue.dropped.load(Ordering::Relaxed)
    }

    /// A counter of dropped lines that outlives a borrow, for the metrics.
    pub fn dropped_counter(&self) -> Arc<AtomicU64> {
        self.queue.dropped.clone()
    }

    /// Waits until what was logged so far is written, at most [`FLUSH_MS_MAX`].
    pub fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.queue.lines.try_send(Line::Flush(done)).is_ok() {
            // A reader that stands still must not keep the process from ending.
            let _ = wait.recv_timeout(Duration::from_millis(FLUSH_MS_MAX));
        }
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        self.flush();
    }
}
