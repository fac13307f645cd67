//! Which server is the master: what most sentinels say.

use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use redis::{AsyncConnectionConfig, ErrorKind, RedisError};
use tokio::sync::Mutex;

use super::target::{Address, Login};

/// Longest wait for one sentinel. They are asked all at once.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) struct Sentinels {
    pub addresses: Vec<Address>,
    /// How the sentinels are spoken to …
    pub asked: Login,
    /// The name under which they know the master.
    pub name: String,
    /// … and how the master is.
    pub nodes: Login,
    /// The last answer and when it was asked for: all who waited for it share it.
    last: Mutex<Option<(Instant, Result<Address, RedisError>)>>,
}

impl Sentinels {
    pub(super) fn new(addresses: Vec<Address>, asked: Login, name: String, nodes: Login) -> Self {
        Self { addresses, asked, name, nodes, last: Mutex::default() }
    }

    /// The master's address, asked anew.
    pub(super) async fn master(&self) -> Result<Address, RedisError> {
        let now = Instant::now();
        let mut last = self.last.lock().await;
        if let Some((asked, answer)) = &*last
            && *asked >= now
        {
            return answer.clone();
        }
        let asked = Instant::now();
        let answer = self.ask().await;
        *last = Some((asked, answer.clone()));
        answer
    }

    /// What most of the sentinels say: one that was cut off from the others may still name the old master.
    async fn ask(&self) -> Result<Address, RedisError> {
        let mut answers: FuturesUnordered<_> =
            self.addresses.iter().map(|sentinel| self.ask_one(sentinel)).collect();
        let (mut named, mut unknown, mut failure): (Vec<(Address, usize)>, usize, Option<RedisError>) =
            (Vec::new(), 0, None);
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(Some(master)) => {
                    let at = named.iter().position(|(known, _)| *known == master).unwrap_or(named.len());
                    if at == named.len() {
                        named.push((master, 0));
                    }
                    named[at].1 += 1;
                    if named[at].1 * 2 > self.addresses.len() {
                        break;
                    }
                }
                Ok(None) => unknown += 1,
                Err(error) => failure = Some(error),
            }
        }
        if let Some((master, _)) = named.into_iter().max_by_key(|(_, votes)| *votes) {
            return Ok(master);
        }
        Err(match failure {
            Some(error) if unknown == 0 => {
                if error.kind() == ErrorKind::AuthenticationFailed || error.code() == Some("NOAUTH") {
                    return Err(error);
                }
                let what = format!("none of {} answers: {error}", self.addresses.len());
                RedisError::from((ErrorKind::Io, "sentinels", what))
            }
            _ => {
                let what = format!("none knows a master named \"{}\"", self.name);
                RedisError::from((ErrorKind::MasterNameNotFoundBySentinel, "sentinels", what))
            }
        })
    }

    async fn ask_one(&self, sentinel: &Address) -> Result<Option<Address>, RedisError> {
        let asking = async {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(ASK_TIMEOUT))
                .set_response_timeout(Some(ASK_TIMEOUT));
            let client = self.asked.client(sentinel)?;
            let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
            let mut ask = redis::cmd("SENTINEL");
            ask.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name);
            let found: Option<(String, u16)> = ask.query_async(&mut connection).await?;
            Ok(found.map(|(host, port)| Address { host, port }))
        };
        let silent =
            || RedisError::from((ErrorKind::Io, "no answer", format!("{sentinel} within {ASK_TIMEOUT:?}")));
        tokio::time::timeout(ASK_TIMEOUT, asking).await.unwrap_or_else(|_| Err(silent()))
    }
}
