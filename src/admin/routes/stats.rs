//! `GET /stats`: totals, success rate and times, from the newest jobs that have ended and from the libraries' own metrics.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::about::{About, Kind, Shape, param};
pub(crate) use super::queues::CountsView;
use super::{Ask, answer};
use crate::admin::problem::Problem;
use crate::job::state::State;
use crate::store::newest::{Brief, Series};
use crate::store::{Store, StoreError};

/// Jobs of each outcome that a queue's figures are made from.
const SAMPLE: usize = 200;
/// Figures are good for so long.
const FRESH: Duration = Duration::from_secs(10);
/// Queues of one answer.
const QUEUES_MAX: usize = 50;
/// Jobs that are named as slow.
const SLOWEST: usize = 5;

pub(super) const SHOW: About = About::new("stats", "Totals, success rates and times of queues")
    .query(&[param("queue", Kind::Text, "This queue only")])
    .answers(&[(200, "The figures, at most ten seconds old", Some(Shape::of::<Stats>()))])
    .refusals(&[404]);

/// Percentiles of a time, ms.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub(crate) struct Percentiles {
    /// Half of the jobs took at most this.
    pub p50: u64,
    /// 95 of 100 did.
    pub p95: u64,
    /// 99 of 100 did.
    pub p99: u64,
}

/// How long jobs waited and ran.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Latency {
    /// From how many jobs.
    pub sampled: usize,
    /// From when they could run to when they did.
    pub wait_ms: Option<Percentiles>,
    /// From their last start to their end.
    pub run_ms: Option<Percentiles>,
}

/// All figures.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stats {
    /// Jobs of all these queues.
    pub totals: CountsView,
    /// At most 50 queues.
    pub queues: Vec<QueueStats>,
    /// Redis' time, ms.
    pub server_time: i64,
}

/// Figures of one queue.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QueueStats {
    /// The queue.
    pub queue: String,
    /// Jobs by state; null where a key is of a wrong type.
    pub counts: Option<CountsView>,
    /// From how many jobs the rest is.
    pub sampled: usize,
    /// Share of the jobs that ended well, of those that ended since the older of the two samples begins.
    pub success_rate: Option<f64>,
    /// From when they could run to when they did.
    pub wait_ms: Option<Percentiles>,
    /// From their last start to their end.
    pub run_ms: Option<Percentiles>,
    /// By job name, most frequent first.
    pub names: Vec<NameStats>,
    /// Those that ran longest.
    pub slowest: Vec<SlowJob>,
    /// Jobs per minute, where the workers count them.
    pub series: Option<SeriesView>,
}

/// Figures of the jobs of one name.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NameStats {
    /// The name.
    pub name: String,
    /// How many jobs.
    pub sampled: usize,
    /// How many of them failed.
    pub failed: usize,
    /// How long they ran.
    pub run_ms: Option<Percentiles>,
}

/// A job that ran long.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SlowJob {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How long it ran.
    pub run_ms: u64,
}

/// Jobs per minute, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct SeriesView {
    /// The minute of the first figure, ms.
    pub minute: i64,
    /// Jobs that completed.
    pub completed: Vec<u64>,
    /// Jobs that failed.
    pub failed: Vec<u64>,
}

/// The newest ended jobs of a queue, as they were read last.
pub(crate) struct Sample {
    completed: Vec<Brief>,
    failed: Vec<Brief>,
    series: Option<(Series, Series)>,
}

/// What was read of queues, for ten seconds.
#[derive(Default)]
pub(crate) struct Figures(Mutex<HashMap<String, (Instant, Arc<Sample>)>>);

/// The sample of a queue, at most ten seconds old.
pub(super) async fn figures(call: &Ask, store: &Store) -> Result<Arc<Sample>, Problem> {
    let name = store.keys().queue.to_string();
    let cached = || call.shared.figures.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((at, sample)) = cached().get(&name)
        && at.elapsed() < FRESH
    {
        return Ok(Arc::clone(sample));
    }
    let sample = Arc::new(Sample::read(store).await?);
    let mut all = cached();
    all.retain(|_, (at, _)| at.elapsed() < FRESH);
    all.insert(name, (Instant::now(), Arc::clone(&sample)));
    Ok(sample)
}

pub(super) async fn show(call: Ask) -> Result<Response, Problem> {
    let names = call.queues_asked().await?;
    let (look, board) = (call.look().await?, call.board()?);
    let (mut totals, mut queues) = (CountsView::default(), Vec::new());
    for name in names.iter().take(QUEUES_MAX) {
        let Some(sight) = look.queues.get(name.as_str()) else { continue };
        let counts = sight.glance.wrong_key.is_none().then(|| CountsView::of(&sight.glance.counts));
        if let Some(counts) = &counts {
            add(&mut totals, counts);
        }
        let sample = figures(&call, &board.store(name, None)).await?;
        queues.push(sample.stats(name, counts));
    }
    Ok(answer(StatusCode::OK, &Stats { totals, queues, server_time: look.now_ms }))
}

fn add(totals: &mut CountsView, counts: &CountsView) {
    totals.waiting += counts.waiting;
    totals.paused += counts.paused;
    totals.active += counts.active;
    totals.delayed += counts.delayed;
    totals.completed += counts.completed;
    totals.failed += counts.failed;
    for (total, count) in [
        (&mut totals.prioritized, counts.prioritized),
        (&mut totals.waiting_children, counts.waiting_children),
    ] {
        if let Some(count) = count {
            *total = Some(total.unwrap_or(0) + count);
        }
    }
}

impl Sample {
    /// Reads it.
    pub(crate) async fn read(store: &Store) -> Result<Self, StoreError> {
        let (_, completed) = store.newest(State::Completed, 0, SAMPLE).await?;
        let (_, failed) = store.newest(State::Failed, 0, SAMPLE).await?;
        Ok(Self { completed, failed, series: store.series().await? })
    }

    fn all(&self) -> impl Iterator<Item = &Brief> {
        self.completed.iter().chain(&self.failed)
    }

    /// How long jobs waited and ran; `None` = none has ended.
    pub(crate) fn latency(&self) -> Option<Latency> {
        let sampled = self.all().count();
        (sampled > 0).then(|| Latency {
            sampled,
            wait_ms: percentiles(self.all().filter_map(wait_ms).collect()),
            run_ms: percentiles(self.all().filter_map(run_ms).collect()),
        })
    }

    /// The figures of a queue.
    pub(crate) fn stats(&self, queue: &str, counts: Option<CountsView>) -> QueueStats {
        let mut names: BTreeMap<&str, (usize, usize, Vec<u64>)> = BTreeMap::new();
        for (job, failed) in
            self.completed.iter().map(|job| (job, 0)).chain(self.failed.iter().map(|job| (job, 1)))
        {
            let of_name = names.entry(&job.name).or_default();
            of_name.0 += 1;
            of_name.1 += failed;
            of_name.2.extend(run_ms(job));
        }
        let name = |(name, (sampled, failed, runs)): (&str, (usize, usize, Vec<u64>))| NameStats {
            name: name.to_owned(),
            sampled,
            failed,
            run_ms: percentiles(runs),
        };
        let mut names: Vec<NameStats> = names.into_iter().map(name).collect();
        names.sort_by_key(|name| std::cmp::Reverse(name.sampled));
        let slow =
            |job: &Brief| Some(SlowJob { id: job.id.clone(), name: job.name.clone(), run_ms: run_ms(job)? });
        let mut slowest: Vec<SlowJob> = self.all().filter_map(slow).collect();
        slowest.sort_by_key(|job| std::cmp::Reverse(job.run_ms));
        slowest.truncate(SLOWEST);
        let latency = self.latency();
        let series = self.series.as_ref().map(|(completed, failed)| SeriesView {
            minute: completed.minute_ms.max(failed.minute_ms),
            completed: aligned(completed, failed.minute_ms),
            failed: aligned(failed, completed.minute_ms),
        });
        QueueStats {
            queue: queue.to_owned(),
            counts,
            sampled: latency.as_ref().map_or(0, |latency| latency.sampled),
            success_rate: self.success_rate(),
            wait_ms: latency.as_ref().and_then(|latency| latency.wait_ms),
            run_ms: latency.as_ref().and_then(|latency| latency.run_ms),
            names,
            slowest,
            series,
        }
    }

    /// Over the time that both samples cover: a sample that is full says nothing of what was before.
    fn success_rate(&self) -> Option<f64> {
        let begin = |jobs: &[Brief]| {
            if jobs.len() < SAMPLE {
                0
            } else {
                jobs.iter().filter_map(|job| job.ended_ms).min().unwrap_or(0)
            }
        };
        let since = begin(&self.completed).max(begin(&self.failed));
        let count =
            |jobs: &[Brief]| jobs.iter().filter(|job| job.ended_ms.unwrap_or(0) >= since).count() as f64;
        let (good, bad) = (count(&self.completed), count(&self.failed));
        (good + bad > 0.0).then(|| (good / (good + bad) * 10_000.0).round() / 10_000.0)
    }
}

/// Figures from the newest minute of both on.
fn aligned(series: &Series, other_minute_ms: i64) -> Vec<u64> {
    const MINUTE_MS: i64 = 60_000;
    let behind = ((other_minute_ms - series.minute_ms) / MINUTE_MS).clamp(0, 1440);
    let missing = if series.minute_ms == 0 { 0 } else { behind as usize };
    std::iter::repeat_n(0, missing).chain(series.counts.iter().copied()).collect()
}

fn wait_ms(job: &Brief) -> Option<u64> {
    let due = job.added_ms.saturating_add(job.delay_ms);
    Some((job.started_ms? - due).max(0).cast_unsigned()).filter(|_| job.added_ms > 0)
}

fn run_ms(job: &Brief) -> Option<u64> {
    Some((job.ended_ms? - job.started_ms?).max(0).cast_unsigned())
}

fn percentiles(mut times: Vec<u64>) -> Option<Percentiles> {
    times.sort_unstable();
    let last = times.len().checked_sub(1)?;
    let at = |part: f64| times[((last as f64) * part).ceil() as usize];
    Some(Percentiles { p50: at(0.50), p95: at(0.95), p99: at(0.99) })
}
