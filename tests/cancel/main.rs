//! Cancelling: from any process, wherever the job is, whoever dies meanwhile. Judged by npm `bull` and `bullmq`.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

mod backends;
mod command;
mod dead;
mod rig;
mod running;
#[path = "../support/mod.rs"]
mod support;
mod waiting;
