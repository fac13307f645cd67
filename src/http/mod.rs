//! The HTTP client: connections, time-outs, signatures, the rules about addresses.
//!
//! Owns: everything between a request that is ready and its response. Must never know: jobs, queues, what a
//! status means. Called by `handler::http`, the alerts and the command line. The only room that names `reqwest`.

pub mod address;
pub mod client;
pub mod health;
pub mod room;
pub mod sign;

pub use client::{Client, ClientOptions, Clients, Response, TransportError};
pub use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
pub use reqwest::{Method, StatusCode, Url};
