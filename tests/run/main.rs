//! The real binary from its start to its end: what it prints, what it refuses, what it leaves behind.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod alerts;
mod backend;
mod callbacks;
mod check;
mod collector;
mod config;
mod demo;
mod dev;
mod jobs;
mod logs;
mod metrics;
mod otel;
mod private;
mod program;
mod redis_certificates;
mod redis_states;
mod redis_tls;
mod starting;
mod stop;
