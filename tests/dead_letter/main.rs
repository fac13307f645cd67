//! Dead letters: what is told of them, how they come back, and copies in another queue. Both kinds of queues, made and
//! judged by the real libraries.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

mod copies;
mod edited;
mod ground;
mod listed;
mod purged;
mod replayed;
mod resumed;
#[path = "../support/mod.rs"]
mod support;
