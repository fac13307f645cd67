//! Opening a queue: whether it may be worked, and by which scripts.

use std::ops::Deref;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use tokio::sync::SetOnce;

use super::audit::Auditing;
use super::layout::Layout;
use super::{Scripts, Store, StoreError};
use crate::wire::Dialect;

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
    auditing: Auditing,
    chosen: Arc<SetOnce<Arc<Scripts>>>,
}

impl Choice {
    pub(super) fn named(scripts: Arc<Scripts>) -> Self {
        let chosen = Arc::new(SetOnce::new_with(Some(scripts)));
        Self { named: true, auditing: Auditing::default(), chosen }
    }

    pub(super) fn of(dialect: Option<Dialect>) -> Self {
        match dialect {
            Some(dialect) => Self::named(Arc::clone(scripts_of(dialect))),
            None => Self { named: false, auditing: Auditing::default(), chosen: Arc::default() },
        }
    }
}

impl Choice {
    /// The same scripts, which keep the audit log as they are asked to.
    fn auditing(&self, auditing: Auditing) -> Self {
        let chosen = Arc::<SetOnce<Arc<Scripts>>>::default();
        if let Some(scripts) = self.chosen.get() {
            let _ = chosen.set(auditing_scripts(scripts.dialect(), auditing));
        }
        Self { named: self.named, auditing, chosen }
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

/// Put together once for each way to keep the log.
fn auditing_scripts(dialect: Dialect, auditing: Auditing) -> Arc<Scripts> {
    static MADE: Mutex<Vec<(Dialect, Auditing, Arc<Scripts>)>> = Mutex::new(Vec::new());
    if auditing == Auditing::default() {
        return Arc::clone(scripts_of(dialect));
    }
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((.., scripts)) = made.iter().find(|(of, how, _)| (*of, *how) == (dialect, auditing)) {
        return Arc::clone(scripts);
    }
    let scripts = Arc::new(Scripts::of(dialect).auditing(auditing));
    made.push((dialect, auditing, Arc::clone(&scripts)));
    scripts
}

impl Store {
    /// The same queue, whose scripts keep the audit log as they are asked to.
    #[must_use]
    pub fn with_auditing(self, auditing: Auditing) -> Self {
        Self { scripts: self.scripts.auditing(auditing), ..self }
    }

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
                let _ = self.scripts.chosen.set(auditing_scripts(dialect, self.scripts.auditing));
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
}
