//! What the tests stand on: a real redis-server, real Node programs, the real `bullock` binary.
//!
//! A test folder takes it in with `#[path = "../support/mod.rs"] mod support;`. Everything that is started here dies
//! with the value that stands for it, and also when the test process itself is killed.

#![allow(dead_code, unreachable_pub, reason = "each test folder compiles this and uses a part of it")]
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test reports by panicking")]

pub mod bullock;
pub mod http;
pub mod load;
pub mod many;
pub mod metrics;
pub mod node;
pub mod process;
pub mod proxy;
pub mod redis;
pub mod requests;
pub mod wait;

/// How many random runs there are: what the environment says, else `otherwise`.
pub fn runs(name: &str, otherwise: usize) -> usize {
    let asked = std::env::var(name).ok().filter(|text| !text.is_empty());
    asked
        .map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: expected a number")))
}
