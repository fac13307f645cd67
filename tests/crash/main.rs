//! Worker processes that die in mid-job: whom their deaths are charged to, and whom not.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

mod fleet;
mod living;
mod poison;
#[path = "../support/mod.rs"]
mod support;
mod suspects;
