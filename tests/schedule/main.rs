//! Schedules, waits and states: what npm `bull` 4.16.5 computes, by its golden vectors, and `cron-parser` 4.9.0 over
//! a grid of patterns, zones and instants.

// A test that panics has failed, which is what unwrap is for here.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod backoff;
mod config;
mod cron;
mod garbage;
mod overlap;
mod repeat;
mod scheduler;
mod state;

use serde_json::Value;

/// The golden vectors of Bull 4 (docs/wire/bull-4.md 14).
fn bull_vectors() -> Value {
    serde_json::from_str(include_str!("../wire/bull-4.vectors.json")).expect("vectors are JSON")
}
