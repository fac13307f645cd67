//! History and statistics, from Redis: what ran per hour and day, how long it took, how syncs ended.
//!
//! | record | who writes it | what it is |
//! |---|---|---|
//! | `X stats:hour:<n>`, `X stats:day:<n>` | each worker, once a second for all its runs ([`tally`]) | counts and sketches of durations, by name and organisation |
//! | `X slow:<day>` | the same call | the slowest runs of a day |
//! | `X runs` | the last commit of a sync | how it ended: one entry each ([`runs`]) |
//! | `X failing:<org>:<name>` | commits | in how many runs an item failed |
//!
//! Owns: reading them. Must never know: who asks. Called by `admin` and `cli`. A job that succeeds costs no key and no command of
//! its own here. What a worker has not written yet when it is killed, a second's worth, is lost: these are figures, not
//! the truth about a job.

pub mod runs;
pub mod sketch;
pub mod tally;

use std::collections::{BTreeMap, HashMap};

use redis::Value;
pub use runs::{FailingItem, ItemPage, RunItem, SyncEnd, SyncRun, SyncRuns};
use sketch::Sketch;

use super::{Store, StoreError, array, text};

/// An hour and a day, ms.
pub const HOUR_MS: i64 = 3_600_000;
/// See [`HOUR_MS`].
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// Most points of one question: two months of hours.
pub const POINTS_MAX: usize = 1500;
/// Points that one round trip reads.
const POINTS_AT_ONCE: usize = 48;
/// How long figures and finished syncs are kept unless told otherwise.
pub const KEPT_DEFAULT: std::time::Duration = std::time::Duration::from_hours(30 * 24);

/// How long a point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum By {
    /// An hour, from its beginning (UTC).
    #[default]
    Hour,
    /// A day, from its beginning (UTC).
    Day,
}

impl By {
    /// Its length, ms.
    pub fn length_ms(self) -> i64 {
        match self {
            Self::Hour => HOUR_MS,
            Self::Day => DAY_MS,
        }
    }

    /// The word used in keys, CLI and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

/// What is asked.
///
/// ```
/// use bullock::store::history::{Ask, By};
/// let last_week = Ask { name: Some("sync-customers"), by: By::Day, ..Ask::between(1_795_000_000_000, 1_795_604_800_000) };
/// assert_eq!(last_week.points(), 8);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Ask<'a> {
    /// Jobs of this name; `None` = all.
    pub name: Option<&'a str>,
    /// Jobs of this organisation; `None` = all. The empty text = those that have none.
    pub org: Option<&'a str>,
    /// From here, ms: the whole point that it lies in.
    pub from_ms: i64,
    /// Up to here, ms.
    pub to_ms: i64,
    /// In points of this length.
    pub by: By,
}

impl Ask<'_> {
    /// Everything between two times (ms), by the hour.
    pub fn between(from_ms: i64, to_ms: i64) -> Self {
        Self { from_ms, to_ms, ..Self::default() }
    }

    /// How many points that is.
    pub fn points(&self) -> usize {
        let length = self.by.length_ms();
        let (first, last) = (self.from_ms.div_euclid(length), self.to_ms.div_euclid(length));
        usize::try_from(last - first + 1).unwrap_or(0)
    }

    fn wants(&self, name: &str, org: &str) -> bool {
        self.name.is_none_or(|wanted| wanted == name) && self.org.is_none_or(|wanted| wanted == org)
    }

    fn check(&self) -> Result<(), StoreError> {
        match self.points() {
            0 => Err(StoreError::Invalid("history: expected a beginning before its end".into())),
            n if n > POINTS_MAX => Err(StoreError::Invalid(format!(
                "history of {n} {}s: expected at most {POINTS_MAX}; ask for days, or for less",
                self.by.as_str()
            ))),
            _ => Ok(()),
        }
    }
}

/// The answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Redis' time when it was read, ms.
    pub read_ms: i64,
    /// Every point of the range, oldest first, also those in which nothing ran.
    pub points: Vec<Point>,
    /// The whole range by kind: names in their order, and organisations within them.
    pub kinds: Vec<Kind>,
}

/// An hour or a day.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Point {
    /// Its beginning, ms.
    pub from_ms: i64,
    /// What ran in it.
    pub kinds: Vec<Kind>,
}

/// What jobs of one name of one organisation did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kind {
    /// The jobs' name; `*` = names and organisations for which there was no room.
    pub name: String,
    /// Their organisation; empty = none, or not known.
    pub org: String,
    /// Jobs that completed; syncs with failed items among them.
    pub completed: u64,
    /// Jobs that failed for good.
    pub failed: u64,
    /// Attempts that failed and were tried again.
    pub retried: u64,
    /// Syncs among the completed ones that left failed items.
    pub partial: u64,
    /// How long attempts ran.
    pub ran: Spread,
    /// How long jobs waited for their first attempt, from when they were added or due.
    pub waited: Spread,
    /// Items of syncs that came to their end, by what became of them.
    pub items: Items,
}

impl Kind {
    /// Jobs that ended.
    pub fn ended(&self) -> u64 {
        self.completed + self.failed
    }

    /// Which part of those that ended completed, 0 to 1; `None` = none has ended.
    pub fn success_rate(&self) -> Option<f64> {
        (self.ended() > 0).then(|| self.completed as f64 / self.ended() as f64)
    }
}

/// Items of syncs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Items {
    /// All that came to their end.
    pub processed: u64,
    /// The sink took them.
    pub successful: u64,
    /// They failed as often as an item may.
    pub failed: u64,
    /// The sink passed them over.
    pub skipped: u64,
    /// Named more than once, pushed once.
    pub duplicates: u64,
}

impl Items {
    fn add(&mut self, other: Self) {
        self.processed += other.processed;
        self.successful += other.successful;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.duplicates += other.duplicates;
    }
}

/// How durations were spread, ms. Percentiles are right to within a tenth: they are read from a sketch whose steps are a
/// fifth apart ([`sketch`]).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spread {
    /// How many there were; with 0 all else is 0.
    pub count: u64,
    /// Their mean.
    pub mean_ms: f64,
    /// Half of them were shorter.
    pub p50_ms: f64,
    /// 95 of 100 were shorter.
    pub p95_ms: f64,
    /// 99 of 100 were shorter.
    pub p99_ms: f64,
}

/// A slow run.
#[derive(Debug, Clone, PartialEq)]
pub struct SlowRun {
    /// The job's name.
    pub name: String,
    /// Its organisation; empty = none, or not known.
    pub org: String,
    /// Its id. The job may be gone.
    pub id: String,
    /// Which attempt it was.
    pub attempt: u32,
    /// How it ended: completed, failed or retried.
    pub ended: String,
    /// How long it ran, ms.
    pub ran_ms: f64,
}

/// What is gathered of one kind.
#[derive(Default)]
struct Gathered {
    kind: Kind,
    ran: Sketch,
    waited: Sketch,
}

impl Gathered {
    fn add(&mut self, metric: &str, n: u64) {
        match metric {
            "completed" => self.kind.completed += n,
            "failed" => self.kind.failed += n,
            "retried" => self.kind.retried += n,
            "ran_us" => self.ran.add_sum_us(n),
            "waited_us" => self.waited.add_sum_us(n),
            _ => {
                let step = |name: &str| metric.strip_prefix(name).and_then(|step| step.parse().ok());
                if let Some(step) = step("ran") {
                    self.ran.add(step, n);
                } else if let Some(step) = step("waited") {
                    self.waited.add(step, n);
                }
            }
        }
    }

    fn into_kind(self, (name, org): (String, String)) -> Kind {
        Kind { name, org, ran: self.ran.spread(), waited: self.waited.spread(), ..self.kind }
    }
}

/// By name and organisation.
type ByKind = BTreeMap<(String, String), Gathered>;

fn kinds(gathered: ByKind) -> Vec<Kind> {
    gathered.into_iter().map(|(who, one)| one.into_kind(who)).collect()
}

impl Store {
    /// What ran between two times, by hour or day, and in all.
    ///
    /// # Errors
    /// [`StoreError::Invalid`]: more than [`POINTS_MAX`] points, or an end before the beginning; and those of every call.
    pub async fn history(&self, ask: &Ask<'_>) -> Result<History, StoreError> {
        ask.check()?;
        let length = ask.by.length_ms();
        let first = ask.from_ms.div_euclid(length);
        let numbers: Vec<i64> = (first..).take(ask.points()).collect();
        let mut points: Vec<ByKind> = Vec::with_capacity(numbers.len());
        let mut all = ByKind::new();
        for some in numbers.chunks(POINTS_AT_ONCE) {
            let mut pipe = redis::pipe();
            for number in some {
                pipe.cmd("HGETALL").arg(self.keys.extra_of(&format!("stats:{}:{number}", ask.by.as_str())));
            }
            for reply in self.connection.pipeline(&pipe, some.len()).await? {
                let mut point = ByKind::new();
                for (metric, who, n) in fields(reply)? {
                    if ask.wants(&who.0, &who.1) {
                        all.entry(who.clone()).or_default().add(&metric, n);
                        point.entry(who).or_default().add(&metric, n);
                    }
                }
                points.push(point);
            }
        }
        for run in self.ends_of_jobs(ask).await? {
            let at = usize::try_from(run.ended_ms.div_euclid(length) - first).unwrap_or(usize::MAX);
            let who = (run.name.clone(), run.org.clone());
            let point = points.get_mut(at).map(|point| point.entry(who.clone()).or_default());
            for gathered in [point, Some(all.entry(who).or_default())].into_iter().flatten() {
                gathered.kind.items.add(run.items);
                gathered.kind.partial += u64::from(run.end == SyncEnd::Partial);
            }
        }
        let points = numbers.into_iter().zip(points);
        let points = points.map(|(number, point)| Point { from_ms: number * length, kinds: kinds(point) });
        Ok(History { read_ms: self.time_ms().await?, points: points.collect(), kinds: kinds(all) })
    }

    /// How each sync of the range ended at last: an entry a job.
    async fn ends_of_jobs(&self, ask: &Ask<'_>) -> Result<Vec<SyncRun>, StoreError> {
        let length = ask.by.length_ms();
        let whole = Ask {
            from_ms: ask.from_ms.div_euclid(length) * length,
            to_ms: (ask.to_ms.div_euclid(length) + 1) * length - 1,
            ..*ask
        };
        let newest = self.sync_runs(&whole, runs::RUNS_MAX, None).await?.runs;
        let mut seen = std::collections::HashSet::new();
        // What is told is the sum over all that a job did: the newest of its ends says all.
        Ok(newest.into_iter().filter(|run| seen.insert(run.id.clone())).collect())
    }

    /// The slowest runs between two times, the slowest first. Of each day the slowest [`tally::SLOW_MAX`] are kept.
    ///
    /// # Errors
    /// As for [`Store::history`].
    pub async fn slowest(&self, ask: &Ask<'_>, most: usize) -> Result<Vec<SlowRun>, StoreError> {
        let days = Ask { by: By::Day, ..*ask };
        days.check()?;
        let mut pipe = redis::pipe();
        let first = ask.from_ms.div_euclid(DAY_MS);
        for number in (first..).take(days.points()) {
            let key = self.keys.extra_of(&format!("slow:{number}"));
            pipe.cmd("ZREVRANGE").arg(key).arg(0).arg(tally::SLOW_MAX).arg("WITHSCORES");
        }
        let mut slow = Vec::new();
        for reply in self.connection.pipeline(&pipe, days.points()).await? {
            let mut pairs = array(reply)?.into_iter();
            while let (Some(member), Some(us)) = (pairs.next(), pairs.next()) {
                let Ok((name, org, id, attempt, ended)) = serde_json::from_str(&text(member)?) else {
                    continue;
                };
                let ran_ms = text(us)?.parse().unwrap_or(0.0) / 1000.0;
                slow.push(SlowRun { name, org, id, attempt, ended, ran_ms });
            }
        }
        slow.retain(|run| ask.wants(&run.name, &run.org));
        slow.sort_by(|a, b| b.ran_ms.total_cmp(&a.ran_ms));
        slow.truncate(most);
        Ok(slow)
    }
}

/// Metric, name and organisation, and the count.
type Counted = (String, (String, String), u64);

/// `<metric>:<org>:<name>` and its count. What is no such field was not written by us.
fn fields(reply: Value) -> Result<Vec<Counted>, StoreError> {
    let found: HashMap<String, String> = super::convert(reply)?;
    Ok(found
        .into_iter()
        .filter_map(|(field, n)| {
            let mut parts = field.splitn(3, ':');
            let (metric, org, name) = (parts.next()?, parts.next()?, parts.next()?);
            Some((metric.to_owned(), (name.to_owned(), tally::org_in(org)), n.parse().ok()?))
        })
        .collect())
}
