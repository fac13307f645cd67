//! The Lua scripts by themselves, on a real Redis: their guards, and what holds for every one of them.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]
#![allow(unreachable_pub, reason = "the modules of one test program")]

#[path = "../support/mod.rs"]
mod support;

mod batches;
mod big;
mod bullmq_batches;
mod bullmq_guards;
mod bullmq_worker;
mod clock;
mod codes;
mod fencing;
mod ground;
mod guards;
mod machine;
mod many;
mod memory;
mod numbers;
mod plain;
mod producer;
mod reconnect;
mod records;
mod snapshot;
mod suspects;
mod transitions;
mod twice;
mod wrong_types;
