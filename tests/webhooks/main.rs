//! Inbound webhooks: signed requests as shops send them, against a real server and a real Redis.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]
#![allow(
    unreachable_pub,
    dead_code,
    reason = "the modules of one test program; the site has more than is used here"
)]

#[path = "../admin/site.rs"]
mod site;
#[path = "../support/mod.rs"]
mod support;

mod binary;
mod deliveries;
mod refusals;
mod sender;
