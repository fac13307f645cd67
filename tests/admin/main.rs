//! The admin server as its callers meet it: a real server on a free port, a real Redis, bytes on real sockets.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]
#![allow(unreachable_pub, reason = "site.rs is a module of this program only")]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod bad_input;
mod callbacks;
mod health;
mod limits;
mod metrics;
mod site;
