//! `BullMQ` queues: npm `bullmq` 5 and 6 add, listen and ask; our worker and our commands do the rest.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

mod commands;
mod config;
mod damage;
mod dialect;
mod ends;
mod flows;
mod limits;
mod mirror;
mod neighbours;
mod parents;
mod pausing;
mod python;
mod rig;
mod schedulers;
#[path = "../support/mod.rs"]
mod support;
mod wakeup;
