//! Talking to the private redis-server: only to see that it is there, and to end it.
//!
//! Owns: its address. Must never know: the keys in it. Called by `embedded::redis` and `embedded::orphan`.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client};

use super::data_dir::Record;

/// One command on the loopback address.
const COMMAND_LIMIT: Duration = Duration::from_secs(2);

/// Whether it answers.
pub(super) async fn ping(record: &Record) -> redis::RedisResult<()> {
    let mut connection = connect(record).await?;
    redis::cmd("PING").query_async(&mut connection).await
}

/// A connection, with limits on both waits.
pub(super) async fn connect(record: &Record) -> redis::RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(COMMAND_LIMIT))
        .set_response_timeout(Some(COMMAND_LIMIT));
    Client::open(url(record))?.get_multiplexed_async_connection_with_config(&config).await
}

/// Where it is, password included.
pub(super) fn url(record: &Record) -> String {
    format!("redis://:{}@127.0.0.1:{}", record.password, record.port)
}
