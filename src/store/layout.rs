//! Whose queue this is: what its keys say, and which scripts follow from that.
//!
//! Bull leaves nothing that `BullMQ` could not also have written until it pauses or uses priorities; `BullMQ` always
//! leaves a stream of events and its own fields of `meta`. So the keys decide for `BullMQ`, their absence decides for
//! Bull, and a few jobs are looked at for the case that both write to one queue.

use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use redis::Value;
use tokio::sync::SetOnce;

use super::{Scripts, Store, StoreError, array, bytes, integer, text};
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
    fn admits(&self, named: Dialect) -> bool {
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

/// What [`Store::open`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// It may be worked in this dialect, which its keys say or, where it has none, somebody named.
    Ready(Dialect, Layout),
    /// It has no keys, and nobody named a dialect: its first key will tell. Nothing was written.
    Undecided,
    /// It was said to be of the first dialect, and its keys are of another, or of both. Nothing was written.
    Otherwise(Option<Dialect>, Layout),
    /// A newer Bullock keeps its records here in a layout that this one does not know.
    NewerLayout(String),
}

/// Why a queue must not be worked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What was found.
    pub found: String,
    /// What would have been right.
    pub expected: String,
    /// What to do.
    pub hint: &'static str,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; expected {}. hint: {}", self.found, self.expected, self.hint)
    }
}

impl Opened {
    /// Why the queue must not be worked; `None` = it may be, now or later.
    pub fn refusal(&self) -> Option<Refusal> {
        Some(match self {
            Self::Ready(..) | Self::Undecided => return None,
            Self::Otherwise(Some(named), layout) => Refusal {
                found: format!("its keys are of {}", layout.describe()),
                expected: format!("{} (dialect = \"{}\")", named.family(), named.as_str()),
                hint: "correct the dialect, or give the queue another prefix; nothing was written",
            },
            Self::Otherwise(None, layout) => Refusal {
                found: format!("its keys are of {}", layout.describe()),
                expected: "one of them".into(),
                hint: if layout.is_mixed() {
                    "two kinds of programs write to one queue: give one of them another prefix; nothing was written"
                } else {
                    "if two kinds of programs write to one queue, give one of them another prefix; if only BullMQ does, say \
                     so (dialect = \"bullmq\"); nothing was written"
                },
            },
            Self::NewerLayout(found) => Refusal {
                found: format!("a newer bullock keeps its records in it (layout {found})"),
                expected: format!("layout {}", super::LAYOUT_VERSION),
                hint: "upgrade this bullock",
            },
        })
    }
}

/// The scripts of a queue: those of the dialect that was named, or of the one that its keys turn out to be.
///
/// While a queue has no keys and nobody named its dialect, it passes for Bull's.
#[derive(Clone)]
pub(super) struct Choice {
    /// Somebody named it.
    pub(super) named: bool,
    chosen: Arc<SetOnce<Arc<Scripts>>>,
}

impl Choice {
    pub(super) fn named(scripts: Arc<Scripts>) -> Self {
        Self { named: true, chosen: Arc::new(SetOnce::new_with(Some(scripts))) }
    }

    pub(super) fn of(dialect: Option<Dialect>) -> Self {
        match dialect {
            Some(dialect) => Self::named(Arc::clone(scripts_of(dialect))),
            None => Self { named: false, chosen: Arc::default() },
        }
    }
}

impl Deref for Choice {
    type Target = Scripts;

    fn deref(&self) -> &Scripts {
        self.chosen.get().unwrap_or_else(|| scripts_of(Dialect::Bull))
    }
}

/// Put together once in a process.
pub(super) fn scripts_of(dialect: Dialect) -> &'static Arc<Scripts> {
    static BULL: LazyLock<Arc<Scripts>> = LazyLock::new(|| Arc::new(Scripts::of(Dialect::Bull)));
    static BULLMQ: LazyLock<Arc<Scripts>> = LazyLock::new(|| Arc::new(Scripts::of(Dialect::BullMq)));
    match dialect {
        Dialect::Bull => &BULL,
        Dialect::BullMq => &BULLMQ,
    }
}

impl Store {
    /// Checks whose queue this is and the version of our records, before a worker touches it.
    pub async fn open(&self) -> Result<Opened, StoreError> {
        let admitted = self.admit().await?;
        let Opened::Ready(dialect, layout) = admitted else { return Ok(admitted) };
        let script = &scripts_of(dialect).open;
        let mut call = script.call(&self.keys);
        call.arg(super::LAYOUT_VERSION);
        let (version, bullmq): (String, u8) = super::convert(script.run(&self.connection, &call).await?)?;
        Ok(if (bullmq == 1) != (dialect == Dialect::BullMq) {
            // Somebody wrote between our look and the script.
            Opened::Otherwise(Some(dialect), self.layout().await?)
        } else if version.parse::<u32>().is_ok_and(|found| found <= super::LAYOUT_VERSION) {
            Opened::Ready(dialect, layout)
        } else {
            Opened::NewerLayout(version)
        })
    }

    /// Looks whose queue this is, and writes nothing. Where nobody named a dialect and the keys tell, that is settled
    /// for this store and all its clones.
    pub async fn look(&self) -> Result<Opened, StoreError> {
        Ok(self.decide(self.layout().await?))
    }

    /// The same before the queue is worked: one where hints say that Bull may be writing to it, too, is refused until
    /// somebody names the dialect.
    pub async fn admit(&self) -> Result<Opened, StoreError> {
        let layout = self.layout().await?;
        if layout.is_doubtful() && !self.scripts.named {
            return Ok(Opened::Otherwise(None, layout));
        }
        Ok(self.decide(layout))
    }

    fn decide(&self, layout: Layout) -> Opened {
        if self.scripts.named {
            let named = self.dialect();
            let fits = !layout.exists || layout.admits(named);
            return if fits { Opened::Ready(named, layout) } else { Opened::Otherwise(Some(named), layout) };
        }
        match layout.dialect() {
            Some(dialect) => {
                // Who was first has decided by the same keys.
                let _ = self.scripts.chosen.set(Arc::clone(scripts_of(dialect)));
                Opened::Ready(dialect, layout)
            }
            None if layout.is_mixed() => Opened::Otherwise(None, layout),
            None => Opened::Undecided,
        }
    }

    /// The dialect that is spoken here; Bull's as long as it is not settled.
    pub fn dialect(&self) -> Dialect {
        self.scripts.dialect()
    }

    /// Is it settled whose queue this is?
    pub fn is_settled(&self) -> bool {
        self.scripts.chosen.get().is_some()
    }

    /// Waits until it is settled whose queue this is.
    pub async fn settled(&self) {
        self.scripts.chosen.wait().await;
    }

    /// What the keys say. Two round trips, whatever the size of the queue.
    pub async fn layout(&self) -> Result<Layout, StoreError> {
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
