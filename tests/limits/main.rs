//! The clocks of a run stop it for real: requests are closed, process groups killed, threads left behind; and the job
//! leaves `active` whatever its handler does.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

mod backends;
mod functions;
#[path = "../cancel/rig.rs"]
#[allow(dead_code, reason = "its other half is for the tests of cancelling")]
mod rig;
#[path = "../support/mod.rs"]
mod support;
