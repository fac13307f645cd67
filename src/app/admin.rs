//! The admin server of a worker process: from the config to a served port.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::failure::{EXIT_CONFIG, Failure};
use super::stops::Stops;
use super::trouble::Troubles;
use crate::admin::BoardOptions;
use crate::admin::auth::{Role, TokenOptions};
use crate::admin::hooks::{HookOptions, Place, Signature};
use crate::admin::metrics::{Metrics, Outcome};
use crate::admin::server::{QueueOptions, Queues, Readiness, ServeError, Server, ServerOptions};
use crate::config::{self, Config};
use crate::worker::{Ended, Options, QueueSpec, Runs, Worker};

/// A bound port, not served yet.
pub(super) struct Front {
    server: Server,
}

/// A served port.
pub(super) struct Served {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), ServeError>>,
}

/// What the API shows.
pub(super) struct Board {
    pub(super) options: BoardOptions,
    pub(super) read_only: bool,
}

/// What the server asks of the workers, which are started after it.
pub(super) struct Link {
    stops: Stops,
    troubles: Troubles,
    begun: Mutex<Begun>,
}

/// Behind one lock: whoever reads one of them reads the other at the same moment.
struct Begun {
    /// Queues that no worker has begun with.
    opening: Vec<String>,
    workers: Vec<Linked>,
}

struct Linked {
    runs: Runs,
    ready: Vec<(String, tokio::sync::watch::Receiver<bool>)>,
}

impl Link {
    pub(super) fn new(stops: Stops, troubles: Troubles, opening: Vec<String>) -> Arc<Self> {
        Arc::new(Self { stops, troubles, begun: Mutex::new(Begun { opening, workers: Vec::new() }) })
    }

    fn begun(&self) -> MutexGuard<'_, Begun> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this worker is asked too.
    pub(super) fn add(&self, worker: &Worker) {
        let linked = Linked { runs: worker.runs(), ready: worker.readiness() };
        let mut begun = self.begun();
        begun.opening.retain(|name| linked.ready.iter().all(|(ready, _)| ready != name));
        begun.workers.push(linked);
    }

    fn readiness(&self) -> Readiness {
        let begun = self.begun();
        let ready = begun.workers.iter().flat_map(|worker| &worker.ready);
        let opening = begun.opening.iter().map(|name| (name.clone(), false));
        let queues = opening.chain(ready.map(|(name, ready)| (name.clone(), *ready.borrow()))).collect();
        drop(begun);
        let (reasons, redis) = self.troubles.read();
        Readiness { draining: self.stops.is_asked(), queues, reasons, redis }
    }

    fn ended(&self, queue: &str, token: &str, outcome: Outcome) {
        let ended = match outcome {
            Outcome::Completed => Ended::Completed,
            Outcome::Retried => Ended::Retried,
            _ => Ended::Failed,
        };
        for worker in &self.begun().workers {
            worker.runs.ended_elsewhere(queue, token, ended);
        }
    }
}

impl Front {
    /// Binds the port; `None` = the config wants no admin server. It knows no queue before that is open.
    pub(super) fn bind(
        config: &Config,
        metrics: Metrics,
        link: &Arc<Link>,
        board: Board,
    ) -> Result<Option<Self>, Failure> {
        let Some(admin) = &config.admin else { return Ok(None) };
        let (asked, told) = (Arc::clone(link), Arc::clone(link));
        let server = Server::bind(ServerOptions {
            tokens: admin.tokens.iter().map(token).collect(),
            hosts: admin.public_url.iter().filter_map(|url| host_of(url)).collect(),
            metrics,
            readiness: Arc::new(move || asked.readiness()),
            queues: Vec::new(),
            on_end: Some(Arc::new(move |end| told.ended(end.queue, end.token, end.outcome))),
            base_path: admin.base_path.clone(),
            secure_cookies: admin.public_url.as_ref().is_some_and(|url| url.starts_with("https:")),
            redact: config.log.redact.clone(),
            board: Some(board.options),
            read_only: board.read_only,
            hooks: config.hooks.iter().map(hook).collect(),
            ..ServerOptions::new(admin.listen)
        })
        .map_err(|error| refused(&error, admin.listen))?;
        Ok(Some(Self { server }))
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// Where the dashboard is; `sign_in` = with a code that signs in whoever comes first.
    pub(super) fn dashboard(&self, sign_in: bool) -> String {
        let link = if sign_in { self.server.one_time_link() } else { None };
        let path = link.unwrap_or_else(|| self.server.base_path().to_owned());
        format!("http://{}{path}", self.address())
    }

    /// Where handlers reach this process. Port 0 in the config is a real one by now.
    pub(super) fn callback_base(&self, config: &Config) -> String {
        let public = config.admin.as_ref().and_then(|admin| admin.public_url.clone());
        public.unwrap_or_else(|| format!("http://{}", self.address()))
    }

    /// The queues that callbacks are taken for.
    pub(super) fn queues(&self) -> Queues {
        self.server.queues()
    }

    /// Serves from now on.
    pub(super) fn serve(self) -> Served {
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

/// What callbacks need to know of each queue.
pub(super) fn queue_options(specs: &[QueueSpec], options: &Options) -> Vec<QueueOptions> {
    let strategies = Arc::new(options.strategies.clone());
    let queue = |spec: &QueueSpec| QueueOptions {
        concurrency: spec.concurrency as u64,
        reply_kept: options.lease,
        metrics_points: spec.metrics_points,
        keep_completed: spec.keep_completed,
        keep_failed: spec.keep_failed,
        history: spec.history,
        strategies: Arc::clone(&strategies),
        // A connection of its own: the admin server has a runtime of its own.
        ..QueueOptions::new(spec.store.on(spec.store.connection().again()))
    };
    specs.iter().map(queue).collect()
}

/// Why the port could not be had: wrong rights, somebody else's, or no address of this machine.
fn refused(error: &ServeError, listen: SocketAddr) -> Failure {
    let line = match error {
        ServeError::InUse(_) => format!(
            "the admin port is in use (admin.listen): {listen}; expected a free one. hint: end the other process (is it another \
             bullock?), or set BULLOCK_ADMIN__LISTEN; --no-admin starts none"
        ),
        ServeError::Listen { problem, .. } if problem.kind() == std::io::ErrorKind::PermissionDenied => {
            format!(
                "not allowed to listen there (admin.listen): {listen}; expected a port from 1024 on. hint: ports below need \
             root or CAP_NET_BIND_SERVICE"
            )
        }
        other => other.to_string(),
    };
    Failure::new(EXIT_CONFIG, line)
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
    TokenOptions {
        name: token.name.clone(),
        role,
        sha256,
        queues: token.queues.clone(),
        orgs: token.orgs.clone(),
    }
}

fn hook(hook: &config::Hook) -> HookOptions {
    HookOptions {
        name: hook.name.clone(),
        queue: hook.queue.clone(),
        job: hook.job.clone(),
        signature: match hook.signature {
            config::HookSignature::WooCommerce => Signature::WooCommerce,
            config::HookSignature::Shopify => Signature::Shopify,
            config::HookSignature::Standard => Signature::Standard,
        },
        secrets: hook.secrets.iter().map(|secret| secret.expose().to_owned()).collect(),
        org: hook.org.as_deref().and_then(Place::parse),
        dedupe: hook.dedupe.as_deref().and_then(Place::parse),
        dedupe_for: hook.dedupe_for,
        tolerance: hook.tolerance,
        body_bytes_max: usize::try_from(hook.body_bytes_max).unwrap_or(usize::MAX),
        attempts: hook.attempts,
    }
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

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::{ServeError, refused};

    #[test]
    fn a_taken_port_a_privileged_one_and_a_foreign_address_are_three_messages() {
        let listen = "127.0.0.1:80".parse().expect("an address");
        let because = |kind: ErrorKind| ServeError::Listen { listen, problem: Error::from(kind) };
        assert!(refused(&ServeError::InUse(listen), listen).line.contains("in use"));
        assert!(
            refused(&because(ErrorKind::PermissionDenied), listen).line.contains("not allowed to listen")
        );
        assert!(refused(&because(ErrorKind::AddrNotAvailable), listen).line.contains("cannot listen on"));
    }
}
