//! The catalogue: every option there is and every name that is known for later, in the order of the reference.
//!
//! Owns: names, kinds, bounds, defaults and one line about each. Must never know: how they are read.

use super::limits as at;
use super::options::{Default as D, Kind as K, Opt};

const fn option(path: &'static str, kind: K, default: D, about: &'static str) -> Opt {
    Opt { path, kind, default, about }
}

const fn later(path: &'static str, what: &'static str) -> Opt {
    Opt { path, kind: K::NotYet(what), default: D::None, about: what }
}

/// All of them.
#[rustfmt::skip]
pub(super) static OPTIONS: &[Opt] = &[
    option("redis", K::Table, D::None, "The Redis that the queues live in."),
    option("redis.url", K::Url, D::None, "redis://, rediss://, redis+unix://, unix://, redis+sentinel:// or redis+cluster://. Absent: a private redis-server child."),
    option("redis.prefix", K::Text, D::Text(at::PREFIX_DEFAULT), "Prefix of all keys, as in Bull."),
    option("redis.eviction_check", K::Bool, D::Bool(true), "Refuse a Redis whose maxmemory-policy may throw jobs away."),
    option("redis.wait_replicas", K::Int(0, at::WAIT_REPLICAS_MAX), D::Int(0), "Adds and ends of jobs wait until so many replicas have them; 0 = they do not wait."),
    later("redis.tls", "own certificates for Redis"),
    later("servers", "further Redis servers"),

    option("admin", K::Table, D::None, "The admin server: health, metrics, callbacks of handlers."),
    option("admin.listen", K::Text, D::Text(at::ADMIN_LISTEN_DEFAULT), "Address and port; \"\" = no admin server."),
    option("admin.base_path", K::Text, D::Text("/"), "The path that it lives under, for a proxy that passes on one path only."),
    option("admin.public_url", K::Url, D::None, "What Job-Callback is made from. Absent: http:// and the address."),
    option("admin.tokens", K::Tables, D::None, "Who may do what. Needed to listen anywhere but on loopback."),
    option("admin.tokens.[].name", K::Text, D::Required, "Shown in the audit."),
    option("admin.tokens.[].role", K::Choice(&["viewer", "operator", "admin"]), D::Required, "What the token may do."),
    option("admin.tokens.[].sha256", K::Secret, D::Required, "SHA-256 of the token, 64 hex digits."),
    option("admin.tokens.[].queues", K::Texts, D::Texts(&["*"]), "Queues that it may see; * stands for any text."),
    option("admin.tokens.[].orgs", K::Texts, D::Texts(&["*"]), "Organisations whose syncs it may see; with anything but * it sees nothing else."),

    option("worker", K::Table, D::None, "This process as a worker."),
    option("worker.name", K::Text, D::None, "Absent: host and pid."),
    option("worker.lease", K::Duration(at::LEASE_MS_MIN, at::LEASE_MS_MAX), D::Ms(at::LEASE_MS_DEFAULT), "How long a job is held without renewal."),
    option("worker.renew", K::Duration(at::RENEW_MS_MIN, at::LEASE_MS_MAX), D::Ms(at::RENEW_MS_DEFAULT), "How often leases are renewed; at most a third of the lease."),
    option("worker.sweep", K::Duration(at::SWEEP_MS_MIN, at::SWEEP_MS_MAX), D::Ms(at::SWEEP_MS_DEFAULT), "How often expired leases are looked for."),
    option("worker.shutdown_grace", K::Duration(0, at::SHUTDOWN_GRACE_MS_MAX), D::Ms(at::SHUTDOWN_GRACE_MS_DEFAULT), "How long running handlers may finish after a stop signal."),
    option("worker.cancel_grace", K::Duration(0, at::CANCEL_GRACE_MS_MAX), D::Ms(at::CANCEL_GRACE_MS_DEFAULT), "How long a handler whose job was cancelled may take to end by itself."),
    option("worker.max_stalled", K::Int(0, at::MAX_STALLED_MAX), D::Int(at::MAX_STALLED_DEFAULT), "Bull's maxStalledCount, for its stalled check."),
    option("worker.crash_limit", K::Int(1, at::CRASH_LIMIT_MAX), D::Int(at::CRASH_LIMIT_DEFAULT), "A job is a dead letter after so many crashes of its own. A crash spends no attempt."),
    option("worker.max_started", K::Int(1, at::MAX_STARTED_MAX), D::None, "BullMQ's maxStartedAttempts: a job picked up more often fails unrun. Absent: no limit. Bull 4 does not count."),
    option("worker.cron_zone", K::Text, D::Text("local"), "Time zone of cron entries without tz: local, or a name such as Europe/Rome."),
    option("worker.allow_short_leases", K::Bool, D::Bool(false), "For tests only: lifts the lower bounds of lease, renew and sweep."),

    option("backoff", K::Table, D::None, "Types of backoff that producers name."),
    option("backoff.<type>", K::Table, D::None, "A type: { type: \"<type>\" } in the producer's backoff."),
    option("backoff.<type>.steps", K::Durations(0, at::BACKOFF_STEP_MS_MAX), D::Required, "Wait before attempt 2, 3, ...; the last one repeats."),
    option("backoff.<type>.jitter", K::Number(0.0, 1.0), D::Number(0.0), "0.2 = each wait is drawn from plus or minus 20 %."),

    option("log", K::Table, D::None, "The logs, on stderr."),
    option("log.format", K::Choice(&["auto", "json", "pretty"]), D::Text("auto"), "auto = pretty on a terminal, else json."),
    option("log.level", K::Choice(&["error", "warn", "info", "debug", "trace", "off"]), D::Text("info"), "The least level that is written."),
    option("log.data_keys", K::Texts, D::Texts(&[]), "Fields of a job's data that are logged, such as data.store."),
    option("log.redact", K::Texts, D::Texts(at::REDACT_DEFAULT), "Fields whose values are never shown: a name at any depth, or a path such as data.token."),

    later("audit", "the audit trail"),
    later("alerts", "alerts"),
    option("metrics", K::Table, D::None, "What /metrics shows."),
    option("metrics.bullmq_names", K::Bool, D::Bool(false), "The names of BullMQ's own exporter besides: bullmq_job_count and others."),

    option("queues", K::Table, D::Required, "The queues to work."),
    option("queues.<name>", K::Table, D::None, "A queue, by the name that the producer uses."),
    option("queues.<name>.dialect", K::Choice(&["auto", "bull", "bullmq"]), D::Text("auto"), "How its keys are written: by Bull 4, or by BullMQ 5 and 6. auto: they say it themselves; a queue without keys waits for its first one."),
    option("queues.<name>.prefix", K::Text, D::None, "Absent: redis.prefix."),
    option("queues.<name>.concurrency", K::Int(1, at::CONCURRENCY_MAX), D::Int(at::CONCURRENCY_DEFAULT), "Jobs of this queue that this process runs at a time."),
    option("queues.<name>.rate", K::Table, D::None, "Bull's limiter."),
    option("queues.<name>.rate.max", K::Int(1, at::RATE_JOBS_MAX), D::Required, "Jobs in each window."),
    option("queues.<name>.rate.per", K::Duration(at::RATE_WINDOW_MS_MIN, at::RATE_WINDOW_MS_MAX), D::Required, "The window."),
    option("queues.<name>.rate.group", K::Text, D::None, "A field of the data that gets a window of its own: Bull's groupKey."),
    option("queues.<name>.retention", K::Table, D::None, "What happens to ended jobs that do not say so themselves. Off unless set."),
    option("queues.<name>.retention.completed", K::Table, D::None, "Completed jobs."),
    option("queues.<name>.retention.completed.age", K::Duration(at::RETENTION_AGE_MS_MIN, at::RETENTION_AGE_MS_MAX), D::None, "Kept this long."),
    option("queues.<name>.retention.completed.count", K::Int(0, at::RETENTION_COUNT_MAX), D::None, "This many are kept."),
    option("queues.<name>.retention.failed", K::Table, D::None, "Failed jobs."),
    option("queues.<name>.retention.failed.age", K::Duration(at::RETENTION_AGE_MS_MIN, at::RETENTION_AGE_MS_MAX), D::None, "Kept this long."),
    option("queues.<name>.retention.failed.count", K::Int(0, at::RETENTION_COUNT_MAX), D::None, "This many are kept."),
    option("queues.<name>.metrics", K::Table, D::None, "Bull's metrics lists. Off unless set."),
    option("queues.<name>.metrics.max_points", K::Int(1, at::METRICS_POINTS_MAX), D::Required, "Minutes that are kept, Bull's maxDataPoints."),
    option("queues.<name>.payload_max", K::Size(at::BODY_BYTES_MIN, at::PAYLOAD_BYTES_MAX), D::Bytes(at::PAYLOAD_BYTES_DEFAULT), "A job with more data than this fails unread."),
    option("queues.<name>.dead_letter", K::Text, D::None, "A queue that gets a copy of every job that fails for good. Under the same prefix, of the same dialect."),
    later("queues.<name>.server", "further Redis servers"),
    later("queues.<name>.limits", "limits by key"),
    later("queues.<name>.org", "orgs"),
    later("queues.<name>.fair", "fair turns between orgs"),

    option("queues.<name>.handlers", K::Table, D::Required, "What is done with its jobs."),
    option("queues.<name>.handlers.<job name>", K::Table, D::None, "By the job's name; \"*\" = any other."),
    option("queues.<name>.handlers.<job name>.http", K::Url, D::None, "Posted to: http://, https:// or unix:///run/app.sock/path. {{queue}}, {{id}} and {{name}} may stand in path and query."),
    option("queues.<name>.handlers.<job name>.cancel_url", K::Url, D::None, "http: told once when a run is stopped, and why. The same forms without {{…}}."),
    option("queues.<name>.handlers.<job name>.exec", K::Texts, D::None, "Run as a subprocess: program and arguments, no shell."),
    option("queues.<name>.handlers.<job name>.env", K::Texts, D::Texts(at::EXEC_ENV_DEFAULT), "exec: variables of our environment that it is given."),
    option("queues.<name>.handlers.<job name>.cwd", K::Text, D::None, "exec: its directory, relative to the config file's. Absent: the config file's."),
    option("queues.<name>.handlers.<job name>.secret", K::Secrets, D::None, "http: signs requests (Standard Webhooks): whsec_ and base64, or at least 24 bytes; an array while rotating."),
    option("queues.<name>.handlers.<job name>.headers", K::Table, D::None, "http: further headers."),
    option("queues.<name>.handlers.<job name>.headers.<header>", K::Secret, D::None, "http: a header."),
    option("queues.<name>.handlers.<job name>.body", K::Choice(&["data", "envelope", "bullmq-proxy"]), D::Text("data"), "http: what is posted."),
    option("queues.<name>.handlers.<job name>.concurrency", K::Int(1, at::CONCURRENCY_MAX), D::None, "At most this many of the queue's slots."),
    option("queues.<name>.handlers.<job name>.connect", K::Duration(at::HANDLER_LIMIT_MS_MIN, at::HANDLER_LIMIT_MS_MAX), D::Ms(at::CONNECT_MS_DEFAULT), "http: how long connecting may take."),
    option("queues.<name>.handlers.<job name>.first_byte", K::DurationOrNone(at::HANDLER_LIMIT_MS_MIN, at::HANDLER_LIMIT_MS_MAX), D::Text("none"), "http: how long the answer may take to begin."),
    option("queues.<name>.handlers.<job name>.heartbeat", K::DurationOrNone(at::HANDLER_LIMIT_MS_MIN, at::HANDLER_LIMIT_MS_MAX), D::Ms(at::HEARTBEAT_MS_DEFAULT), "Silence allowed once it streams or is detached."),
    option("queues.<name>.handlers.<job name>.no_progress", K::DurationOrNone(at::HANDLER_LIMIT_MS_MIN, at::HANDLER_LIMIT_MS_MAX), D::Text("none"), "How long it may go without progress."),
    option("queues.<name>.handlers.<job name>.run_limit", K::DurationOrNone(at::HANDLER_LIMIT_MS_MIN, at::HANDLER_LIMIT_MS_MAX), D::Text("none"), "How long a run may take in all."),
    option("queues.<name>.handlers.<job name>.permanent", K::Ints(at::STATUS_FAILURE_MIN, at::STATUS_FAILURE_MAX), D::Ints(at::PERMANENT_STATUS_DEFAULT), "http: statuses that end a job for good."),
    option("queues.<name>.handlers.<job name>.retry_after_max", K::Duration(0, at::HANDLER_LIMIT_MS_MAX), D::Ms(at::RETRY_AFTER_MS_DEFAULT), "http: a longer Retry-After is cut to this."),
    option("queues.<name>.handlers.<job name>.max_deferrals", K::Int(0, at::MAX_DEFERRALS_MAX), D::Int(at::MAX_DEFERRALS_DEFAULT), "http: how often Retry-After may put a job off without spending an attempt."),
    option("queues.<name>.handlers.<job name>.response_max", K::Size(at::BODY_BYTES_MIN, at::RESPONSE_BYTES_MAX), D::Bytes(at::RESPONSE_BYTES_DEFAULT), "A longer answer is refused."),
    option("queues.<name>.handlers.<job name>.allow_private", K::Bool, D::Bool(false), "http: lifts the rules against link-local and metadata addresses."),
    option("queues.<name>.handlers.<job name>.sync", K::Table, D::None, "Pages of items from a source, pushed in batches to a sink. http and exec options of this table hold for both."),
    option("queues.<name>.handlers.<job name>.sync.source", K::Table, D::None, "Where the items come from. Absent: the job's own data.items."),
    option("queues.<name>.handlers.<job name>.sync.source.http", K::Url, D::None, "Posted {job, cursor, limit}; answers {items, next, total?}."),
    option("queues.<name>.handlers.<job name>.sync.source.exec", K::Texts, D::None, "The same by a subprocess: program and arguments, no shell."),
    option("queues.<name>.handlers.<job name>.sync.sink", K::Table, D::None, "Where the items go. Absent only with dry_run."),
    option("queues.<name>.handlers.<job name>.sync.sink.http", K::Url, D::None, "Posted {job, items, batch, phase}; answers [{id, status, code?, message?}], status ok, skipped or failed."),
    option("queues.<name>.handlers.<job name>.sync.sink.exec", K::Texts, D::None, "The same by a subprocess: program and arguments, no shell."),
    option("queues.<name>.handlers.<job name>.sync.batch_size", K::Int(1, at::SYNC_BATCH_MAX), D::Int(at::SYNC_BATCH_DEFAULT), "Items in one batch."),
    option("queues.<name>.handlers.<job name>.sync.batch_delay", K::Duration(0, at::HANDLER_LIMIT_MS_MAX), D::Ms(0), "Shortest time from the start of one batch of new items to that of the next."),
    option("queues.<name>.handlers.<job name>.sync.item_attempts", K::Int(1, at::SYNC_ATTEMPTS_MAX), D::Int(at::SYNC_ATTEMPTS_DEFAULT), "How often an item is pushed at most."),
    option("queues.<name>.handlers.<job name>.sync.item_backoff", K::Table, D::None, "Wait before an item is pushed again: exponential or fixed."),
    option("queues.<name>.handlers.<job name>.sync.item_backoff.exponential", K::Duration(0, at::BACKOFF_STEP_MS_MAX), D::Ms(at::SYNC_BACKOFF_MS_DEFAULT), "So long the first time, and twice as long each time after."),
    option("queues.<name>.handlers.<job name>.sync.item_backoff.fixed", K::Duration(0, at::BACKOFF_STEP_MS_MAX), D::None, "Always so long."),
    option("queues.<name>.handlers.<job name>.sync.call_attempts", K::Int(1, at::SYNC_ATTEMPTS_MAX), D::Int(at::SYNC_ATTEMPTS_DEFAULT), "How often a call of source or sink that fails is made within one attempt of the job."),
    option("queues.<name>.handlers.<job name>.sync.on_exhausted", K::Choice(&["partial", "fail"]), D::Text("partial"), "A run with failed items is completed in part, or failed."),
    option("queues.<name>.handlers.<job name>.sync.item_max", K::Size(at::BODY_BYTES_MIN, at::RESPONSE_BYTES_MAX), D::Bytes(at::SYNC_ITEM_BYTES_DEFAULT), "A page with a larger item is refused."),
    option("queues.<name>.handlers.<job name>.sync.page_max", K::Int(1, at::SYNC_BATCH_MAX), D::Int(at::SYNC_BATCH_MAX), "A page with more items is refused."),
    option("queues.<name>.handlers.<job name>.sync.dry_run", K::Bool, D::Bool(false), "Read all pages, push nothing."),
    later("queues.<name>.handlers.<job name>.cloudevents", "CloudEvents headers"),
];
