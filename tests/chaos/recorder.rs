//! What the handlers did, written down outside the workers: a file that handlers append to, whoever runs them. It
//! outlives every worker, so that what a killed one did counts.
//!
//! Times are those of this machine's clock, which is Redis' own here: both are on it.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Value, json};

/// ms since the epoch.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

/// How a handler's run ended, as the handler itself saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum As {
    Done,
    Failed,
    /// The worker went away, or told it to stop.
    Dropped,
}

/// One run of a handler.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub id: String,
    pub job: String,
    pub attempt: u64,
    /// The job's lock, where the handler is told.
    pub token: Option<String>,
    /// `ours`, `program` (ours, by a program), `node`.
    pub by: String,
    pub start: i64,
    pub end: Option<(i64, As)>,
}

/// A handle for whoever writes from this process.
#[derive(Clone)]
pub(crate) struct Recorder {
    path: PathBuf,
    file: Arc<File>,
}

impl Recorder {
    pub(crate) fn create(path: &Path) -> Recorder {
        // Of an earlier run whose files were kept.
        let _ = std::fs::remove_file(path);
        let file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        Recorder { path: path.to_owned(), file: Arc::new(file) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A run begins.
    pub(crate) fn start(&self, run: &str, job: &str, attempt: u64, token: &str, by: &str) {
        self.write(&json!({"event": "start", "run": run, "job": job, "attempt": attempt, "token": token,
            "by": by, "at": now_ms()}));
    }

    /// It ends: `done`, `failed`, `dropped`.
    pub(crate) fn end(&self, run: &str, how: &str) {
        self.write(&json!({"event": "end", "run": run, "as": how, "at": now_ms()}));
    }

    fn write(&self, line: &Value) {
        // One write a line: several processes append to this file.
        (&*self.file).write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// All runs, in the order of their beginnings.
    pub(crate) fn runs(&self) -> Vec<Run> {
        read(&std::fs::read_to_string(&self.path).unwrap())
    }
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Line {
    Start { run: String, job: String, attempt: u64, token: Option<String>, by: String, at: i64 },
    End { run: String, at: i64, r#as: As },
}

fn read(text: &str) -> Vec<Run> {
    let (mut runs, mut places) = (Vec::<Run>::new(), HashMap::<String, usize>::new());
    for line in text.lines() {
        let line = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        match line {
            Line::Start { run, job, attempt, token, by, at } => {
                places.insert(run.clone(), runs.len());
                runs.push(Run { id: run, job, attempt, token, by, start: at, end: None });
            }
            Line::End { run, at, r#as } => {
                // A request that was answered and dropped afterwards has ended by its answer.
                let end = &mut runs[places[&run]].end;
                *end = end.or(Some((at, r#as)));
            }
        }
    }
    runs
}
