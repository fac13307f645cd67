//! The shop and the back office of examples/store: real Node servers on both ends of the real binary, and what a long sync
//! promises, recounted from the back office's own ledger.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]
#![allow(unreachable_pub, reason = "the modules of one test program")]

#[path = "../support/mod.rs"]
mod support;

mod asked;
mod customers;
mod demo;
mod products;
mod scene;
mod server;
mod stuck;
mod webhook;
