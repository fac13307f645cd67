//! The JSON API as its clients meet it: a real server on a free port, a real Redis with queues of both kinds.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]
#![allow(unreachable_pub, reason = "site.rs is a module of this program only")]

#[path = "../support/mod.rs"]
mod support;

mod act;
mod add;
mod audit;
mod bad_input;
mod board;
mod bulk;
mod follow;
mod history;
mod jobs;
mod look;
mod openapi;
mod roles;
mod schedulers;
mod site;
mod stop;
mod syncs;
mod workers;
mod zombies;
