//! The dashboard as its readers meet it: a real Chromium, a real `bullock`, a real Redis, jobs of the real npm packages.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]
#![allow(unreachable_pub, reason = "browser.rs and site.rs are modules of this program only")]

#[allow(dead_code, reason = "the other program that has it kills these servers")]
#[path = "../examples/server.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;

mod access;
mod browser;
mod cancel;
mod every_page;
mod healing;
mod history;
mod hostile;
mod idle;
mod keyboard;
mod live;
mod site;
mod size;
mod syncs;
