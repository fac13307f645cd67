//! Taking jobs from waiting into active.

use redis::Value;

use super::{Lane, Store, StoreError, array, bytes, integer, text};
use crate::job::JobId;
use crate::wire::Dialect;
use crate::wire::bull::ClaimedFields;

/// Longest rest that a claim on a `BullMQ` queue answers, ms: a limit that somebody lifts is noticed after it.
const REST_MS_MAX: i64 = 30_000;

/// What a claim asks for.
#[derive(Debug)]
pub struct ClaimRequest<'a> {
    /// How long each lease lasts, ms.
    pub lease_ms: u64,
    /// Something was claimed since the last `drained` event.
    pub busy: bool,
    /// The name that this worker shows (`BullMQ`'s field `pb`); empty = none.
    pub worker: &'a str,
    /// The rate limiter, as all workers of the queue must agree on it.
    pub limiter: Option<&'a Limiter>,
    /// One new token for each job wanted.
    pub tokens: &'a [String],
    /// One of the jobs may be a suspect: no other one runs in this process.
    pub may_take_suspect: bool,
}

/// The rate limiter (docs/wire/bull-4.md 9, docs/wire/bullmq.md 4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limiter {
    /// So many jobs …
    pub max: u64,
    /// … in so many ms.
    pub duration_ms: u64,
    /// Counted by the part of the job id after its last colon. Bull 4 only.
    pub grouped: bool,
}

/// What a claim got.
#[derive(Debug, Default)]
pub struct Claimed {
    /// Redis' time, ms.
    pub now_ms: i64,
    /// The queue rests this long: a backend asked for it, a rate limit is reached (`BullMQ`), or only suspects wait whose
    /// turn it is not; 0 = it does not.
    pub rest_ms: u64,
    /// Waiting ran dry, and `drained` was published.
    pub drained: bool,
    /// When the next delayed job is due, ms; `None` = none is delayed, or the dialect does not say (Bull 4).
    pub next_due_ms: Option<i64>,
    /// The jobs, in the order in which they were taken.
    pub jobs: Vec<ClaimedJob>,
}

/// One claimed job, not decoded yet.
#[derive(Debug)]
pub struct ClaimedJob {
    /// Its id.
    pub id: JobId,
    /// Which of the request's tokens holds it.
    pub token_index: usize,
    /// The fencing number of this run.
    pub fence: u64,
    /// Its hash.
    pub fields: ClaimedFields,
    /// Its hash was as its producer wrote it, and has so many fields now that it runs. `None` = there was more in it, or the
    /// dialect does not say (Bull 4).
    pub plain_fields: Option<u8>,
    /// Its worker died before: how many crashes it is charged with. `None` = it is no suspect.
    pub suspect: Option<u32>,
}

impl Store {
    /// Claims up to one job for each token. Sent again under the same lane and number, it answers with the same jobs.
    pub async fn claim(&self, lane: &Lane, request: &ClaimRequest<'_>) -> Result<Claimed, StoreError> {
        let script = if self.turns.is_some() { &self.scripts.claim_in_turns } else { &self.scripts.claim };
        let mut call = script.call(&self.keys);
        call.arg(&lane.name).arg(lane.request).arg(request.lease_ms).arg(request.tokens.len());
        let (max, duration) = request.limiter.map_or((0, 0), |limiter| (limiter.max, limiter.duration_ms));
        let dialect = self.dialect();
        match dialect {
            Dialect::Bull => {
                let grouped = request.limiter.is_some_and(|limiter| limiter.grouped);
                call.arg(u8::from(request.busy)).arg(max).arg(duration).arg(u8::from(grouped))
            }
            Dialect::BullMq => call.arg(request.worker).arg(max).arg(duration),
        };
        for token in request.tokens {
            call.arg(token);
        }
        if request.may_take_suspect {
            call.arg(1);
        }
        let mut reply = script.run(&self.connection, &call).await?;
        if let (Value::Int(_), Some(turns)) = (&reply, &self.turns) {
            // Nobody has said the terms, or the queue was obliterated since.
            self.say_turns(turns).await?;
            reply = script.run(&self.connection, &call).await?;
        }
        read_claimed(dialect, request, reply)
    }
}

/// Fields that every `BullMQ` producer writes (docs/wire/bullmq.md 2).
const PRODUCED_FIELDS: u8 = 6;
/// What the reply tells of a plain job: four of them, and its id.
const PLAIN_REPLY: usize = 5;

fn read_claimed(dialect: Dialect, request: &ClaimRequest<'_>, reply: Value) -> Result<Claimed, StoreError> {
    let mut parts = array(reply)?.into_iter();
    let mut number = || parts.next().map_or(Ok(0), |value| integer(&value));
    let (now_ms, rest_ms, first_fence, drained) = (number()?, number()?, number()?, number()?);
    let (rest_ms, next_due_ms) = match dialect {
        Dialect::Bull => (rest_ms, None),
        Dialect::BullMq => {
            let next_due = parts.next().map(text).transpose()?;
            (rest_ms.min(REST_MS_MAX), next_due.and_then(|ms| ms.parse().ok()))
        }
    };
    let mut jobs = Vec::with_capacity(parts.len());
    for (token_index, fields) in parts.enumerate() {
        let fields = array(fields)?;
        if fields.is_empty() {
            continue;
        }
        // The claim has added processedOn and ats, and pb if the worker has a name.
        let started_fields = if request.worker.is_empty() { 2 } else { 3 };
        let is_plain = dialect == Dialect::BullMq && fields.len() == PLAIN_REPLY;
        let plain_fields = is_plain.then_some(PRODUCED_FIELDS + started_fields);
        let (id, fields, suspect) = match dialect {
            Dialect::Bull => bull_fields(fields),
            Dialect::BullMq => bullmq_fields(fields),
        };
        let id = id.ok_or_else(|| StoreError::Protocol("a claimed job without an id".into()))?;
        jobs.push(ClaimedJob {
            id: String::from_utf8_lossy(&id).as_ref().into(),
            token_index,
            fence: first_fence.max(0).cast_unsigned() + token_index as u64,
            fields,
            plain_fields,
            suspect,
        });
    }
    Ok(Claimed { now_ms, rest_ms: rest_ms.max(0).cast_unsigned(), drained: drained == 1, next_due_ms, jobs })
}

/// One job as lua/bull/claim.lua tells it.
fn bull_fields(fields: Vec<Value>) -> (Option<Vec<u8>>, ClaimedFields, Option<u32>) {
    let mut fields = fields.into_iter();
    let mut next = || fields.next().and_then(bytes);
    let (name, data, opts, attempts_made) = (next(), next(), next(), next());
    let _processed_on = next();
    let id = next();
    let (stacktrace, progress, checkpoint) = (next(), next(), next());
    let suspect = count(next());
    let told = ClaimedFields {
        name,
        data,
        opts,
        attempts_made,
        stacktrace,
        progress,
        checkpoint,
        ..Default::default()
    };
    (id, told, suspect)
}

/// One job as lua/bullmq/claim.lua tells it.
fn bullmq_fields(fields: Vec<Value>) -> (Option<Vec<u8>>, ClaimedFields, Option<u32>) {
    let mut fields = fields.into_iter();
    let mut next = || fields.next().and_then(bytes);
    let (name, data, opts, timestamp, id) = (next(), next(), next(), next(), next());
    let (attempts_made, attempts_started) = (next(), next());
    let (deferred, scheduler, parent_key) = (next(), next(), next());
    let (stacktrace, progress, checkpoint) = (next(), next(), next());
    let suspect = count(next());
    let told = ClaimedFields {
        name,
        data,
        opts,
        attempts_made,
        stacktrace,
        progress,
        checkpoint,
        timestamp,
        attempts_started,
        deferred,
        scheduler,
        parent_key,
    };
    (id, told, suspect)
}

fn count(text: Option<Vec<u8>>) -> Option<u32> {
    text.map(|text| String::from_utf8_lossy(&text).parse().unwrap_or(0))
}
