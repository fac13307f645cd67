//! What a watcher sees of a job that is under way.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::cli::error::{CliError, shown};
use crate::cli::job::record::{Progress, Record, due};
use crate::cli::target::Target;
use crate::cli::time::{duration, now_ms};
use crate::job::state::State;

/// Shortest time after which a rate means something.
const RATE_AFTER: Duration = Duration::from_millis(500);
/// Steps of the drawn bar.
const BAR_STEPS: u64 = 1000;

/// What the watcher sees: a bar, or JSON lines, of which the last is remembered.
pub(in crate::cli::job) enum View {
    /// For a terminal.
    Bar(Bar),
    /// For programs.
    Lines(Option<Value>),
}

impl View {
    pub(in crate::cli::job) fn bar() -> Self {
        Self::Bar(Bar::new())
    }

    pub(super) fn lines() -> Self {
        Self::Lines(None)
    }

    /// Shows the newest look at the job.
    pub(in crate::cli::job) fn show(&mut self, target: &Target, record: &Record) -> Result<(), CliError> {
        match self {
            Self::Bar(bar) => bar.draw(record),
            Self::Lines(last) => {
                let line = line_of(record);
                if last.as_ref() != Some(&line) {
                    target.out.json_line(&line)?;
                    *last = Some(line);
                }
            }
        }
        Ok(())
    }

    /// Takes the bar away.
    pub(in crate::cli::job) fn clear(&self) {
        if let Self::Bar(bar) = self {
            bar.drawn.finish_and_clear();
        }
    }

    /// The job ended well.
    pub(super) fn completed(
        &self,
        target: &Target,
        id: &str,
        result: &Value,
        record: Option<&Record>,
    ) -> Result<(), CliError> {
        match (self, record) {
            (Self::Bar(_), _) => {
                let ran = record.and_then(|record| record.ran_ms(now_ms()));
                let took = ran.map_or_else(String::new, |ms| format!(" in {}", duration(ms)));
                let status = record.map_or_else(|| "completed".to_owned(), Record::status_word);
                target.out.line(&format!("{id} {status}{took}: {result}"))?;
            }
            // Removed at its end: no look showed it.
            (Self::Lines(_), None) => {
                target.out.json_line(&json!({"id": id, "status": "completed", "returnvalue": result}))?;
            }
            (Self::Lines(_), Some(_)) => {}
        }
        Ok(())
    }
}

fn line_of(record: &Record) -> Value {
    let view = &record.view;
    let mut line = json!({"id": view.id, "name": view.name, "state": record.state_word(),
        "status": record.status_word(), "progress": view.progress, "attemptsMade": view.attempts_made,
        "worker": record.worker_name()});
    match record.state {
        Some(State::Completed) => line["returnvalue"] = view.returnvalue.clone(),
        _ if view.failed_reason.is_some() => line["failedReason"] = view.failed_reason.clone().into(),
        _ => {}
    }
    line
}

/// The drawn bar, and where it began: rates are those of this watch.
pub(in crate::cli::job) struct Bar {
    drawn: ProgressBar,
    counted: bool,
    began: Option<(Instant, f64)>,
}

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::new(BAR_STEPS);
        bar.set_style(style("{spinner} {prefix}  {msg}"));
        bar.enable_steady_tick(Duration::from_millis(125));
        Self { drawn: bar, counted: false, began: None }
    }

    fn draw(&mut self, record: &Record) {
        let view = &record.view;
        self.drawn.set_prefix(format!("{} {}", shown(&view.name), shown(&view.id)));
        let mut words = Vec::new();
        if let Some(progress) = Progress::read(&view.progress) {
            if !self.counted {
                self.counted = true;
                self.drawn.set_style(style("{prefix}  {bar:24}  {msg}"));
            }
            self.drawn.set_position((progress.share() * BAR_STEPS as f64) as u64);
            words.push(progress.text());
            if progress.failed > 0 {
                words.push(format!("{} failed", progress.failed));
            }
            words.extend(self.pace(progress));
        }
        if record.state != Some(State::Active) {
            words.push(record.status_word());
        } else if let Some(worker) = record.worker() {
            words.push(format!("on {}", shown(worker)));
        } else {
            words.push("stalled: its worker is gone".into());
        }
        if let (Some(State::Delayed), Some(at)) = (record.state, record.mark.due_ms) {
            words.push(due(at, now_ms()));
        }
        if view.attempts_made > 0 && !record.state.is_some_and(State::is_finished) {
            words.push(format!("attempt {}", record.attempts()));
        }
        self.drawn.set_message(words.join("  "));
    }

    /// `102/s` and `ETA 1s`, once there is something to divide.
    fn pace(&mut self, progress: Progress) -> Vec<String> {
        let (since, first) = *self.began.get_or_insert_with(|| (Instant::now(), progress.done));
        if progress.done < first {
            // A new attempt began anew.
            self.began = None;
            return Vec::new();
        }
        let rate = (progress.done - first) / since.elapsed().as_secs_f64().max(f64::EPSILON);
        if since.elapsed() < RATE_AFTER || rate <= 0.0 || progress.done >= progress.total {
            return Vec::new();
        }
        let eta = ((progress.total - progress.done).max(0.0) / rate * 1000.0) as i64;
        let eta = format!("ETA {}", duration((eta + 999) / 1000 * 1000));
        if progress.percent { vec![eta] } else { vec![format!("{rate:.0}/s"), eta] }
    }
}

/// A template of this file; one that does not parse falls back to the plain bar.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("██░")
}
