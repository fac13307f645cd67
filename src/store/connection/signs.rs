//! What the errors of a server, and of the way to it, are signs of.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisError, Value};

use super::GRACE;
use crate::store::error::code_of;

/// A TLS handshake that takes longer may be with a server that speaks none.
const HANDSHAKE_PATIENCE: Duration = Duration::from_millis(500);

/// The error of a reply that says that none of this belongs here.
pub(super) fn redirection(replies: &[Value]) -> Option<RedisError> {
    replies.iter().find_map(|reply| {
        let Value::ServerError(_) = reply else { return None };
        let error = reply.clone().extract_error().err()?;
        error.is_cluster_error().then_some(error)
    })
}

/// A server that sentinels name may not know yet, or not any more, that it is the master.
pub(super) async fn check_role(fresh: &mut MultiplexedConnection) -> Result<(), RedisError> {
    let reply = fresh.send_packed_command(&redis::cmd("ROLE")).await.and_then(Value::extract_error);
    match reply {
        Ok(Value::Array(parts)) => match parts.into_iter().next() {
            Some(Value::BulkString(role)) if role == b"slave" => Err(RedisError::from((
                ErrorKind::Io,
                "sentinels",
                "READONLY the server that they name is a replica still".to_owned(),
            ))),
            _ => Ok(()),
        },
        Err(error) if is_broken(&error) => Err(error),
        // Not allowed to ask.
        _ => Ok(()),
    }
}

/// Says what a failed handshake means.
pub(super) fn plainer(error: RedisError) -> RedisError {
    let text = error.to_string();
    if text.contains("corrupt message") || text.contains("InvalidContentType") {
        return not_tls();
    }
    error
}

/// What a server says to somebody whom it does not let in, before it closes: that its clients are too many.
pub(super) async fn refusal(client: &redis::Client) -> Option<RedisError> {
    let redis::ConnectionAddr::Tcp(host, port) = client.get_connection_info().addr() else { return None };
    let listening = async {
        let mut stream = tokio::net::TcpStream::connect((host.as_str(), *port)).await.ok()?;
        let mut said = [0; 100];
        let length = tokio::io::AsyncReadExt::read(&mut stream, &mut said).await.ok()?;
        let said = String::from_utf8_lossy(&said[..length]).trim().trim_start_matches("-ERR ").to_owned();
        said.contains("max number of clients").then(|| RedisError::from((ErrorKind::Io, "redis", said)))
    };
    tokio::time::timeout(GRACE, listening).await.ok().flatten()
}

/// Is the server there, and answers nobody for a while? Then one of us looks until it does.
pub(super) fn is_away(error: &RedisError) -> bool {
    matches!(error.code(), Some("LOADING" | "BUSY")) || error.to_string().contains("max number of clients")
}

fn not_tls() -> RedisError {
    let what = "peer is not TLS".to_owned();
    RedisError::from((ErrorKind::InvalidClientConfig, "TLS handshake failed", what))
}

/// Resolves when a server that should speak TLS answers without, which is looked at after a while. Never, if it does not.
pub(super) async fn speaks_plainly(client: &redis::Client) -> RedisError {
    let redis::ConnectionAddr::TcpTls { host, port, .. } = client.get_connection_info().addr() else {
        return std::future::pending().await;
    };
    tokio::time::sleep(HANDSHAKE_PATIENCE).await;
    let asking = async {
        let mut stream = tokio::net::TcpStream::connect((host.as_str(), *port)).await.ok()?;
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"PING\r\n").await.ok()?;
        let mut said = [0; 1];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut said).await.ok()?;
        // What TLS servers answer to this begins with another byte.
        matches!(said[0], b'+' | b'-').then_some(())
    };
    match asking.await {
        Some(()) => not_tls(),
        None => std::future::pending().await,
    }
}

/// Must the connection be replaced? A time-out counts: a silent peer never answers again, and a late reply to a
/// request that was given up must not meet a later one. So does a server that has become a replica: it keeps its
/// connections open, and the primary is elsewhere.
pub(super) fn is_broken(error: &RedisError) -> bool {
    let elsewhere = matches!(code_of(error), Some("READONLY" | "MASTERDOWN" | "MOVED" | "CLUSTERDOWN"));
    elsewhere || error.is_io_error() || error.is_timeout() || error.is_unrecoverable_error()
}
