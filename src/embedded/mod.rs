//! The private redis-server: what `bullock dev`, `bullock demo` and `bullock run` without a Redis URL stand on.
//!
//! Owns: finding, starting and ending one child process, and its data directory. Must never know: queues, jobs, the
//! config file. Called by `app` and `cli`, with plain arguments.

mod client;
mod data_dir;
mod error;
mod install;
mod orphan;
mod redis;
mod settings;

pub use self::error::StartError;
pub use self::redis::{Options, Redis, Stopped, Storage};
