//! Several worker processes on the same queues: the real binary, Node's workers beside it, and faults of processes.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

mod backend;
mod bullmq;
mod bullmq_killed;
mod crowded;
mod frozen;
mod killed;
mod shared;
#[path = "../support/mod.rs"]
mod support;
