//! What handlers do with a job, against real backends, real processes and real functions.

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
mod streams;
mod support;
