//! stderr of a process, as lines of the job's log.
//!
//! Owns: cutting it into lines, the bounds, the last words. Must never know: what they mean. Called by `exec`.

use std::collections::VecDeque;

use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStderr;

use super::READ_BYTES;
use crate::handler::stream::Stop;
use crate::handler::{Context, WriteError};

/// A longer line is cut.
const LINE_BYTES_MAX: usize = 4096;
/// So many lines of one run go to the job's log.
const LINES_MAX: usize = 1000;
/// So many of the last lines are kept for the stack of a failure.
const TAIL_LINES: usize = 40;
/// The last line of every Node process that dies of an exception; the one that matters stands above it.
const NODE_BANNER: &str = "Node.js v";

/// Reads stderr and remembers its end.
#[derive(Debug, Default)]
pub(super) struct Stderr {
    partial: Vec<u8>,
    cut: bool,
    lines: usize,
    tail: VecDeque<String>,
}

impl Stderr {
    pub(super) async fn read(&mut self, mut pipe: ChildStderr, ctx: &Context) -> Result<(), Stop> {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let n = match pipe.read(&mut buffer).await {
                Ok(n) => n,
                Err(error) => {
                    tracing::debug!(%error, "stderr of a process broke off");
                    0
                }
            };
            if n == 0 {
                return if self.partial.is_empty() { Ok(()) } else { self.line(ctx).await };
            }
            for piece in buffer[..n].split_inclusive(|byte| *byte == b'\n') {
                let (text, ended) = match piece.strip_suffix(b"\n") {
                    Some(text) => (text, true),
                    None => (piece, false),
                };
                let room = LINE_BYTES_MAX - self.partial.len();
                self.cut |= text.len() > room;
                self.partial.extend_from_slice(&text[..text.len().min(room)]);
                if ended {
                    self.line(ctx).await?;
                }
            }
        }
    }

    async fn line(&mut self, ctx: &Context) -> Result<(), Stop> {
        let mut line = String::from_utf8_lossy(self.partial.trim_ascii_end()).into_owned();
        self.partial.clear();
        if std::mem::take(&mut self.cut) {
            line.push('…');
        }
        ctx.pulse.beat();
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(line.clone());
        self.lines += 1;
        let written = match self.lines {
            n if n <= LINES_MAX => ctx.log(line).await,
            n if n == LINES_MAX + 1 => {
                ctx.log(format!("stderr has more than {LINES_MAX} lines: no more are kept")).await
            }
            _ => Ok(()),
        };
        match written {
            Err(WriteError::LeaseLost) => Err(Stop::LeaseLost),
            Err(error) => {
                tracing::debug!(%error, "a line of stderr was not kept");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// The last line that says something: not indented, as the lines of a stack are, and no banner.
    pub(super) fn last_words(&self) -> Option<&str> {
        let says = |line: &&String| {
            !line.is_empty() && !line.starts_with(char::is_whitespace) && !line.starts_with(NODE_BANNER)
        };
        self.tail.iter().rev().find(says).map(String::as_str)
    }

    /// The last lines.
    pub(super) fn tail(&self) -> String {
        self.tail.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}
