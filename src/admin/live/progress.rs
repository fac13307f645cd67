//! Progress of one job at most four times a second, the last value always: a backend may report every row.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::event::News;

/// Between two progress events of a job.
const PAUSE: Duration = Duration::from_millis(250);
/// Jobs that are thinned out at once; the progress of further ones passes as it comes.
const JOBS_MAX: usize = 10_000;

type Key = (Arc<str>, String);

/// The jobs that have lately reported.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// What is held back of each.
    held: HashMap<Key, Option<News>>,
    /// When each may report again, in that order.
    turns: VecDeque<(Instant, Key)>,
}

impl Progress {
    /// Gives what is to be told now, in order: a report is held back if the job's last one is too fresh, and what was held
    /// back comes before anything else of its job.
    pub(super) fn pass(&mut self, news: News, now: Instant, out: &mut Vec<News>) {
        let (Some(queue), Some(job)) = (&news.queue, &news.job) else {
            out.push(news);
            return;
        };
        let key = (Arc::clone(queue), job.clone());
        if news.kind != "job.progress" {
            out.extend(self.held.get_mut(&key).and_then(Option::take));
            out.push(news);
        } else if let Some(held) = self.held.get_mut(&key) {
            *held = Some(news);
        } else {
            if self.held.len() < JOBS_MAX {
                self.held.insert(key.clone(), None);
                self.turns.push_back((now + PAUSE, key));
            }
            out.push(news);
        }
    }

    /// When the next turn comes.
    pub(super) fn next_turn(&self) -> Option<Instant> {
        self.turns.front().map(|(at, _)| *at)
    }

    /// Gives what was held back until now.
    pub(super) fn due(&mut self, now: Instant, out: &mut Vec<News>) {
        while self.next_turn().is_some_and(|at| at <= now) {
            let Some((_, key)) = self.turns.pop_front() else { return };
            match self.held.get_mut(&key).and_then(Option::take) {
                Some(news) => {
                    out.push(news);
                    self.turns.push_back((now + PAUSE, key));
                }
                None => {
                    self.held.remove(&key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn news(kind: &'static str, job: &str, n: u64) -> News {
        News { job: Some(job.into()), ..News::of_queue(kind, &"q".into(), json!({"progress": n})) }
    }

    fn told(out: &mut Vec<News>) -> Vec<(String, u64)> {
        let short = |news: News| (news.job.unwrap_or_default(), news.data["progress"].as_u64().unwrap_or(0));
        std::mem::take(out).into_iter().map(short).collect()
    }

    #[test]
    fn the_first_report_passes_and_of_many_more_only_the_last() {
        let (mut progress, mut out, start) = (Progress::default(), Vec::new(), Instant::now());
        for n in 1..=100 {
            progress.pass(news("job.progress", "a", n), start, &mut out);
        }
        progress.pass(news("job.progress", "b", 1), start, &mut out);
        assert_eq!(told(&mut out), [("a".into(), 1), ("b".into(), 1)]);
        progress.due(start + PAUSE, &mut out);
        assert_eq!(told(&mut out), [("a".into(), 100)]);
        progress.due(start + PAUSE * 2, &mut out);
        assert!(out.is_empty() && progress.held.is_empty() && progress.next_turn().is_none());
    }

    #[test]
    fn the_last_report_comes_before_the_end_of_its_job() {
        let (mut progress, mut out, start) = (Progress::default(), Vec::new(), Instant::now());
        for n in 1..=3 {
            progress.pass(news("job.progress", "a", n), start, &mut out);
        }
        progress.pass(news("job.completed", "a", 9), start, &mut out);
        assert_eq!(told(&mut out), [("a".into(), 1), ("a".into(), 3), ("a".into(), 9)]);
        progress.due(start + PAUSE, &mut out);
        assert!(out.is_empty());
    }
}
