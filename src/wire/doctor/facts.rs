//! The facts of one job as the script `examine` answers them.

use std::fmt;

use super::answer::{self, Part};

/// How many values the script answers for each id.
const VALUES: usize = 33;
/// Where the fields of the hash begin among them.
const FIELDS_AT: usize = 13;

/// A state by the name of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names of the keys
pub enum Place {
    Completed,
    Failed,
    Delayed,
    Prioritized,
    WaitingChildren,
    Active,
    Wait,
    Paused,
}

/// All, with the names of their keys.
pub const PLACES: [(Place, &str); 8] = [
    (Place::Completed, "completed"),
    (Place::Failed, "failed"),
    (Place::Delayed, "delayed"),
    (Place::Prioritized, "prioritized"),
    (Place::WaitingChildren, "waiting-children"),
    (Place::Active, "active"),
    (Place::Wait, "wait"),
    (Place::Paused, "paused"),
];

/// How often each state names a job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Places([u16; 8]);

impl Places {
    /// How often this one does.
    pub fn times(&self, place: Place) -> u16 {
        self.0[place as usize]
    }

    /// Is the job there?
    pub fn has(&self, place: Place) -> bool {
        self.times(place) > 0
    }

    /// One more.
    pub fn add(&mut self, place: Place) {
        let times = &mut self.0[place as usize];
        *times = times.saturating_add(1);
    }

    /// Takes over how often lists name the job: they were read apart.
    pub fn take_lists(&mut self, other: &Self) {
        for place in [Place::Active, Place::Wait, Place::Paused] {
            self.0[place as usize] = other.times(place);
        }
    }

    /// In how many states it is.
    pub fn states(&self) -> usize {
        self.0.iter().filter(|times| **times > 0).count()
    }

    /// Does one list name it more than once?
    pub fn has_twice(&self) -> bool {
        self.0.iter().any(|times| *times > 1)
    }

    /// Is it in a state from which it can still run, or running?
    pub fn is_unfinished(&self) -> bool {
        self.states() > usize::from(self.has(Place::Completed)) + usize::from(self.has(Place::Failed))
    }

    fn read(text: &str) -> Self {
        let mut places = Self::default();
        for (name, times) in text.split(',').filter_map(|part| part.split_once('=')) {
            if let Some((place, _)) = PLACES.iter().find(|(_, own)| *own == name) {
                places.0[*place as usize] = times.parse().unwrap_or(u16::MAX);
            }
        }
        places
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = PLACES.iter().filter(|(place, _)| self.has(*place));
        let words: Vec<String> = named
            .map(|(place, name)| match self.times(*place) {
                1 => (*name).to_owned(),
                n => format!("{name} ({n} times)"),
            })
            .collect();
        f.write_str(&words.join(" and "))
    }
}

/// What stands at a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    None,
    /// What belongs there.
    Right,
    /// A key of the queue itself: no job can live there.
    Own,
    /// Something else: its type.
    Other(String),
}

/// The lock of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// A string, if it is right.
    pub kind: Kind,
    /// Time to live, ms; -1 = for ever.
    pub left_ms: i64,
    /// The token.
    pub token: String,
}

/// Everything that is known of one id.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // fields of the hash by their own names
#[allow(clippy::struct_excessive_bools, reason = "each is an answer of Redis")]
pub struct JobFacts {
    /// What stands at the key of the job; a hash is right.
    pub kind: Kind,
    /// Its lock.
    pub lock: Lock,
    /// The states that name it.
    pub places: Places,
    /// Score in `delayed`, as Redis writes it.
    pub delayed: Option<String>,
    /// Score in `priority` (Bull) or `prioritized` (`BullMQ`).
    pub ranked: Option<String>,
    /// It is in `stalled`.
    pub stalled: bool,
    /// It is in our `leases`.
    pub leased: bool,
    /// There is a record of ours about it.
    pub recorded: bool,
    /// `of` of the record.
    pub record_of: Option<String>,
    /// When a callback was last heard, ms.
    pub beat: Option<i64>,
    /// Children that are pending, of a job in `waiting-children`.
    pub children: u64,
    pub name: Option<String>,
    pub timestamp: Option<String>,
    pub delay: Option<String>,
    pub priority: Option<String>,
    pub processed_on: Option<String>,
    pub finished_on: Option<String>,
    pub attempts_made: Option<String>,
    pub stalled_counter: Option<String>,
    pub atm: Option<String>,
    pub ats: Option<String>,
    pub stc: Option<String>,
    pub retried_on: Option<String>,
    pub failed_reason: Option<String>,
    pub parent_key: Option<String>,
    /// The worker that a `BullMQ` worker with a name wrote down.
    pub processed_by: Option<String>,
    /// Bytes of `data`; `None` = absent.
    pub data: Option<usize>,
    /// Bytes of `opts`.
    pub opts: Option<usize>,
    /// Bytes of `returnvalue`.
    pub returnvalue: Option<usize>,
    /// Tries that it has in all, read where one has failed.
    pub attempts: i64,
    /// Its parent's key is gone.
    pub parent_gone: bool,
}

impl JobFacts {
    /// Reads what the script answered; `None` = it is not of that form.
    pub fn read_all(answer: &[u8]) -> Option<Vec<Self>> {
        let values = answer::values(answer)?;
        let is_whole = values.len().is_multiple_of(VALUES);
        is_whole.then(|| values.chunks_exact(VALUES).map(Self::read).collect())
    }

    /// Reads [`VALUES`] values.
    fn read(values: &[Part<'_>]) -> Self {
        let text = |at: usize| values[at].text();
        let plain = |at: usize| text(at).unwrap_or_default();
        let number = |at: usize| values[at].number();
        let field = |nth: usize| text(FIELDS_AT + nth);
        let length = |nth: usize| usize::try_from(number(FIELDS_AT + 15 + nth)).ok();
        let kind = |at: usize, right: &str| match plain(at).as_str() {
            "none" => Kind::None,
            "own" => Kind::Own,
            found if found == right => Kind::Right,
            found => Kind::Other(found.to_owned()),
        };
        Self {
            kind: kind(0, "hash"),
            lock: Lock { kind: kind(1, "string"), left_ms: number(2), token: plain(3) },
            places: Places::read(&plain(4)),
            delayed: text(5),
            ranked: text(6),
            stalled: number(7) == 1,
            leased: number(8) == 1,
            recorded: plain(9) != "none",
            record_of: text(10),
            beat: text(11).and_then(|ms| ms.parse().ok()),
            children: number(12).max(0).cast_unsigned(),
            name: field(0),
            timestamp: field(1),
            delay: field(2),
            priority: field(3),
            processed_on: field(4),
            finished_on: field(5),
            attempts_made: field(6),
            stalled_counter: field(7),
            atm: field(8),
            ats: field(9),
            stc: field(10),
            retried_on: field(11),
            failed_reason: field(12),
            parent_key: field(13),
            processed_by: field(14),
            data: length(0),
            opts: length(1),
            returnvalue: length(2),
            attempts: number(FIELDS_AT + 18),
            parent_gone: number(FIELDS_AT + 19) == 1,
        }
    }

    /// Somebody holds it.
    pub fn is_held(&self) -> bool {
        self.lock.kind == Kind::Right
    }

    /// The last sign of life that is written down: when its run began, or a callback was heard, ms.
    pub fn last_sign_ms(&self) -> Option<i64> {
        let began = self.processed_on.as_ref().and_then(|ms| ms.parse().ok());
        began.max(self.beat)
    }

    /// Has its hash any field that only a job has? Another program's hash below the queue's name has none.
    pub fn looks_like_a_job(&self) -> bool {
        let texts = [
            &self.timestamp,
            &self.processed_on,
            &self.finished_on,
            &self.attempts_made,
            &self.stalled_counter,
            &self.atm,
            &self.ats,
            &self.stc,
            &self.failed_reason,
        ];
        self.opts.is_some() || self.returnvalue.is_some() || texts.iter().any(|text| text.is_some())
    }
}
