//! What the outside sees of a worker process: health, metrics, and the callbacks of handlers.
//!
//! ```text
//!  socket ─▶ connection ─▶ guard ─────────▶ routes ──▶ store ──▶ Redis
//!            time-outs      every request:   the table    callbacks are decided by the scripts,
//!                           Host, ids,       path × role  never by what this process remembers
//!                           headers, errors
//! ```
//!
//! Owns: the listener, who may ask for what, the form of answers and errors. Must never know: the worker, the config
//! file. Called by `app`, which joins the worker's observer to [`Metrics`] and tells [`Readiness`].

pub mod auth;
pub mod board;
mod body;
mod budget;
mod connection;
mod guard;
pub mod hooks;
pub mod live;
pub mod metrics;
mod operations;
mod problem;
mod queues;
pub mod routes;
mod serve_error;
pub mod server;
mod session;
mod ui;

pub use auth::{Role, TokenOptions};
pub use board::BoardOptions;
pub use metrics::Metrics;
pub use server::{CallbackEnd, QueueOptions, Queues, Readiness, ServeError, Server, ServerOptions};
