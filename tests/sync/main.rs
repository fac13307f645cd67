//! Syncs: pages from a source, batches to a sink, committed one by one; against a real Redis, in both dialects.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]
#![allow(unreachable_pub, reason = "the modules of one test program")]

#[path = "../support/mod.rs"]
mod support;

mod after;
mod audit;
mod bad_sides;
mod commands;
mod items;
mod mortal;
mod operate;
mod over_http;
mod random;
mod restart;
mod shop;
mod start;
mod watermark;
