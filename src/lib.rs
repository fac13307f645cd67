//! **Bullock**, the Rust worker for Bull queues.
//!
//! A tour of the house, from the bottom to the top. Each room knows only those above it in this list:
//!
//! | room | what it owns |
//! |---|---|
//! | [`job`] | what a job is: id, options, backoff, schedules, states. Pure rules |
//! | [`wire`] | bytes in Redis ⇄ job: key names, hash fields, event payloads |
//! | [`store`] | the only user of Redis: connections, our Lua scripts, one function for each transition |
//! | [`http`] | the HTTP client: time-outs, signatures, the address rules |
//! | [`handler`] | what a job does: the [`handler::Handler`] trait; HTTP, subprocess and Rust handlers |
//! | [`sync`] | syncs: pages of items pushed in batches, committed one by one; a handler like the others |
//! | [`worker`] | when things happen: one short file for each duty |
//! | [`admin`] | what the outside sees of a process: health, metrics, the handlers' callbacks |
//! | [`config`], [`embedded`], [`telemetry`] | the config file, the private redis-server, the logs |
//! | [`app`] | the start chain on one page |
//! | [`cli`] | the commands |
//!
//! `tests/architecture.rs` reads the imports and fails on any that points the other way.

pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod embedded;
pub mod handler;
pub mod http;
pub mod job;
pub mod store;
pub mod sync;
pub mod telemetry;
pub mod wire;
pub mod worker;

pub use handler::Context;
pub use handler::native::JobError;
pub use job::Job;
pub use store::Queue;
pub use worker::Worker;
