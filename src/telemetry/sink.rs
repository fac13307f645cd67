//! Lines on their way to the reader of the logs: a bounded channel and a thread that writes.
//!
//! Invariant: nobody who logs ever waits for the reader.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tracing_subscriber::fmt::MakeWriter;

use super::LINES_WAITING_MAX;

/// What the thread is sent.
pub(super) enum Line {
    /// A whole line.
    Text(Vec<u8>),
    /// Answer when all before it is written.
    Flush(SyncSender<()>),
}

/// The door to the writing thread.
#[derive(Clone, Debug)]
pub(super) struct LineQueue {
    pub(super) lines: SyncSender<Line>,
    pub(super) dropped: Arc<AtomicU64>,
}

impl LineQueue {
    pub(super) fn start(sink: impl Write + Send + 'static) -> std::io::Result<Self> {
        let (lines, waiting) = sync_channel(LINES_WAITING_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = dropped.clone();
        std::thread::Builder::new()
            .name("logs".to_owned())
            .spawn(move || write_lines(sink, &waiting, &counter))?;
        Ok(Self { lines, dropped })
    }
}

/// The writing thread. It ends when every door is gone.
fn write_lines(mut sink: impl Write, waiting: &Receiver<Line>, dropped: &AtomicU64) {
    let mut told = 0;
    while let Ok(line) = waiting.recv() {
        match line {
            Line::Text(text) => {
                // There is nowhere to report that the logs cannot be written.
                let _ = sink.write_all(&text);
            }
            Line::Flush(done) => {
                let _ = sink.flush();
                let _ = done.try_send(());
            }
        }
        let now = dropped.load(Ordering::Relaxed);
        if now > told {
            let ts = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
            let _ = writeln!(
                sink,
                r#"{{"ts":"{ts}","level":"warn","msg":"log lines dropped: the reader stood still","target":"bullock::telemetry","dropped":{}}}"#,
                now - told
            );
            told = now;
        }
    }
}

/// One event on its way to the thread: sent whole, when it is dropped.
pub(super) struct LineWriter<'a> {
    queue: &'a LineQueue,
    line: Vec<u8>,
}

impl Write for LineWriter<'_> {
    fn write(&mut self, part: &[u8]) -> std::io::Result<usize> {
        self.line.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for LineWriter<'_> {
    fn drop(&mut self) {
        let line = Line::Text(std::mem::take(&mut self.line));
        if self.queue.lines.try_send(line).is_err() {
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl<'a> MakeWriter<'a> for LineQueue {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LineWriter { queue: self, line: Vec::with_capacity(256) }
    }
}
