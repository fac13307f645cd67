//! Organisations share a queue: their limits hold over any number of processes and deaths, and where it is fair they
//! take turns. Whatever npm `bull` and `bullmq` add, remove, pause or retry meanwhile leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

mod fair;
mod kills;
mod limits;
mod meanwhile;
#[path = "../cancel/rig.rs"]
#[allow(dead_code, reason = "its other half is for the tests of cancelling")]
mod rig;
#[path = "../support/mod.rs"]
mod support;
mod syncs;
mod terms;
