//! Why an admin server does not start. Told by [`Server::bind`](super::Server::bind) to `app`.

use std::net::SocketAddr;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Somebody else listens there.
    #[error("admin.listen: {0} is in use by another process; stop it, or set admin.listen to another port")]
    InUse(SocketAddr),
    /// The address cannot be used.
    #[error("admin.listen: cannot listen on {listen}: {problem}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system said.
        problem: std::io::Error,
    },
    /// Others could reach it and nothing would ask who they are.
    #[error(
        "admin.listen: {0} can be reached from other machines, so admin.tokens must name at least one token; \
         or listen on 127.0.0.1"
    )]
    NoToken(SocketAddr),
    /// An entry of `admin.tokens` cannot be used.
    #[error("admin.tokens \"{name}\": {problem}")]
    Token {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// An entry of `hooks` cannot be used.
    #[error("hooks.{name}: {problem}")]
    Hook {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// The system refused a thread or a runtime.
    #[error("the admin server cannot run: {0}")]
    Thread(std::io::Error),
}
