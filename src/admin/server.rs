//! The listener: bound before the worker starts, served on a thread of its own.
//!
//! A flood of slow clients must not take time from jobs, so the server has a single-threaded runtime beside the
//! worker's (a thread that sleeps costs about 100 kB and nothing else). Connections to Redis are driven by the runtime
//! that opened them: give the server connections of its own.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::auth::{TokenOptions, Tokens};
use super::board::{Board, BoardOptions};
use super::budget::Budget;
use super::hooks::{self, HookOptions, Hooks};
use super::live::{Live, STREAMS_MAX};
use super::metrics::{Metrics, Outcome, open_files_max};
use super::operations::Operations;
pub use super::queues::{QueueOptions, Queues};
use super::routes::login::ONCE;
use super::routes::metrics::Scrape;
use super::routes::stats::Figures;
pub use super::serve_error::ServeError;
use super::session::Sessions;
use super::ui::Ui;
use super::{connection, routes};
use crate::store::Store;
use crate::wire::redact::Redaction;

/// Most connections at once. Further ones wait in the kernel's queue until one ends.
pub const CONNECTIONS_MAX: usize = 1024;
/// The part of the process' file descriptors that connections may take: the worker's own must never run out.
const DESCRIPTORS_PART: f64 = 0.25;
/// The part of the connections that streams may take, where there may be few of them: requests must find room.
const STREAMS_PART: f64 = 0.6;
/// How long requests under way may go on after a stop.
pub const STOP_GRACE: Duration = Duration::from_secs(3);
/// Pause after a failed accept, such as when the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Names by which a loopback listener is reached.
const LOOPBACK_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// What a server is made of.
pub struct ServerOptions {
    /// Where to listen; port 0 = any free one.
    pub listen: SocketAddr,
    /// Who may ask. Empty is allowed on a loopback address only; whoever reaches that one may operate.
    pub tokens: Vec<TokenOptions>,
    /// Further host names (without port) by which a loopback listener without tokens is reached, such as that of
    /// `admin.public_url`.
    pub hosts: Vec<String>,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// What `/readyz` says. Called at every probe: must be quick and must not block.
    pub readiness: Arc<dyn Fn() -> Readiness + Send + Sync>,
    /// The queues of this process.
    pub queues: Vec<QueueOptions>,
    /// Told of every run that a callback has ended, so that the worker can free its slot at once. Must not block.
    pub on_end: Option<OnEnd>,
    /// The path that the server lives under besides `/`: it begins and ends with a slash.
    pub base_path: String,
    /// Browsers reach it over TLS, as `admin.public_url` says: cookies are for that only.
    pub secure_cookies: bool,
    /// Values of jobs that are never shown, as [`Redaction`] reads them.
    pub redact: Vec<String>,
    /// The Redis that the API shows; `None` = that of the first queue, under its prefix.
    pub board: Option<BoardOptions>,
    /// Nothing can be changed through this server.
    pub read_only: bool,
    /// Webhooks that are taken.
    pub hooks: Vec<HookOptions>,
}

impl ServerOptions {
    /// Listens there for everybody who can reach it, and shows nothing.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            tokens: Vec::new(),
            hosts: Vec::new(),
            metrics: Metrics::new([]),
            readiness: Arc::new(Readiness::default),
            queues: Vec::new(),
            on_end: None,
            base_path: "/".to_owned(),
            secure_cookies: false,
            redact: Vec::new(),
            board: None,
            read_only: false,
            hooks: Vec::new(),
        }
    }
}

/// See [`ServerOptions::on_end`].
pub type OnEnd = Arc<dyn Fn(&CallbackEnd<'_>) + Send + Sync>;

/// A run that a callback has ended. It may have been started by another process.
#[derive(Debug, Clone, Copy)]
pub struct CallbackEnd<'a> {
    /// Its queue.
    pub queue: &'a str,
    /// Its job.
    pub id: &'a str,
    /// Its token.
    pub token: &'a str,
    /// Completed, failed or to be retried.
    pub outcome: Outcome,
}

/// Whether work is being taken, as the worker says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readiness {
    /// The process is stopping.
    pub draining: bool,
    /// The configured queues, each with whether it is really being claimed from.
    pub queues: Vec<(String, bool)>,
    /// Why a queue is not being claimed from, by its name; it fails readiness even if it is. No addresses, no names of
    /// users: anybody may read a probe.
    pub reasons: HashMap<String, String>,
    /// What is wrong with the Redis server although it answers.
    pub redis: Option<String>,
}

/// What all requests share.
pub(super) struct Shared {
    pub(super) tokens: Tokens,
    /// Browsers that have shown a token.
    pub(super) sessions: Sessions,
    /// Hosts that may be asked for; `None` = any.
    pub(super) hosts: Option<Vec<String>>,
    /// Failures of tokens of the config.
    pub(super) guesses: Budget,
    /// Failures of tokens of runs. Apart: whoever guesses must not keep a backend from its callbacks.
    pub(super) run_guesses: Budget,
    pub(super) metrics: Metrics,
    pub(super) readiness: Arc<dyn Fn() -> Readiness + Send + Sync>,
    pub(super) queues: Queues,
    pub(super) scrape: Scrape,
    pub(super) on_end: Option<OnEnd>,
    /// See [`ServerOptions::base_path`].
    pub(super) base_path: String,
    pub(super) secure_cookies: bool,
    pub(super) redaction: Redaction,
    pub(super) board: Option<Arc<Board>>,
    pub(super) read_only: bool,
    pub(super) hooks: Hooks,
    pub(super) operations: Operations,
    pub(super) figures: Figures,
    pub(super) ui: Ui,
    pub(super) live: Arc<Live>,
    /// When the server was made.
    pub(super) began: SystemTime,
    /// Fires when the server stops: answers that go on end then.
    pub(super) closing: CancellationToken,
}

impl Shared {
    /// A queue by its name, and how many of its jobs one process runs at once.
    pub(super) fn queue(&self, name: &str) -> Option<(Store, u64)> {
        let own = self.queues.get(name).map(|queue| (queue.store, queue.concurrency));
        own.or_else(|| Some((self.board.as_ref()?.found(name)?, 1)))
    }
}

/// A bound server. Connections wait in the kernel's queue until [`Server::run`].
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    /// Checks the options and takes the port.
    pub fn bind(options: ServerOptions) -> Result<Self, ServeError> {
        let listen = options.listen;
        let tokens =
            Tokens::new(&options.tokens).map_err(|(name, problem)| ServeError::Token { name, problem })?;
        let hooks =
            hooks::read(options.hooks).map_err(|(name, problem)| ServeError::Hook { name, problem })?;
        if tokens.is_empty() && !listen.ip().is_loopback() {
            return Err(ServeError::NoToken(listen));
        }
        let problem = |problem: std::io::Error| match problem.kind() {
            std::io::ErrorKind::AddrInUse => ServeError::InUse(listen),
            _ => ServeError::Listen { listen, problem },
        };
        let listener = TcpListener::bind(listen).map_err(problem)?;
        listener.set_nonblocking(true).map_err(problem)?;
        let address = listener.local_addr().map_err(problem)?;
        let hosts = tokens.is_empty().then(|| allowed_hosts(address, &options.hosts));
        let first = options.queues.first().map(|queue| BoardOptions::of(&queue.store));
        let queues = Queues::default();
        for queue in options.queues {
            queues.add(queue);
        }
        let board = options.board.or(first).map(|board| Arc::new(Board::new(&board, queues.clone())));
        let redaction = Redaction::new(&options.redact);
        let (heard_of, searched) = (board.clone(), board.clone());
        let live = Live::new(
            Arc::new(move || heard_of.as_ref().map(|board| board.stores()).unwrap_or_default()),
            Box::new(move || {
                let board = searched.clone();
                Box::pin(async move {
                    if let Some(board) = board
                        && let Err(error) = board.discover().await
                    {
                        tracing::debug!(%error, "no look for further queues");
                    }
                })
            }),
            redaction.clone(),
            options.metrics.clone(),
            STREAMS_MAX.min((connections_max() as f64 * STREAMS_PART) as usize).max(1),
        );
        let shared = Shared {
            tokens,
            sessions: Sessions::default(),
            hosts,
            guesses: Budget::default(),
            run_guesses: Budget::default(),
            metrics: options.metrics,
            readiness: options.readiness,
            queues,
            scrape: Scrape::default(),
            on_end: options.on_end,
            ui: Ui::new(options.base_path.clone()),
            base_path: options.base_path,
            secure_cookies: options.secure_cookies,
            board,
            read_only: options.read_only,
            hooks,
            operations: Operations::default(),
            figures: Figures::default(),
            redaction,
            live,
            began: SystemTime::now(),
            closing: CancellationToken::new(),
        };
        Ok(Self { listener, address, shared: Arc::new(shared) })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The path that it lives under besides `/`.
    pub fn base_path(&self) -> &str {
        &self.shared.base_path
    }

    /// The path of a link that signs its first user in as the owner of the process, within ten minutes. For those who
    /// have started it, and nobody else.
    pub fn one_time_link(&self) -> Option<String> {
        let code = self.shared.sessions.link()?;
        Some(format!("{}{}{code}", self.shared.base_path.trim_end_matches('/'), ONCE))
    }

    /// The queues, to add further ones.
    pub fn queues(&self) -> Queues {
        self.shared.queues.clone()
    }

    /// Serves until `stop` fires and the requests under way are answered, on a thread of its own. Dropping the future
    /// stops it too.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ServeError> {
        let stop = stop.child_token();
        let _stops_when_dropped = stop.clone().drop_guard();
        let (ended, end) = tokio::sync::oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            // Only name resolution of Redis' host ever blocks.
            .max_blocking_threads(2)
            .build()
            .map_err(ServeError::Thread)?;
        std::thread::Builder::new()
            .name("admin".into())
            .spawn(move || {
                let served = runtime.block_on(serve(self.listener, self.shared, stop));
                runtime.shutdown_background();
                // Nobody may be waiting any more.
                let _ = ended.send(served);
            })
            .map_err(ServeError::Thread)?;
        end.await.unwrap_or_else(|_| Err(ServeError::Thread(std::io::Error::other("its thread panicked"))))
    }
}

fn allowed_hosts(address: SocketAddr, more: &[String]) -> Vec<String> {
    let own = match address {
        SocketAddr::V4(v4) => v4.ip().to_string(),
        SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
    };
    let mut hosts: Vec<String> = LOOPBACK_HOSTS.iter().map(|host| (*host).to_owned()).collect();
    hosts.push(own);
    hosts.extend(more.iter().map(|host| host.to_ascii_lowercase()));
    hosts
}

/// [`CONNECTIONS_MAX`], or fewer where the process may have few files open.
fn connections_max() -> usize {
    open_files_max()
        .map_or(CONNECTIONS_MAX, |files| ((files * DESCRIPTORS_PART) as usize).clamp(1, CONNECTIONS_MAX))
}

async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let listener = tokio::net::TcpListener::from_std(listener).map_err(ServeError::Thread)?;
    let router: Router = routes::router(&shared);
    let closing = shared.closing.clone();
    let room = Arc::new(Semaphore::new(connections_max()));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &room) => accepted,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                let serving = connection::serve(
                    stream,
                    peer.ip(),
                    Arc::clone(&shared),
                    router.clone(),
                    stop.child_token(),
                );
                connections.spawn(async move {
                    serving.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the admin server could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    closing.cancel();
    connections.close();
    if tokio::time::timeout(STOP_GRACE, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "requests to the admin server were cut off");
    }
    Ok(())
}

async fn accept(
    listener: &tokio::net::TcpListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(tokio::net::TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(room).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}
