//! Our Lua scripts: embedded, put together from their fragments, sent by hash.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::OnceLock;

use redis::{Cmd, ErrorKind, ServerErrorKind, Value};

use super::audit::Auditing;
use super::connection::Connection;
use super::error::StoreError;
use super::fragments::FRAGMENTS;
use crate::wire::{Dialect, Keys};

/// Stands around a person's act; see its header.
const AUDITED: &str = include_str!("../../lua/audited.lua");
/// The line in it that the act replaces.
const ACT: &str = "--- @act";

/// Stands around every script of a queue that audits all; see its header.
const OBSERVED: &str = include_str!("../../lua/observed.lua");
/// What in `lua/include/audit.lua` says how much is kept.
const KEPT: &str = "local AUDIT_ENTRIES_MAX = 100000\n";
/// After it, the way in which an entry is appended; where entries are kept by age the older ones go then.
const APPEND: &str = "  redis.call('XADD', log, 'MAXLEN', '~', AUDIT_ENTRIES_MAX, '*', ...)\n";

/// One script, ready to send.
#[derive(Debug)]
pub struct Script {
    /// Its file's name, without the folder; its entries in the audit log go by it.
    name: &'static str,
    text: String,
    sha: String,
    source: &'static str,
    fixed_clock_ms: Option<i64>,
    /// What its text was made for.
    auditing: Option<(Auditing, Dialect)>,
    /// The same with its line in the audit log; made when somebody first acts.
    audited: OnceLock<Box<Script>>,
}

impl Script {
    pub(super) fn new(name: &'static str, source: &'static str, fixed_clock_ms: Option<i64>) -> Self {
        Self::of(name, resolve(source, None, fixed_clock_ms), source, fixed_clock_ms)
    }

    /// A script that stands around another one, which replaces the line `--- @act` in it.
    fn around(self, act: &'static str) -> Self {
        let text = resolve(self.source, Some(act), self.fixed_clock_ms);
        Self::of(self.name, text, self.source, self.fixed_clock_ms)
    }

    fn of(name: &'static str, text: String, source: &'static str, fixed_clock_ms: Option<i64>) -> Self {
        let sha = redis::Script::new(&text).get_hash().to_owned();
        Self { name, text, sha, source, fixed_clock_ms, auditing: None, audited: OnceLock::new() }
    }

    /// The same script, which keeps the audit log as it is asked to.
    fn auditing(&self, auditing: Auditing, dialect: Dialect) -> Self {
        let name = self.name;
        let text = auditing.in_script(&self.text, dialect, name);
        Self { auditing: Some((auditing, dialect)), ..Self::of(name, text, self.source, self.fixed_clock_ms) }
    }

    /// The same script, which also writes who did it into the queue's audit log.
    pub(super) fn audited(&self) -> &Script {
        self.audited.get_or_init(|| {
            let text = resolve(AUDITED, Some(self.source), self.fixed_clock_ms);
            let script = Self::of(self.name, text, self.source, self.fixed_clock_ms);
            Box::new(match self.auditing {
                Some((auditing, dialect)) => script.auditing(auditing, dialect),
                None => script,
            })
        })
    }

    /// Starts a call: the two bases of the queue's keys are its KEYS; arguments follow.
    pub(super) fn call(&self, keys: &Keys) -> Cmd {
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(&self.sha).arg(2).arg(&*keys.base).arg(&*keys.extra);
        cmd
    }

    /// The same for a call about two queues: the bases of the second one come behind.
    pub(super) fn call_with(&self, keys: &Keys, other: &Keys) -> Cmd {
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(&self.sha).arg(4).arg(&*keys.base).arg(&*keys.extra).arg(&*other.base).arg(&*other.extra);
        cmd
    }

    /// A call about many queues: the bases of each are its KEYS.
    pub(super) fn call_all<'a>(&self, queues: impl ExactSizeIterator<Item = &'a Keys>) -> Cmd {
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(&self.sha).arg(2 * queues.len());
        for keys in queues {
            cmd.arg(&*keys.base).arg(&*keys.extra);
        }
        cmd
    }

    /// Sends a call. A server that does not know the script (restarted, failed over, flushed) is taught it and
    /// asked again.
    pub(super) async fn run(&self, connection: &Connection, call: &Cmd) -> Result<Value, StoreError> {
        match connection.send_as(self.name, call).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                connection.send(redis::cmd("SCRIPT").arg("LOAD").arg(&self.text)).await?;
                Ok(connection.send_as(self.name, call).await?)
            }
            reply => Ok(reply?),
        }
    }

    fn replace(&mut self, passage: &str, instead: &str) -> bool {
        let found = self.text.contains(passage);
        if found {
            *self =
                Self::of(self.name, self.text.replace(passage, instead), self.source, self.fixed_clock_ms);
        }
        found
    }

    /// The text as sent, for the linter and the curious.
    pub fn text(&self) -> &str {
        &self.text
    }
}

macro_rules! scripts {
    (both: $($name:ident),+; bullmq: $($only:ident),+ $(;)?) => {
        /// All transitions of one dialect, by name. Those that exist in `BullMQ` only are `None` in Bull.
        #[derive(Debug)]
        #[allow(missing_docs)] // each is documented by the header of its own file in lua/
        pub struct Scripts { dialect: Dialect, $(pub $name: Script,)+ $(pub $only: Option<Script>),+ }

        impl Scripts {
            /// The Bull 4 dialect. With `fixed_clock_ms` the one fragment that reads the clock is swapped for a
            /// fixed time, which is how golden vectors are replayed.
            pub fn bull(fixed_clock_ms: Option<i64>) -> Self {
                let all = Self { dialect: Dialect::Bull, $($name: Script::new(stringify!($name),
                    include_str!(concat!("../../lua/bull/", stringify!($name), ".lua")), fixed_clock_ms),)+
                    $($only: None),+ };
                all.with_turns()
            }

            /// The `BullMQ` dialect, 5 and 6; the clock as in [`Scripts::bull`].
            pub fn bullmq(fixed_clock_ms: Option<i64>) -> Self {
                let all = Self { dialect: Dialect::BullMq, $($name: Script::new(stringify!($name),
                    include_str!(concat!("../../lua/bullmq/", stringify!($name), ".lua")), fixed_clock_ms),)+
                    $($only: Some(Script::new(stringify!($only),
                    include_str!(concat!("../../lua/bullmq/", stringify!($only), ".lua")), fixed_clock_ms))),+ };
                all.with_turns()
            }

            /// The same scripts with a passage of their text replaced wherever it stands; `None` = it stands nowhere. Tests
            /// take guards out by it, to show that each is missed.
            #[must_use]
            pub fn replaced(mut self, passage: &str, instead: &str) -> Option<Self> {
                let mut found = false;
                $(found |= self.$name.replace(passage, instead);)+
                $(found |= self.$only.as_mut().is_some_and(|script| script.replace(passage, instead));)+
                found.then_some(self)
            }

            /// The same scripts, which keep the audit log as they are asked to.
            #[must_use]
            pub fn auditing(mut self, auditing: Auditing) -> Self {
                let dialect = self.dialect;
                $(self.$name = self.$name.auditing(auditing, dialect);)+
                $(self.$only = self.$only.map(|script| script.auditing(auditing, dialect));)+
                self
            }

            /// Name and script of every transition of this dialect.
            pub fn all(&self) -> Vec<(&'static str, &Script)> {
                let mut all = vec![$((stringify!($name), &self.$name)),+];
                $(all.extend(self.$only.as_ref().map(|script| (stringify!($only), script)));)+
                all
            }
        }
    };
}

impl Scripts {
    /// The scripts of a dialect.
    pub fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Bull => Self::bull(None),
            Dialect::BullMq => Self::bullmq(None),
        }
    }

    /// Puts the claim into the script that stands around it.
    fn with_turns(mut self) -> Self {
        self.claim_in_turns = self.claim_in_turns.around(self.claim.source);
        self
    }

    /// Whose transitions these are.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }
}

/// A script that exists in `BullMQ` only; in Bull, what a caller is told.
#[allow(clippy::ref_option, reason = "callers pass a field of Scripts as it is")]
pub(super) fn in_dialect<'a>(
    script: &'a Option<Script>,
    what: &'static str,
) -> Result<&'a Script, StoreError> {
    script.as_ref().ok_or(StoreError::NotInDialect(what))
}

scripts!(
    both:
        cancel,
        checkpoint,
        claim,
        claim_in_turns,
        clean,
        commit,
        complete,
        empty,
        enqueue,
        examine,
        fail,
        force_done,
        hand_back,
        index_turns,
        log,
        mend,
        obliterate,
        open,
        operation,
        overlap,
        pause,
        progress,
        promote,
        promote_job,
        purge,
        quiet,
        recover,
        remove,
        renew,
        repeat,
        repeat_remove,
        replay,
        retain,
        retry,
        retry_all,
        stalled,
        sync_pause,
        sync_resume,
        sync_retry_items,
        sync_start,
        tally,
        update_data,
        zombies;
    bullmq:
        change_delay,
        change_priority,
        flow,
        limits,
        move_jobs,
        promote_all,
        remove_child_dependency,
        remove_unprocessed_children,
        scheduler_upsert,
        waiting_children
);

impl Auditing {
    /// A script's text as this asks for it. Where only acts are audited it costs a script nothing.
    fn in_script(self, text: &str, dialect: Dialect, name: &str) -> String {
        let observed;
        let text = if self.transitions {
            let own_key = format!("--- @include \"{}/own_key\"", dialect.as_str());
            let around = OBSERVED.replace("@step", name).replace("--- @own_key", &own_key);
            observed = resolve(&around, Some(text), None);
            &observed
        } else {
            text
        };
        let text = text.replace(KEPT, &format!("local AUDIT_ENTRIES_MAX = {}\n", self.keep_count));
        let Some(age_ms) = self.keep_age_ms else { return text };
        let oldest = format!("string.format('%.0f', redis.call('TIME')[1] * 1000 - {age_ms})");
        text.replace(APPEND, &format!("{APPEND}  redis.call('XTRIM', log, 'MINID', '~', {oldest})\n"))
    }
}

/// Expands includes, each once, depth first. `act`: what stands for the line `--- @act`.
fn resolve(source: &str, act: Option<&str>, fixed_clock_ms: Option<i64>) -> String {
    let mut out = String::with_capacity(source.len() * 3);
    expand(source, act, fixed_clock_ms, &mut HashSet::new(), &mut out);
    out
}

fn expand<'a>(
    source: &'a str,
    act: Option<&'a str>,
    fixed_clock_ms: Option<i64>,
    seen: &mut HashSet<&'a str>,
    out: &mut String,
) {
    for line in source.lines() {
        if let (ACT, Some(act)) = (line, act) {
            expand(act, None, fixed_clock_ms, seen, out);
            continue;
        }
        let Some(name) = line.strip_prefix("--- @include \"").and_then(|rest| rest.strip_suffix('"')) else {
            // Comments do not travel: scripts are hashed and stored by every server.
            if !line.trim_start().starts_with("--") {
                out.push_str(line);
                out.push('\n');
            }
            continue;
        };
        if !seen.insert(name) {
            continue;
        }
        if let ("now", Some(ms)) = (name, fixed_clock_ms) {
            let _ = writeln!(out, "local now = {ms}");
        } else if let Some((_, fragment)) = FRAGMENTS.iter().find(|(known, _)| *known == name) {
            expand(fragment, None, fixed_clock_ms, seen, out);
        }
    }
}
