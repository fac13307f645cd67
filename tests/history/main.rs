//! History and statistics, and what is kept: figures of runs, ends of syncs, retention; against a real Redis, both dialects.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]
#![allow(unreachable_pub, reason = "the modules of one test program")]

#[path = "../support/mod.rs"]
mod support;

mod figures;
mod ground;
mod retention;
mod runs;
