//! What others put into Redis, broken or foreign, placed between good jobs under a running worker: a dead letter with a
//! reason, a default, or a queue that halts with the key's name. No handler runs on garbage, good jobs are not held up.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]
#![allow(unreachable_pub, reason = "the modules of one test program")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../scripts/snapshot.rs"]
mod snapshot;

mod bodies;
mod bytes;
mod ground;
mod locks;
mod numbers;
mod other_dialect;
mod queue_keys;
