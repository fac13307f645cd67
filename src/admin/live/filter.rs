//! Which events somebody wants: by queue, type and job.

use super::event::{Event, RESYNC, TYPES};
use crate::job::pattern::matches;

/// Most values in one filter.
pub const VALUES_MAX: usize = 100;

/// What is wanted. An empty list wants all; `*` in the name of a queue or a type stands for any text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Names of queues.
    pub queues: Vec<String>,
    /// Types, such as `job.*`.
    pub types: Vec<String>,
    /// Ids of jobs, exact.
    pub jobs: Vec<String>,
}

impl Filter {
    /// Adds one value; `None` = there is no such parameter.
    pub fn list(&mut self, parameter: &str) -> Option<&mut Vec<String>> {
        match parameter {
            "queue" => Some(&mut self.queues),
            "type" => Some(&mut self.types),
            "job" => Some(&mut self.jobs),
            _ => None,
        }
    }

    /// What is wrong with it.
    pub fn problem(&self) -> Option<String> {
        let values = self.queues.len() + self.types.len() + self.jobs.len();
        if values > VALUES_MAX {
            return Some(format!("too many values: {values}; at most {VALUES_MAX}"));
        }
        let unknown = self.types.iter().find(|pattern| !TYPES.iter().any(|kind| matches(pattern, kind)))?;
        let unknown: String = unknown.escape_debug().take(60).collect();
        Some(format!(
            "no event is of the type \"{unknown}\"; expected one of {}, or * in it",
            TYPES.join(", ")
        ))
    }

    /// Is a queue of this name wanted?
    pub fn names(&self, queue: &str) -> bool {
        self.queues.is_empty() || self.queues.iter().any(|pattern| matches(pattern, queue))
    }

    /// Is this event wanted? That something was missed always is, where it concerns a wanted queue.
    pub fn wants(&self, event: &Event) -> bool {
        let any = |patterns: &[String], text: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, text))
        };
        let queue = match &event.queue {
            Some(queue) => self.names(queue),
            None => event.kind == RESYNC || self.queues.is_empty(),
        };
        if !queue || event.kind == RESYNC {
            return queue;
        }
        let job = self.jobs.is_empty() || event.job.as_ref().is_some_and(|job| self.jobs.contains(job));
        job && any(&self.types, event.kind)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::admin::live::event::News;

    fn filter(queues: &[&str], types: &[&str], jobs: &[&str]) -> Filter {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Filter { queues: owned(queues), types: owned(types), jobs: owned(jobs) }
    }

    #[test]
    fn an_event_is_wanted_when_queue_type_and_job_fit() {
        let news = News { job: Some("7".into()), ..News::of_queue("job.active", &"woo:a".into(), json!({})) };
        let event = news.numbered(1);
        for (wanted, expected) in [
            (filter(&[], &[], &[]), true),
            (filter(&["woo:*"], &["job.*"], &["7"]), true),
            (filter(&["x", "woo:a"], &["job.failed", "job.active"], &["1", "7"]), true),
            (filter(&["woo"], &[], &[]), false),
            (filter(&[], &["queue.*"], &[]), false),
            (filter(&[], &[], &["77"]), false),
        ] {
            assert_eq!(wanted.wants(&event), expected, "{wanted:?}");
        }
        let all = News::resync("behind").numbered(2);
        assert!(
            filter(&["other"], &["job.active"], &["1"]).wants(&all),
            "that something was missed is for all"
        );
        let counts = News::of_queue("queue.counts", &"woo:a".into(), json!({})).numbered(3);
        assert!(!filter(&[], &[], &["7"]).wants(&counts));
    }

    #[test]
    fn a_type_that_does_not_exist_is_refused() {
        assert_eq!(filter(&[], &["job.*", "*", "resync"], &[]).problem(), None);
        assert!(filter(&[], &["job.done"], &[]).problem().is_some_and(|text| text.contains("job.completed")));
        let many = Filter { jobs: vec!["1".to_owned(); VALUES_MAX + 1], ..Filter::default() };
        assert!(many.problem().is_some());
    }
}
