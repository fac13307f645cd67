//! The logs: one line an event, whatever its fields hold, and nobody waits for their reader.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use bullock::telemetry::{Format, LINES_WAITING_MAX, subscriber};
use tracing::level_filters::LevelFilter;

/// A sink that keeps what was written, and can stand still.
#[derive(Clone, Default)]
struct Sink(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    written: Vec<u8>,
    stuck: bool,
    waiting: bool,
}

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().unwrap().written.clone()).unwrap()
    }

    fn stick(&self, stuck: bool) {
        self.0.0.lock().unwrap().stuck = stuck;
        self.0.1.notify_all();
    }

    /// Waits until the writer stands still in a write.
    fn await_stuck_writer(&self) {
        let state = self.0.0.lock().unwrap();
        let (state, _) =
            self.0.1.wait_timeout_while(state, Duration::from_secs(30), |state| !state.waiting).unwrap();
        assert!(state.waiting, "the writer never wrote");
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut state = self.0.0.lock().unwrap();
        while state.stuck {
            state.waiting = true;
            self.0.1.notify_all();
            state = self.0.1.wait(state).unwrap();
        }
        state.waiting = false;
        state.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn logged(format: Format, colour: bool, act: impl FnOnce()) -> String {
    let sink = Sink::default();
    let (subscriber, logs) = subscriber(format, LevelFilter::INFO, colour, sink.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, act);
    logs.flush();
    sink.text()
}

#[test]
fn a_json_line_is_flat_and_holds_the_fields_of_its_spans() {
    let text = logged(Format::Json, false, || {
        let _job = tracing::info_span!("job", queue = "woo:customers", job_id = "20", attempt = 1).entered();
        tracing::info!(duration_s = 0.25, outcome = "completed", level = "fake", "job ended");
        tracing::debug!("not written at this level");
    });
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    let keys: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["ts", "level", "msg", "target", "queue", "job_id", "attempt", "duration_s", "outcome"]);
    assert_eq!((line["level"].as_str(), line["msg"].as_str()), (Some("info"), Some("job ended")));
    assert_eq!((&line["attempt"], &line["duration_s"]), (&1.into(), &0.25.into()));
    let ts = chrono::DateTime::parse_from_rfc3339(line["ts"].as_str().unwrap()).unwrap();
    assert!(chrono::Utc::now().signed_duration_since(ts) < chrono::TimeDelta::minutes(5));
}

#[test]
fn no_field_can_forge_a_line_or_steer_a_terminal() {
    let nasty = "a\n{\"level\":\"error\"}\r\u{1b}[31m\u{202e}b";
    for format in [Format::Json, Format::Pretty] {
        let text = logged(format, false, || tracing::warn!(job_id = nasty, "id {nasty}"));
        assert_eq!(text.lines().count(), 1, "{text:?}");
        assert!(!text.trim_end().contains(|c: char| c.is_control()), "{text:?}");
    }
    let pretty = logged(Format::Pretty, false, || tracing::warn!(job_id = nasty, "id"));
    assert!(pretty.contains("job_id=a\\n{\"level\":\"error\"}\\r\\u{1b}[31m\\u{202e}b"), "{pretty}");
}

#[test]
fn pretty_lines_are_coloured_only_when_told_so() {
    let plain = logged(Format::Pretty, false, || tracing::warn!(queue = "a", "slow"));
    assert!(plain.contains("  WARN slow queue=a\n") || plain.contains(" WARN slow queue=a\n"), "{plain:?}");
    assert!(!plain.contains('\u{1b}'));
    let coloured = logged(Format::Pretty, true, || tracing::warn!(queue = "a", "slow"));
    assert!(coloured.contains("\u{1b}[33m"), "{coloured:?}");
}

#[test]
fn a_reader_that_stands_still_stops_nobody_and_the_lost_lines_are_counted() {
    let sink = Sink::default();
    sink.stick(true);
    let (subscriber, logs) = subscriber(Format::Json, LevelFilter::INFO, false, sink.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(n = -1, "first");
        sink.await_stuck_writer();
        let extra = 100;
        for n in 0..LINES_WAITING_MAX + extra {
            tracing::info!(n, "line");
        }
        assert_eq!(logs.dropped(), extra as u64);
        sink.stick(false);
        // The channel is full at first; a flush gets in once the writer has made room.
        let deadline = Instant::now() + Duration::from_secs(30);
        while !sink.text().contains("\"dropped\":100") {
            assert!(Instant::now() < deadline, "the lost lines were never told of");
            std::thread::yield_now();
        }
        tracing::info!("after");
    });
    logs.flush();
    let text = sink.text();
    assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    assert!(text.lines().last().unwrap().contains("after"), "the logs go on");
}

#[test]
fn a_panic_is_one_line() {
    let before = std::panic::take_hook();
    let text = logged(Format::Json, false, || {
        bullock::telemetry::log_panics();
        let _ = std::panic::catch_unwind(|| panic!("first line\nsecond line"));
    });
    std::panic::set_hook(before);
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((line["level"].as_str(), line["msg"].as_str()), (Some("error"), Some("panic")));
    assert_eq!(line["error"], "first line\nsecond line");
    assert!(line["location"].as_str().unwrap().starts_with("tests/config/telemetry.rs:"));
}
