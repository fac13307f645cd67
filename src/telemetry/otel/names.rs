//! The names that spans and figures have. OpenTelemetry's conventions for messaging are not final: they change here and
//! nowhere else.

/// The instrumentation scope.
pub(super) const SCOPE: &str = "bullock";

pub(super) const SERVICE_VERSION: &str = "service.version";
pub(super) const SERVICE_INSTANCE_ID: &str = "service.instance.id";

/// A span is `process <queue>`.
pub(super) const PROCESS: &str = "process";

// OpenTelemetry's own.
pub(super) const SYSTEM: &str = "messaging.system";
/// Of Bull's queues too: what counts them should find all with one filter.
pub(super) const SYSTEM_BULLMQ: &str = "bullmq";
pub(super) const DESTINATION: &str = "messaging.destination.name";
pub(super) const OPERATION_NAME: &str = "messaging.operation.name";
pub(super) const OPERATION_TYPE: &str = "messaging.operation.type";
pub(super) const MESSAGE_ID: &str = "messaging.message.id";
pub(super) const ERROR_TYPE: &str = "error.type";
pub(super) const PROCESS_DURATION: &str = "messaging.process.duration";
pub(super) const CONSUMED_MESSAGES: &str = "messaging.client.consumed.messages";

// BullMQ's.
pub(super) const QUEUE_NAME: &str = "bullmq.queue.name";
pub(super) const JOB_ID: &str = "bullmq.job.id";
pub(super) const JOB_NAME: &str = "bullmq.job.name";
pub(super) const ATTEMPTS_MADE: &str = "bullmq.job.attempts.made";
pub(super) const WORKER_NAME: &str = "bullmq.worker.name";
pub(super) const JOBS_COMPLETED: &str = "bullmq.jobs.completed";
pub(super) const JOBS_FAILED: &str = "bullmq.jobs.failed";
pub(super) const JOBS_RETRIED: &str = "bullmq.jobs.retried";

// Ours.
/// How the run ended, in the words of `bullock_jobs_finished_total`.
pub(super) const OUTCOME: &str = "bullock.outcome";
