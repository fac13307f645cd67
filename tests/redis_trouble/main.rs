//! What Redis and the network do to a worker, and that no job is lost or run twice by it. Each on both dialects.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

mod away;
mod lost_replies;
mod refusals;
mod replicas;
mod rig;
mod sockets;
mod stopping;
#[path = "../support/mod.rs"]
mod support;
