//! Which server is the master: what most sentinels say.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use redis::{AsyncConnectionConfig, ErrorKind, RedisError};
use tokio::sync::Mutex;

use super::target::{Address, Login, Target};

/// Longest wait for one sentinel. They are asked all at once.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);

/// Pause before a sentinel that does not talk is called again.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);
/// What was not heard, because a sentinel fell silent, is asked for so often.
const ASK_AGAIN: Duration = Duration::from_secs(5);

pub(super) struct Sentinels {
    pub addresses: Vec<Address>,
    /// How the sentinels are spoken to …
    pub asked: Login,
    /// The name under which they know the master.
    pub name: String,
    /// … and how the master is.
    pub nodes: Login,
    /// The master that connections were led to last, and how often that has changed.
    led_to: std::sync::Mutex<Option<Address>>,
    changes: AtomicU64,
    /// Somebody listens to the sentinels.
    watched: AtomicBool,
    /// The last answer and when it was asked for: all who waited for it share it.
    last: Mutex<Option<(Instant, Result<Address, RedisError>)>>,
}

impl Sentinels {
    pub(super) fn new(addresses: Vec<Address>, asked: Login, name: String, nodes: Login) -> Self {
        Self {
            addresses,
            asked,
            name,
            nodes,
            led_to: std::sync::Mutex::default(),
            changes: AtomicU64::new(0),
            watched: AtomicBool::new(false),
            last: Mutex::default(),
        }
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
        if let Ok(master) = &answer {
            let mut led_to = self.led_to.lock().unwrap_or_else(PoisonError::into_inner);
            if led_to.as_ref().is_some_and(|before| before != master) {
                self.changes.fetch_add(1, Ordering::SeqCst);
            }
            *led_to = Some(master.clone());
        }
        *last = Some((asked, answer.clone()));
        answer
    }

    /// Connections that were made before this changed lead to a server that is the master no more. It may still take
    /// writes for seconds: sentinels do not hurry to tell it.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// Listens to all sentinels, once for all connections, so that a change is known when it happens.
    pub(super) fn watch(target: &Arc<Target>) {
        let Target::Sentinel(sentinels) = &**target else { return };
        if sentinels.watched.swap(true, Ordering::SeqCst) {
            return;
        }
        let watching = Watching(Arc::downgrade(target));
        let addresses = sentinels.addresses.clone();
        tokio::spawn(async move {
            let listeners = addresses.iter().map(|sentinel| listen(&watching.0, sentinel));
            futures_util::future::join_all(listeners).await;
        });
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
                let what = format!("none of {} sentinels answers: {error}", self.addresses.len());
                RedisError::from((ErrorKind::Io, "sentinels", what))
            }
            _ => {
                let what = format!("no sentinel knows a master named \"{}\"", self.name);
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

/// Clears the mark also when the runtime ends under it.
struct Watching(Weak<Target>);

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(target) = self.0.upgrade()
            && let Target::Sentinel(sentinels) = &*target
        {
            sentinels.watched.store(false, Ordering::SeqCst);
        }
    }
}

/// Asks for the master whenever this sentinel says that it has changed, until nobody wants to know.
async fn listen(target: &Weak<Target>, sentinel: &Address) {
    loop {
        let Some(alive) = target.upgrade() else { return };
        let Target::Sentinel(sentinels) = &*alive else { return };
        let client = sentinels.asked.client(sentinel);
        drop(alive);
        let opening = async { client?.get_async_pubsub().await };
        if let Ok(Ok(mut heard)) = tokio::time::timeout(ASK_TIMEOUT, opening).await
            && heard.subscribe("+switch-master").await.is_ok()
        {
            let mut news = heard.on_message();
            loop {
                let next = tokio::time::timeout(ASK_AGAIN, news.next()).await;
                let Some(alive) = target.upgrade() else { return };
                let Target::Sentinel(sentinels) = &*alive else { return };
                let _ = sentinels.master().await;
                if matches!(next, Ok(None)) {
                    break;
                }
            }
        }
        tokio::time::sleep(LISTEN_AGAIN).await;
    }
}
