//! Live events as their readers meet them: a real server, a real Redis, real npm producers and workers, bytes on real
//! sockets.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]
#![allow(unreachable_pub, reason = "stage.rs is a module of this program only")]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod command;
mod events;
mod health;
mod many;
mod stage;
mod websocket;
