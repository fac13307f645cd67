//! What handlers do with a job, against real backends, real processes and real functions.

// A test that unwraps says by its panic what went wrong.
#![allow(clippy::unwrap_used)]

mod addresses;
mod detached;
mod exec;
mod exec_stop;
mod express;
mod misbehaviour;
mod native;
mod options;
mod request;
mod response;
mod retry_after;
mod stream_bytes;
mod streams;
mod support;
mod tls;
