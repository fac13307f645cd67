//! What the worker tells, passed on to the metrics and the probes of the admin server, and to OpenTelemetry. No room knows another.

use std::time::Duration;

use super::otel::Otel;
use super::trouble::Troubles;
use crate::admin::metrics::{Metrics, Outcome};
use crate::job::Job;
use crate::worker::{Ended, Follower, Observer};

/// The worker's observer that counts, notes what keeps a queue from its jobs, and has runs followed.
pub(super) struct Counts(pub Metrics, pub Troubles, pub Otel);

impl Observer for Counts {
    fn started(&self, queue: &str, name: &str, waited: Duration) {
        self.0.started(queue, name, waited);
    }

    fn follow(&self, job: &Job, worker: &str) -> Option<Box<dyn Follower>> {
        self.2.follow(job, worker)
    }

    fn ended(&self, queue: &str, name: &str, ended: Ended, ran: Duration, attempt: u32) {
        let outcome = match ended {
            Ended::Completed => Outcome::Completed,
            Ended::Failed => Outcome::Failed,
            Ended::Cancelled => Outcome::Cancelled,
            Ended::Retried => Outcome::Retried,
            Ended::Deferred => Outcome::Deferred,
            Ended::LeaseLost => Outcome::LeaseLost,
            Ended::HandedBack => Outcome::HandedBack,
        };
        self.0.ended(queue, name, outcome, ran, attempt);
    }

    fn released(&self, queue: &str) {
        self.0.released(queue);
    }

    fn renewed(&self, queue: &str, renewed: usize, lost: usize) {
        self.0.renewed(queue, renewed, lost);
    }

    fn recovered(&self, queue: &str, jobs: usize) {
        self.0.recovered(queue, jobs);
    }

    fn handler_answered(&self, handler: &str, class: &str, healthy: bool, took: Duration) {
        self.0.handler_answered(handler, class, took);
        self.0.handler_healthy(handler, healthy);
    }

    fn unconfirmed(&self, queue: &str, runs: u64) {
        self.0.unconfirmed(queue, runs);
    }

    fn redis(&self, queue: &str, problem: Option<&str>) {
        self.0.redis(queue, problem.is_none());
        self.1.queue(queue, problem);
    }
}
