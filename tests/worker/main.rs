//! The worker against real npm bull: Bull adds, listens and asks; Rust functions do the jobs.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

mod claim;
mod control;
mod ends;
mod faults;
mod leases;
mod limiter;
mod limits;
mod neighbours;
mod options;
mod quiet;
mod recovery;
mod repeat;
mod retention;
mod retry;
mod rig;
mod shutdown;
#[path = "../support/mod.rs"]
mod support;
mod writes;
