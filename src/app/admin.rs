//! The admin server of a worker process: from the config to a served port.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::failure::{EXIT_CONFIG, Failure};
use crate::admin::auth::{Role, TokenOptions};
use crate::admin::metrics::Metrics;
use crate::admin::server::{OnEnd, QueueOptions, Readiness, ServeError, Server, ServerOptions};
use crate::config::{self, Config};
use crate::worker::{Options, QueueSpec, Runs, Stop, Worker};

/// A bound port, not served yet.
pub(super) struct Front {
    server: Server,
    link: Arc<Link>,
}

/// A served port.
pub(super) struct Served {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), ServeError>>,
}

/// What the server asks of the worker, which is started after it.
type Link = std::sync::OnceLock<(Stop, Runs, Vec<(String, tokio::sync::watch::Receiver<bool>)>)>;

impl Front {
    /// Binds the port; `None` = the config wants no admin server.
    pub(super) fn bind(
        config: &Config,
        specs: &[QueueSpec],
        options: &Options,
        metrics: Metrics,
    ) -> Result<Option<Self>, Failure> {
        let Some(admin) = &config.admin else { return Ok(None) };
        let link = Arc::new(Link::new());
        let strategies = Arc::new(options.strategies.clone());
        let queues = specs
            .iter()
            .map(|spec| QueueOptions {
                reply_kept: options.lease,
                metrics_points: spec.metrics_points,
                keep_completed: spec.keep_completed,
                keep_failed: spec.keep_failed,
                strategies: Arc::clone(&strategies),
                // A connection of its own: the admin server has a runtime of its own.
                ..QueueOptions::new(spec.store.on(spec.store.connection().again()))
            })
            .collect();
        let server = Server::bind(ServerOptions {
            listen: admin.listen,
            tokens: admin.tokens.iter().map(token).collect(),
            hosts: admin.public_url.iter().filter_map(|url| host_of(url)).collect(),
            metrics,
            readiness: readiness(Arc::clone(&link)),
            queues,
            on_end: Some(on_end(Arc::clone(&link))),
        })
        .map_err(|error| Failure::new(EXIT_CONFIG, error.to_string()))?;
        Ok(Some(Self { server, link }))
    }

    /// Serves from now on.
    pub(super) fn serve(self, worker: &Worker) -> Served {
        let _ = self.link.set((worker.stop_handle(), worker.runs(), worker.readiness()));
        tracing::info!("admin server on http://{}", self.server.local_addr());
        let stop = CancellationToken::new();
        Served { task: tokio::spawn(self.server.run(stop.clone())), stop }
    }
}

impl Served {
    /// Answers what is under way, and ends.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        if let Ok(Err(error)) = self.task.await {
            tracing::error!(%error, "the admin server failed");
        }
    }
}

fn readiness(link: Arc<Link>) -> Arc<dyn Fn() -> Readiness + Send + Sync> {
    Arc::new(move || {
        let Some((stop, _, ready)) = link.get() else { return Readiness::default() };
        let queues = ready.iter().map(|(name, ready)| (name.clone(), *ready.borrow())).collect();
        Readiness { draining: stop.is_asked(), queues }
    })
}

fn on_end(link: Arc<Link>) -> OnEnd {
    Arc::new(move |end| {
        if let Some((_, runs, _)) = link.get() {
            runs.ended_elsewhere(end.queue, end.token);
        }
    })
}

fn token(token: &config::Token) -> TokenOptions {
    use std::fmt::Write as _;
    let sha256 = token.sha256.iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let role = match token.role {
        config::Role::Viewer => Role::Viewer,
        config::Role::Operator => Role::Operator,
        config::Role::Admin => Role::Admin,
    };
    TokenOptions { name: token.name.clone(), role, sha256, queues: token.queues.clone() }
}

/// The host of a URL, without its port.
fn host_of(url: &str) -> Option<String> {
    let authority = url.split("://").nth(1)?.split('/').next()?;
    let host = if authority.starts_with('[') {
        authority.split_inclusive(']').next()?
    } else {
        authority.split(':').next()?
    };
    Some(host.to_owned())
}
