//! The key that tells a backend "this is the same job as before".
//!
//! Owns: how the key is made. Must never know: who is told. Called by the HTTP and subprocess handlers, and by
//! Rust functions that call something themselves.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::RunInfo;
use crate::job::Job;

/// The job's key: the same for all its attempts, new for a later job that reuses the id. It is the
/// `Idempotency-Key` and the `webhook-id` of a request, and `IDEMPOTENCY_KEY` of a subprocess.
///
/// 43 characters of `A-Z a-z 0-9 - _`; no dots, which would blur what a signature covers.
///
/// A call within a run, as a sync makes one for each batch, has a key of its own ([`RunInfo::key`]).
pub fn key<T>(run: &RunInfo, job: &Job<T>) -> String {
    if let Some(key) = &run.key {
        return key.to_string();
    }
    let mut hash = Sha256::new();
    for part in [&*run.prefix, &*job.queue, job.id.as_str()] {
        // The length keeps ("a", "bc") apart from ("ab", "c").
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(job.timestamp.to_be_bytes());
    URL_SAFE_NO_PAD.encode(hash.finalize())
}
