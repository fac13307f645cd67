//! One client for all requests: keep-alive, no redirects, no proxies, no decompression, no hidden retries.
//!
//! Owns: how connections are made and kept. Must never know: what is sent. Called by whoever sends requests,
//! through [`Clients`], which hands out the same client for the same options.

use std::collections::HashMap;
use std::error::Error as _;
use std::path::Path;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Method, StatusCode, Url, header::HeaderMap};

use super::address::PublicOnly;
use super::room;

/// Longest wait for a connection (name lookup, TCP and TLS) unless configured.
pub const CONNECT_DEFAULT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept. Below the 5 s after which a Node server closes one: a request sent into
/// a connection that is just being closed fails without anybody's fault.
const POOL_IDLE: Duration = Duration::from_secs(4);
/// Idle connections kept for each backend: as many as jobs that may reasonably run at once.
const POOL_IDLE_PER_HOST_MAX: usize = 256;
/// A silent connection is probed, because a job may take hours to answer and NAT tables forget.
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
const TCP_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const TCP_KEEPALIVE_PROBES: u32 = 3;
/// Most response headers that are read; more is an error.
const RESPONSE_HEADERS_MAX: usize = 100;

/// What makes one client differ from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientOptions {
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Connect to this socket instead of the URL's host.
    pub unix_socket: Option<Arc<Path>>,
    /// Refuse names that resolve to loopback, private or otherwise internal addresses (see [`super::address`]).
    /// Literal addresses in a URL do not pass the resolver: check those with
    /// [`address::check_literal`](super::address::check_literal).
    pub public_only: bool,
    /// Will `https` be spoken? Without it no certificates are loaded, so that a container without any can still
    /// reach a backend over plain HTTP.
    pub tls: bool,
}

impl ClientOptions {
    /// The options for a URL that the operator wrote out.
    pub fn for_url(url: &Url) -> Self {
        Self { connect: CONNECT_DEFAULT, unix_socket: None, public_only: false, tls: url.scheme() == "https" }
    }
}

/// Hands out clients: one connection pool for each set of options, for the whole process and over reloads.
#[derive(Debug, Clone, Default)]
pub struct Clients(Arc<Mutex<HashMap<ClientOptions, Client>>>);

impl Clients {
    /// The client for these options, made at the first call.
    ///
    /// # Errors
    /// TLS cannot be set up, as when the machine has no CA certificates.
    pub fn client(&self, options: &ClientOptions) -> Result<Client, TransportError> {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(options) {
            return Ok(client.clone());
        }
        let client = Client::new(options)?;
        clients.insert(options.clone(), client.clone());
        Ok(client)
    }
}

/// A connection pool. Clones share it.
#[derive(Debug, Clone)]
pub struct Client(reqwest::Client);

impl Client {
    fn new(options: &ClientOptions) -> Result<Self, TransportError> {
        install_crypto();
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .referer(false)
            .http1_only()
            .http1_max_headers(RESPONSE_HEADERS_MAX)
            .connect_timeout(options.connect)
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_IDLE_PER_HOST_MAX)
            .tcp_nodelay(true)
            .tcp_keepalive(TCP_KEEPALIVE)
            .tcp_keepalive_interval(TCP_KEEPALIVE_INTERVAL)
            .tcp_keepalive_retries(TCP_KEEPALIVE_PROBES);
        // No total and no read time-out: the caller knows how long a job may take.
        if !options.tls {
            let none = rustls::ClientConfig::builder()
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
            builder = builder.tls_backend_preconfigured(none);
        }
        if options.public_only {
            builder = builder.dns_resolver(Arc::new(PublicOnly));
        }
        if let Some(path) = &options.unix_socket {
            builder = builder.unix_socket(path.as_ref());
        }
        match builder.build() {
            Ok(client) => Ok(Self(client)),
            Err(error) => Err(TransportError { kind: TransportErrorKind::Setup, cause: root_cause(&error) }),
        }
    }

    /// Sends a request and waits for the head of the response. Dropping the future closes the connection.
    pub async fn send(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response, TransportError> {
        let mut request = reqwest::Request::new(method, url);
        *request.headers_mut() = headers;
        *request.body_mut() = Some(body.into());
        self.0.execute(request).await.map(Response).map_err(|error| TransportError::of(&error))
    }
}

/// A response whose head has arrived. Dropping it before its end closes the connection.
#[derive(Debug)]
pub struct Response(reqwest::Response);

impl Response {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    /// The next piece of the body, as it came from the network; `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        self.0.chunk().await.map_err(|error| TransportError::of(&error))
    }
}

/// How far a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportErrorKind {
    /// The client could not be built.
    Setup,
    /// No connection: the backend has not seen the request.
    Connect,
    /// No connection, because this machine has no file or memory left for one.
    NoRoom,
    /// No connection within the limit.
    ConnectTimeout,
    /// The connection broke before the head of the response: whether the backend did the work is unknown.
    Exchange,
    /// The connection broke within the body of the response.
    Body,
}

/// No (whole) response. Its text never holds the URL, which may carry a key in its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportError {
    /// How far it came.
    pub kind: TransportErrorKind,
    /// What the operating system or the protocol said.
    pub cause: String,
}

impl TransportError {
    fn of(error: &reqwest::Error) -> Self {
        let kind = if error.is_connect() {
            if error.is_timeout() {
                TransportErrorKind::ConnectTimeout
            } else if is_our_own(error) {
                TransportErrorKind::NoRoom
            } else {
                TransportErrorKind::Connect
            }
        } else if error.is_body() || error.is_decode() {
            TransportErrorKind::Body
        } else if error.is_builder() {
            TransportErrorKind::Setup
        } else {
            TransportErrorKind::Exchange
        };
        Self { kind, cause: root_cause(error) }
    }
}

impl std::fmt::Display for TransportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cause = &self.cause;
        match self.kind {
            TransportErrorKind::Setup => write!(f, "the HTTP client cannot be set up: {cause}"),
            TransportErrorKind::Connect | TransportErrorKind::NoRoom => write!(f, "cannot connect: {cause}"),
            TransportErrorKind::ConnectTimeout => {
                f.write_str("cannot connect: no connection within the limit")
            }
            TransportErrorKind::Exchange => write!(f, "the connection broke before an answer: {cause}"),
            TransportErrorKind::Body => write!(f, "the connection broke within the answer: {cause}"),
        }
    }
}

impl std::error::Error for TransportError {}

/// Is it this machine that has no room for a connection?
fn is_our_own(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.downcast_ref().is_some_and(room::is_out) {
            return true;
        }
        cause = inner.source();
    }
    false
}

/// The innermost error: the outer ones only say "error sending request for url (…)".
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if error.source().is_none() { error_without_url(error) } else { cause.to_string() }
}

fn error_without_url(error: &reqwest::Error) -> String {
    let text = error.to_string();
    text.split(" for url (").next().unwrap_or("unknown error").to_owned()
}

/// rustls takes one provider of cryptography for the whole process; ours is ring. If somebody installed another
/// before, that one serves as well.
pub fn install_crypto() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}
