//! Every default and every bound of the config, named with its unit.
//!
//! Owns: numbers. Must never know: anything else. Used by the catalogue of options; the values travel from there to the
//! other rooms as plain arguments.

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;
const KIB: u64 = 1_024;
const MIB: u64 = 1_024 * KIB;

/// Nobody has more replicas of one server.
pub const WAIT_REPLICAS_MAX: u64 = 10;
/// A lease runs this long without renewal. Short enough that a killed worker's job is taken up again within 17 s.
pub const LEASE_MS_DEFAULT: u64 = 15 * SECOND_MS;
/// Below this a stall of the machine or of Redis would cost leases of healthy runs.
pub const LEASE_MS_MIN: u64 = SECOND_MS;
/// Above this a dead worker's jobs would wait too long to be worth the name.
pub const LEASE_MS_MAX: u64 = HOUR_MS;
/// Leases are renewed this often.
pub const RENEW_MS_DEFAULT: u64 = 5 * SECOND_MS;
/// More often than this only loads Redis.
pub const RENEW_MS_MIN: u64 = 100;
/// A lease must survive two lost renewals: `renew` × this ≤ `lease`.
pub const RENEWALS_PER_LEASE: u64 = 3;
/// Expired leases are looked for at most this far apart.
pub const SWEEP_MS_DEFAULT: u64 = 2 * SECOND_MS;
/// More often than this only loads Redis.
pub const SWEEP_MS_MIN: u64 = 100;
/// Less often than this recovery would be slower than Bull's own.
pub const SWEEP_MS_MAX: u64 = MINUTE_MS;
/// The lower bound of lease, renew and sweep when `worker.allow_short_leases` is set, which is for tests.
pub const SHORT_MS_MIN: u64 = 10;
/// Running handlers get this long to finish after a stop signal.
pub const SHUTDOWN_GRACE_MS_DEFAULT: u64 = 30 * SECOND_MS;
/// Longer than any deployment waits.
pub const SHUTDOWN_GRACE_MS_MAX: u64 = 24 * HOUR_MS;
/// A handler whose job was cancelled gets this long to end by itself.
pub const CANCEL_GRACE_MS_DEFAULT: u64 = 10 * SECOND_MS;
/// Longer than any person waits who has cancelled.
pub const CANCEL_GRACE_MS_MAX: u64 = HOUR_MS;
/// Bull's `maxStalledCount`.
pub const MAX_STALLED_DEFAULT: u64 = 1;
/// More stalls than this are a loop, not bad luck.
pub const MAX_STALLED_MAX: u64 = 1_000;
/// Crashes of its own after which a job is a dead letter.
pub const CRASH_LIMIT_DEFAULT: u64 = 3;
/// More crashes than this are no accident.
pub const CRASH_LIMIT_MAX: u64 = 1_000;
/// The most that `worker.max_started` can be raised to.
pub const MAX_STARTED_MAX: u64 = 1_000_000;

/// Bull's default prefix.
pub const PREFIX_DEFAULT: &str = "bull";
/// Bytes of a prefix.
pub const PREFIX_BYTES_MAX: usize = 128;
/// Bytes of a queue's name.
pub const QUEUE_NAME_BYTES_MAX: usize = 128;
/// Bytes of a job's name in the config.
pub const JOB_NAME_BYTES_MAX: usize = 256;
/// Bytes of a worker's name: it becomes part of tokens, keys and log lines.
pub const WORKER_NAME_BYTES_MAX: usize = 128;

/// The admin server's address: loopback, so that it is safe without tokens.
pub const ADMIN_LISTEN_DEFAULT: &str = "127.0.0.1:7979";
/// Tokens of the admin server.
pub const TOKENS_MAX: usize = 1_000;

/// Jobs of one queue that one process runs at a time, as in Bull.
pub const CONCURRENCY_DEFAULT: u64 = 1;
/// More than this is a slip of the keyboard.
pub const CONCURRENCY_MAX: u64 = 10_000;
/// Queues of one process: each has a connection of its own.
pub const QUEUES_MAX: usize = 1_000;
/// Jobs that one window of a rate limit lets through.
pub const RATE_JOBS_MAX: u64 = 1_000_000;
/// The shortest window of a rate limit.
pub const RATE_WINDOW_MS_MIN: u64 = 1;
/// The longest window of a rate limit.
pub const RATE_WINDOW_MS_MAX: u64 = 31 * DAY_MS;
/// Minutes of metrics that Bull keeps when told so: two weeks.
pub const METRICS_POINTS_MAX: u64 = 10 * 20_160;
/// The longest that ended jobs are kept by age.
pub const RETENTION_AGE_MS_MAX: u64 = 3_650 * DAY_MS;
/// The shortest that ended jobs are kept by age: Bull counts whole seconds.
pub const RETENTION_AGE_MS_MIN: u64 = SECOND_MS;
/// The most ended jobs that are kept by count.
pub const RETENTION_COUNT_MAX: u64 = 100_000_000;
/// A job's data above this is refused instead of read into memory.
pub const PAYLOAD_BYTES_DEFAULT: u64 = MIB;
/// The most that `payload_max` can be raised to.
pub const PAYLOAD_BYTES_MAX: u64 = 64 * MIB;
/// The least that makes sense for any limit of bytes.
pub const BODY_BYTES_MIN: u64 = KIB;
/// An answer of a handler above this is refused.
pub const RESPONSE_BYTES_DEFAULT: u64 = MIB;
/// The most that `response_max` can be raised to.
pub const RESPONSE_BYTES_MAX: u64 = 64 * MIB;

/// How long connecting to a handler may take.
pub const CONNECT_MS_DEFAULT: u64 = 5 * SECOND_MS;
/// The least of any of a handler's limits.
pub const HANDLER_LIMIT_MS_MIN: u64 = 10;
/// The most of any of a handler's limits.
pub const HANDLER_LIMIT_MS_MAX: u64 = 30 * DAY_MS;
/// Silence allowed once a handler streams or is detached.
pub const HEARTBEAT_MS_DEFAULT: u64 = MINUTE_MS;
/// A `Retry-After` above this is cut to it.
pub const RETRY_AFTER_MS_DEFAULT: u64 = HOUR_MS;
/// How often a job may be put off by `Retry-After` without spending an attempt.
pub const MAX_DEFERRALS_DEFAULT: u64 = 20;
/// The most that `max_deferrals` can be raised to.
pub const MAX_DEFERRALS_MAX: u64 = 1_000_000;
/// Answers that end a job for good: bad input stays bad.
pub const PERMANENT_STATUS_DEFAULT: &[u64] = &[400, 410, 422];
/// The first status that can mean failure.
pub const STATUS_FAILURE_MIN: u64 = 400;
/// The last status that there is.
pub const STATUS_FAILURE_MAX: u64 = 599;
/// Bytes of a signing secret, so that it cannot be guessed.
pub const SECRET_BYTES_MIN: usize = 24;
/// Secrets in force at a time: the old and the new one while rotating, and one spare.
pub const SECRETS_MAX: usize = 3;
/// Variables of our environment that a subprocess is given.
pub const EXEC_ENV_DEFAULT: &[&str] = &["PATH", "HOME"];
/// Arguments of a subprocess.
pub const EXEC_ARGS_MAX: usize = 1_000;
/// Headers that a handler adds.
pub const HEADERS_MAX: usize = 100;

/// Receivers of alerts.
pub const ALERTS_MAX: usize = 20;
/// The longest time of an alert's threshold.
pub const ALERT_MS_MAX: u64 = 30 * DAY_MS;
/// Most zombies that an alert can wait for.
pub const ALERT_ZOMBIES_MAX: u64 = 200;

/// Steps of a backoff type.
pub const BACKOFF_STEPS_MAX: usize = 1_000;
/// The longest step of a backoff type.
pub const BACKOFF_STEP_MS_MAX: u64 = 365 * DAY_MS;

/// Names whose values never show up in logs, wherever in the data they are.
pub const REDACT_DEFAULT: &[&str] = &["password", "token", "secret", "authorization", "api_key", "cookie"];

/// Bytes of a config file: more is another file given by mistake.
pub const CONFIG_BYTES_MAX: u64 = 4 * MIB;
/// Characters of a value in an error line.
pub const SHOWN_CHARS_MAX: usize = 60;

/// Items in one batch of a sync.
pub const SYNC_BATCH_DEFAULT: u64 = 50;
/// Most items in one batch, or on one page, of a sync: they travel in one request.
pub const SYNC_BATCH_MAX: u64 = 10_000;
/// How often an item is pushed, and how often a call is made within one attempt.
pub const SYNC_ATTEMPTS_DEFAULT: u64 = 3;
/// Most of either.
pub const SYNC_ATTEMPTS_MAX: u64 = 100;
/// Wait before an item is pushed for the second time, ms.
pub const SYNC_BACKOFF_MS_DEFAULT: u64 = 1000;
/// Largest item of a sync, bytes.
pub const SYNC_ITEM_BYTES_DEFAULT: u64 = 256 * 1024;
