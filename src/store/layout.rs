//! Whose queue this is: what its keys say.
//!
//! Bull leaves nothing that `BullMQ` could not also have written until it pauses or uses priorities; `BullMQ` always
//! leaves a stream of events and its own fields of `meta`. So the keys decide for `BullMQ`, their absence decides for
//! Bull, and a few jobs are looked at for the case that both write to one queue.

use redis::Value;

use super::{Store, StoreError, array, bytes, integer, text};
use crate::wire::Dialect;

/// Keys of which an existing queue has at least one. Not among them: what an idle worker writes.
const KEYS_OF_A_QUEUE: &[&str] = &[
    "id",
    "meta",
    "meta-paused",
    "wait",
    "paused",
    "active",
    "delayed",
    "completed",
    "failed",
    "repeat",
    "priority",
    "events",
    "marker",
    "prioritized",
    "waiting-children",
];
/// Keys that only `BullMQ` writes, with their types (docs/wire/bullmq.md 1).
const KEYS_OF_BULLMQ: &[(&str, &str)] = &[
    ("events", "stream"),
    ("marker", "zset"),
    ("prioritized", "zset"),
    ("pc", "string"),
    ("waiting-children", "zset"),
];
/// The key that only Bull writes (docs/wire/bull-4.md 12.3).
const KEY_OF_BULL: (&str, &str) = ("meta-paused", "string");
/// Bull's, and left behind by `BullMQ` up to version 3: a hint.
const HINT_OF_BULL: (&str, &str) = ("priority", "zset");
/// Where jobs are looked at: list or sorted set, and one end of it. Those that are next and those that came last.
const SAMPLES: &[(&str, &str, i64)] = &[
    ("LRANGE", "wait", 0),
    ("LRANGE", "wait", -1),
    ("LRANGE", "paused", 0),
    ("LRANGE", "active", 0),
    ("ZRANGE", "delayed", 0),
    ("ZRANGE", "completed", -1),
    ("ZRANGE", "failed", -1),
];

/// What the keys of a queue say about who writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// Is there any key of a queue?
    pub exists: bool,
    /// What only `BullMQ` writes: `events`, `meta opts.maxLenEvents`, `job 7 (ats)`.
    pub bullmq: Vec<String>,
    /// What only Bull writes: `meta-paused`.
    pub bull: Vec<String>,
    /// What hardly anybody but Bull writes: `priority`, `job 7 (its options)`. Hints, no proofs.
    pub like_bull: Vec<String>,
    /// `version` of `meta`, such as `bullmq:6.7.0`.
    pub version: Option<String>,
    /// The list `paused` holds jobs: Bull and `BullMQ` up to 5 keep them there.
    pub pauses_in_list: bool,
}

impl Layout {
    /// Whose keys these are; `None` = there are none, or both write here.
    pub fn dialect(&self) -> Option<Dialect> {
        match (self.bullmq.is_empty(), self.is_mixed()) {
            (_, true) => None,
            (false, false) => Some(Dialect::BullMq),
            (true, false) => self.exists.then_some(Dialect::Bull),
        }
    }

    /// Do both dialects write here?
    pub fn is_mixed(&self) -> bool {
        !self.bullmq.is_empty() && !self.bull.is_empty()
    }

    /// `BullMQ` writes here, and maybe Bull does so, too.
    pub fn is_doubtful(&self) -> bool {
        !self.bullmq.is_empty() && !self.like_bull.is_empty()
    }

    /// May a queue that has keys and was said to be `named` be worked as that? Hints do not outweigh the word.
    pub(super) fn admits(&self, named: Dialect) -> bool {
        match named {
            Dialect::Bull => self.bullmq.is_empty(),
            Dialect::BullMq => self.bull.is_empty() && !self.bullmq.is_empty(),
        }
    }

    /// The major version of the `BullMQ` that wrote `meta` last.
    pub fn major(&self) -> Option<u32> {
        let (_, version) = self.version.as_deref()?.split_once(':')?;
        version.split('.').next()?.parse().ok()
    }

    /// What was found, and why: `BullMQ 6 (events, meta version bullmq:6.7.0)`.
    pub fn describe(&self) -> String {
        let listed = |signs: &[String]| signs.join(", ");
        if self.is_mixed() || self.is_doubtful() {
            let of_bull = [&self.bull[..], &self.like_bull[..]].concat();
            return format!("both Bull 4 ({}) and BullMQ ({})", listed(&of_bull), listed(&self.bullmq));
        }
        match self.dialect() {
            None => "empty".into(),
            Some(Dialect::Bull) if self.bull.is_empty() && self.like_bull.is_empty() => {
                "Bull 4 (it has no key that only BullMQ writes, such as events)".into()
            }
            Some(Dialect::Bull) => {
                format!("Bull 4 ({})", listed(&[&self.bull[..], &self.like_bull[..]].concat()))
            }
            Some(Dialect::BullMq) => {
                let major = match self.major() {
                    Some(major) => format!(" {major}"),
                    None if self.pauses_in_list => " 5".into(),
                    None => String::new(),
                };
                format!("BullMQ{major} ({})", listed(&self.bullmq))
            }
        }
    }
}

impl Store {
    /// What the keys say. Two round trips, whatever the size of the queue.
    pub async fn layout(&self) -> Result<Layout, StoreError> {
        self.connection.check_slot(&self.keys)?;
        let typed = || KEYS_OF_BULLMQ.iter().chain([&KEY_OF_BULL, &HINT_OF_BULL]);
        let mut pipe = redis::pipe();
        for (key, _) in typed() {
            pipe.cmd("TYPE").arg(self.keys.of(key));
        }
        pipe.cmd("HKEYS").arg(self.keys.of("meta"));
        pipe.cmd("HGET").arg(self.keys.of("meta")).arg("version");
        pipe.cmd("TYPE").arg(self.keys.of("paused"));
        let mut exists = redis::cmd("EXISTS");
        for key in KEYS_OF_A_QUEUE {
            exists.arg(self.keys.of(key));
        }
        pipe.add_command(exists);
        for (range, key, end) in SAMPLES {
            pipe.cmd(range).arg(self.keys.of(key)).arg(*end).arg(*end);
        }
        let commands = KEYS_OF_BULLMQ.len() + 2 + 4 + SAMPLES.len();
        let mut replies = self.connection.pipeline(&pipe, commands).await?.into_iter();
        let mut next = || replies.next().unwrap_or(Value::Nil);
        let mut layout = Layout::default();
        for (key, expected) in typed() {
            if text(next().extract_error()?)? != *expected {
                continue;
            }
            let signs = match *key {
                key if key == KEY_OF_BULL.0 => &mut layout.bull,
                key if key == HINT_OF_BULL.0 => &mut layout.like_bull,
                _ => &mut layout.bullmq,
            };
            signs.push((*key).to_owned());
        }
        // A `meta` that is no hash is not BullMQ's.
        let fields = array(next()).unwrap_or_default().into_iter().filter_map(|field| text(field).ok());
        layout.version = text(next()).ok();
        // Every producer writes these (docs/wire/bullmq.md 1.1); Bull has a `meta` of its own.
        let of_bullmq = |field: &str| field == "version" || field.starts_with("opts.");
        for field in fields.filter(|field| of_bullmq(field)) {
            let version = layout.version.as_deref().filter(|_| field == "version");
            layout.bullmq.push(match version {
                Some(version) => format!("meta version {}", version.escape_debug()),
                None => format!("meta {}", field.escape_debug()),
            });
        }
        layout.pauses_in_list = text(next().extract_error()?)? == "list";
        layout.exists = integer(&next().extract_error()?)? > 0;
        let mut ids: Vec<Vec<u8>> =
            replies.filter_map(|ids| array(ids).ok()).flatten().filter_map(bytes).collect();
        ids.sort_unstable();
        ids.dedup();
        self.look_at_jobs(&ids, &mut layout).await?;
        Ok(layout)
    }

    async fn look_at_jobs(&self, ids: &[Vec<u8>], layout: &mut Layout) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut pipe = redis::pipe();
        for id in ids {
            let key = [self.keys.base.as_bytes(), id].concat();
            pipe.cmd("HMGET").arg(key).arg("ats").arg("atm").arg("opts");
        }
        let replies = self.connection.pipeline(&pipe, ids.len()).await?;
        for (id, fields) in ids.iter().zip(replies) {
            // Of another type, or gone meanwhile: it says nothing.
            let Ok(fields) = array(fields) else { continue };
            let mut fields = fields.into_iter().map(bytes);
            let mut next = || fields.next().flatten();
            let (started, made, opts) = (next(), next(), next());
            let id = id.escape_ascii();
            if started.is_some() || made.is_some() {
                let field = if started.is_some() { "ats" } else { "atm" };
                layout.bullmq.push(format!("job {id} ({field})"));
            } else if opts.is_some_and(|opts| options_are_bulls(&opts)) {
                layout.like_bull.push(format!("job {id} (its options)"));
            }
        }
        Ok(())
    }
}

/// Bull completes the options of every job with `attempts`, `delay` and `timestamp`. `BullMQ` stores no `timestamp`
/// that the producer did not give, except for the iterations of a scheduler, and 0 attempts where none were asked for.
fn options_are_bulls(opts: &[u8]) -> bool {
    let Ok(opts) = serde_json::from_slice::<serde_json::Value>(opts) else { return false };
    let number = |name: &str| opts.get(name).and_then(serde_json::Value::as_f64);
    let has = |name: &str| opts.get(name).is_some();
    number("attempts").is_some_and(|attempts| attempts >= 1.0)
        && number("delay").is_some()
        && number("timestamp").is_some()
        && !has("repeat")
        && !has("repeatJobKey")
}
