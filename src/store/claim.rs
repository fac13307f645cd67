//! Taking jobs from waiting into active.

use redis::Value;

use super::{Lane, Store, StoreError, array, bytes, integer};
use crate::job::JobId;
use crate::wire::bull::ClaimedFields;

/// What a claim asks for.
#[derive(Debug)]
pub struct ClaimRequest<'a> {
    /// How long each lease lasts, ms.
    pub lease_ms: u64,
    /// Something was claimed since the last `drained` event.
    pub busy: bool,
    /// Bull's rate limiter, as all workers of the queue must agree on it.
    pub limiter: Option<&'a Limiter>,
    /// One new token for each job wanted.
    pub tokens: &'a [String],
}

/// Bull's rate limiter (docs/wire/bull-4.md 9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limiter {
    /// So many jobs …
    pub max: u64,
    /// … in so many ms.
    pub duration_ms: u64,
    /// Counted by the part of the job id after its last colon.
    pub grouped: bool,
}

/// What a claim got.
#[derive(Debug, Default)]
pub struct Claimed {
    /// Redis' time, ms.
    pub now_ms: i64,
    /// The queue rests this long (a backend asked for it); 0 = it does not.
    pub rest_ms: u64,
    /// Waiting ran dry, and `drained` was published.
    pub drained: bool,
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
}

impl Store {
    /// Claims up to one job for each token. Sent again under the same lane and number, it answers with the same jobs.
    pub async fn claim(&self, lane: &Lane, request: &ClaimRequest<'_>) -> Result<Claimed, StoreError> {
        let script = &self.scripts.claim;
        let mut call = script.call(&self.keys);
        call.arg(&lane.name).arg(lane.request).arg(request.lease_ms).arg(request.tokens.len());
        call.arg(u8::from(request.busy));
        match request.limiter {
            Some(limiter) => call.arg(limiter.max).arg(limiter.duration_ms).arg(u8::from(limiter.grouped)),
            None => call.arg(0).arg(0).arg(0),
        };
        for token in request.tokens {
            call.arg(token);
        }
        read_claimed(script.run(&self.connection, &call).await?)
    }
}

fn read_claimed(reply: Value) -> Result<Claimed, StoreError> {
    let mut parts = array(reply)?.into_iter();
    let mut number = || parts.next().map_or(Ok(0), |value| integer(&value));
    let (now_ms, rest_ms, first_fence, drained) = (number()?, number()?, number()?, number()?);
    let mut jobs = Vec::with_capacity(parts.len());
    for (token_index, fields) in parts.enumerate() {
        let mut fields = array(fields)?.into_iter();
        if fields.len() == 0 {
            continue;
        }
        let mut next = || fields.next().and_then(bytes);
        let (name, data, opts, attempts_made) = (next(), next(), next(), next());
        let _processed_on = next();
        let id = next().ok_or_else(|| StoreError::Protocol("a claimed job without an id".into()))?;
        let (stacktrace, progress, checkpoint) = (next(), next(), next());
        jobs.push(ClaimedJob {
            id: String::from_utf8_lossy(&id).as_ref().into(),
            token_index,
            fence: first_fence.max(0).cast_unsigned() + token_index as u64,
            fields: ClaimedFields { name, data, opts, attempts_made, stacktrace, progress, checkpoint },
        });
    }
    Ok(Claimed { now_ms, rest_ms: rest_ms.max(0).cast_unsigned(), drained: drained == 1, jobs })
}
