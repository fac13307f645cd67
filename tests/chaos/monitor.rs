//! What Redis did, command by command, as Redis itself tells it (MONITOR): when each lock was taken, prolonged and let
//! go, and which run wrote what. Commands of scripts are told too, in the order in which they took effect.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::support::wait;

/// Name of the judge's own connections, which no fault touches.
pub(crate) const OWN_NAME: &str = "judge";

/// Stands for the script of a change that was made in the last moments of a server that was killed.
pub(crate) const UNSEEN: &str = "unseen, before the server was killed";

/// One thing that was done to a job.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Redis' time, ms.
    pub at: f64,
    /// When the command or script began that it was done by: times to live count from there. A server that is made to
    /// wait in mid-script tells of what it does later than it does it.
    pub began: f64,
    /// Number of the command, or of the script that it was done by: one script is one number.
    pub call: u64,
    /// The script's name, if it is one of ours.
    pub script: Option<&'static str>,
    pub job: String,
    pub what: What,
}

/// What was done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// The lock was written, for so many ms.
    Lock {
        token: String,
        ms: f64,
    },
    /// It lasts so many ms from now.
    Prolong {
        ms: f64,
    },
    Unlock,
    /// The server that takes over may not have heard of an unlock since then: the run's end may be undone. What the old
    /// one did when it died it may have told nobody but the worker.
    MayBeUndone {
        since: f64,
        died: f64,
    },
    /// A run's name stands in this field of the job from now on.
    Write {
        field: &'static str,
        run: String,
    },
}

/// Follows a server. Follows it again after it was killed, once it is told to.
#[derive(Clone)]
pub(crate) struct Monitor {
    /// Of the server that is followed.
    port: Arc<AtomicU16>,
    shared: Arc<Mutex<Reader>>,
}

impl Monitor {
    /// Begins to follow `queue` on the server of this port. `scripts`: names by hash.
    pub(crate) async fn start(port: u16, queue: &str, scripts: HashMap<String, &'static str>) -> Monitor {
        let reader = Reader { base: format!("bull:{queue}:"), scripts, ..Reader::default() };
        let port = Arc::new(AtomicU16::new(port));
        let monitor = Monitor { port, shared: Arc::new(Mutex::new(reader)) };
        monitor.follow().await;
        monitor
    }

    /// Follows, and returns when it does: what happens from here on is seen.
    pub(crate) async fn follow(&self) {
        let (mut lines, write) = wait::value("MONITOR", async || self.connect().await.ok()).await;
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let _write = write;
            while let Ok(Some(line)) = lines.next_line().await {
                shared.lock().unwrap().line(&line);
            }
        });
    }

    /// Follows another server from here on: the one that was followed is gone.
    pub(crate) async fn follow_to(&self, port: u16) {
        self.port.store(port, Ordering::SeqCst);
        self.follow().await;
    }

    async fn connect(&self) -> std::io::Result<(Lines<BufReader<OwnedReadHalf>>, OwnedWriteHalf)> {
        let (read, mut write) =
            TcpStream::connect(("127.0.0.1", self.port.load(Ordering::SeqCst))).await?.into_split();
        let mut lines = BufReader::new(read).lines();
        write.write_all(format!("CLIENT SETNAME {OWN_NAME}\r\nMONITOR\r\n").as_bytes()).await?;
        for _ in 0..2 {
            if lines.next_line().await?.as_deref() != Some("+OK") {
                return Err(std::io::Error::other("MONITOR is refused"));
            }
        }
        Ok((lines, write))
    }

    /// Tells what locks there are (key, token, ms left) when nothing can change: the last commands before a server was
    /// killed may have taken effect untold. They were read after `since`.
    pub(crate) fn stands(&self, since: i64, locks: &[(String, String, f64)]) {
        let mut reader = self.shared.lock().unwrap();
        reader.calls += 1;
        (reader.script, reader.last_at) = (None, crate::recorder::now_ms() as f64);
        reader.began = since as f64;
        let mut held = HashMap::new();
        for (key, token, left) in locks {
            let Some(job) = reader.job_of_lock(key) else { continue };
            held.insert(job, (token, *left));
        }
        let mut last = HashMap::new();
        for seen in &reader.seen {
            match &seen.what {
                What::Lock { token, .. } => last.insert(seen.job.clone(), Some(token.clone())),
                What::Unlock => last.insert(seen.job.clone(), None),
                _ => None,
            };
        }
        // Whoever held a job and does not hold it now was robbed of it by the end of a server, and by nobody else.
        let gone = last.into_iter().filter_map(|(job, token)| Some((job, token?)));
        let gone: Vec<String> = gone
            .filter(|(job, token)| held.get(job).is_none_or(|(now, _)| *now != token))
            .map(|(job, _)| job)
            .collect();
        reader.script = Some(UNSEEN);
        for job in gone {
            reader.note(job, What::Unlock);
        }
        reader.script = None;
        for (job, (token, left)) in held {
            reader.note(job, What::Lock { token: token.clone(), ms: left });
        }
    }

    /// Another server took over, which has these jobs as not ended. What the old one did with them since then it may
    /// never have heard of.
    pub(crate) fn may_have_lost(&self, unfinished: Vec<String>, since: i64, died: i64) {
        let mut reader = self.shared.lock().unwrap();
        for job in unfinished {
            reader.note(job, What::MayBeUndone { since: since as f64, died: died as f64 });
        }
    }

    /// Everything seen so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.lock().unwrap().seen.clone()
    }

    /// Whether the last line that was read is later than this, ms.
    pub(crate) fn has_read_to(&self, at: f64) -> bool {
        self.shared.lock().unwrap().last_at >= at
    }
}

#[derive(Default)]
struct Reader {
    base: String,
    scripts: HashMap<String, &'static str>,
    seen: Vec<Seen>,
    calls: u64,
    began: f64,
    script: Option<&'static str>,
    last_at: f64,
}

impl Reader {
    /// A line such as `+1700000000.123456 [0 lua] "SET" "bull:q:1:lock" "token" "PX" "2000"`.
    fn line(&mut self, line: &str) {
        let Some((at, rest)) = line.trim_start_matches('+').split_once(" [") else { return };
        let Some((source, words)) = rest.split_once("] ") else { return };
        self.last_at = at.parse::<f64>().unwrap_or(0.0) * 1000.0;
        let is_of_script = source.ends_with("lua");
        if !is_of_script {
            self.calls += 1;
            (self.began, self.script) = (self.last_at, None);
        }
        let words = words_of(words);
        let command = words[0].to_ascii_uppercase();
        if command == "EVALSHA" {
            self.script = self.scripts.get(&words[1]).copied();
        }
        self.command(&command, &words[1..]);
    }

    fn command(&mut self, command: &str, words: &[String]) {
        match (command, words) {
            ("SET", [key, token, options @ ..]) => {
                let Some(job) = self.job_of_lock(key) else { return };
                let ms = options.windows(2).find(|pair| pair[0].eq_ignore_ascii_case("PX"));
                let ms = ms.map_or(f64::INFINITY, |pair| pair[1].parse().unwrap_or(0.0));
                self.note(job, What::Lock { token: token.clone(), ms });
            }
            ("PEXPIRE", [key, ms, ..]) => {
                let Some(job) = self.job_of_lock(key) else { return };
                self.note(job, What::Prolong { ms: ms.parse().unwrap_or(0.0) });
            }
            ("DEL" | "UNLINK", keys) => {
                for key in keys {
                    if let Some(job) = self.job_of_lock(key) {
                        self.note(job, What::Unlock);
                    }
                }
            }
            ("HSET" | "HMSET", [key, fields @ ..]) => {
                let Some(job) = key.strip_prefix(&self.base).map(str::to_owned) else { return };
                for pair in fields.chunks_exact(2) {
                    self.note_write(&job, &pair[0], &pair[1]);
                }
            }
            _ => {}
        }
    }

    fn note_write(&mut self, job: &str, field: &str, value: &str) {
        let field = match field {
            "progress" => "progress",
            "returnvalue" => "returnvalue",
            "failedReason" => "failedReason",
            _ => return,
        };
        if let Some(run) = run_in(value) {
            self.note(job.to_owned(), What::Write { field, run });
        }
    }

    fn job_of_lock(&self, key: &str) -> Option<String> {
        Some(key.strip_prefix(&self.base)?.strip_suffix(":lock")?.to_owned())
    }

    fn note(&mut self, job: String, what: What) {
        self.seen.push(Seen {
            at: self.last_at,
            began: self.began,
            call: self.calls,
            script: self.script,
            job,
            what,
        });
    }
}

/// The run that a result, a progress or an error's text names.
pub(crate) fn run_in(text: &str) -> Option<String> {
    if let Ok(value) = serde_json::from_str::<serde_json::Value>(text) {
        return Some(value["run"].as_str()?.to_owned());
    }
    let (_, rest) = text.split_once("run ")?;
    Some(rest.split_once('.')?.0.to_owned())
}

/// Words as MONITOR prints them: in quotes, with the escapes of C.
fn words_of(text: &str) -> Vec<String> {
    let (mut words, mut word, mut is_inside) = (Vec::new(), Vec::new(), false);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if is_inside => {
                words.push(String::from_utf8_lossy(&word).into_owned());
                word.clear();
                is_inside = false;
            }
            b'"' => is_inside = true,
            b'\\' => match bytes.next() {
                Some(b'n') => word.push(b'\n'),
                Some(b'r') => word.push(b'\r'),
                Some(b't') => word.push(b'\t'),
                Some(b'x') => {
                    let digits = [bytes.next().unwrap_or(b'0'), bytes.next().unwrap_or(b'0')];
                    let digits = String::from_utf8_lossy(&digits).into_owned();
                    word.push(u8::from_str_radix(&digits, 16).unwrap_or(b'?'));
                }
                Some(other) => word.push(other),
                None => {}
            },
            other if is_inside => word.push(other),
            _ => {}
        }
    }
    if words.is_empty() {
        words.push(String::new());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_monitor_become_what_was_done_to_jobs() {
        let mut reader = Reader { base: "bull:q:".into(), ..Reader::default() };
        reader.scripts.insert("abc".into(), "complete");
        for line in [
            r#"+10.5 [0 127.0.0.1:1] "EVALSHA" "abc" "2""#,
            r#"+10.5 [0 lua] "SET" "bull:q:j1:lock" "w:1" "PX" "2000" "NX""#,
            r#"+10.6 [0 lua] "DEL" "bull:q:j1:lock" "bull:q:j2:lock" "bull:other:j3:lock""#,
            r#"+10.7 [0 127.0.0.1:1] "HSET" "bull:q:j1" "returnvalue" "{\"run\":\"r7\"}" "finishedOn" "1""#,
            r#"+10.8 [0 127.0.0.1:1] "HSET" "bull:q:j1" "failedReason" "attempt 1, run r8.""#,
        ] {
            reader.line(line);
        }
        let seen: Vec<(u64, Option<&str>, &str, &What)> =
            reader.seen.iter().map(|one| (one.call, one.script, &*one.job, &one.what)).collect();
        assert_eq!(
            seen,
            [
                (1, Some("complete"), "j1", &What::Lock { token: "w:1".into(), ms: 2000.0 }),
                (1, Some("complete"), "j1", &What::Unlock),
                (1, Some("complete"), "j2", &What::Unlock),
                (2, None, "j1", &What::Write { field: "returnvalue", run: "r7".into() }),
                (3, None, "j1", &What::Write { field: "failedReason", run: "r8".into() }),
            ]
        );
    }
}
