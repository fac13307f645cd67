//! The server, the processes and the networks that faults happen to.

use std::time::Duration;

use bullock::wire::Dialect;
use redis::aio::MultiplexedConnection;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::fleet::{Place, Worker, kinds};
use crate::guards::{self, Guard};
use crate::judge::Happened;
use crate::monitor::{Monitor, OWN_NAME};
use crate::run::{Options, QUEUE};
use crate::support::proxy::Proxy;
use crate::support::redis::Redis;

/// Everything that faults happen to.
pub(crate) struct World {
    pub redis: Mutex<Redis>,
    pub url: String,
    pub monitor: Monitor,
    /// One for each worker, and one for our producer.
    pub proxies: Vec<Proxy>,
    pub workers: Vec<Mutex<Worker>>,
    /// Held by a fault of the server while it lasts.
    pub server: Mutex<()>,
    pub happened: std::sync::Mutex<Vec<Happened>>,
    cut: Option<(Guard, Dialect)>,
}

impl World {
    /// A connection that no fault but the server's own touches.
    pub(crate) async fn own_connection(&self) -> MultiplexedConnection {
        let limit = Instant::now() + Duration::from_secs(20);
        loop {
            match self.try_connection().await {
                Ok(db) => return db,
                Err(error) => assert!(Instant::now() < limit, "no connection of the judge's own: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The server has forgotten all scripts: those that the workers do not have are taught again.
    pub(crate) async fn teach_again(&self) {
        if let Some((guard, dialect)) = self.cut {
            guards::teach(guard, dialect, self.redis.lock().await.port()).await;
        }
    }

    async fn try_connection(&self) -> Result<MultiplexedConnection, redis::RedisError> {
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(30)));
        let client = redis::Client::open(self.url.as_str())?;
        let mut db = client.get_multiplexed_async_connection_with_config(&config).await?;
        redis::cmd("CLIENT").arg("SETNAME").arg(OWN_NAME).query_async::<()>(&mut db).await?;
        // LOADING is an error.
        redis::cmd("PING").query_async::<()>(&mut db).await?;
        Ok(db)
    }
}

/// Starts the server, the proxies and the workers.
pub(crate) async fn world(options: &Options, place: &Place) -> World {
    // With `everysec` a server whose disk is slow answers before it has written (up to 2 s), and `kill -9` of it loses
    // what was acknowledged: seen here. With `always` nothing may be lost.
    let redis = Redis::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let port = match options.cut {
        Some(guard) => guards::relay(guard, options.dialect, redis.port()).await,
        None => redis.port(),
    };
    let mut proxies = Vec::new();
    for _ in 0..=options.workers {
        proxies.push(Proxy::to(port).await);
    }
    let names = guards::names(options.dialect, options.cut);
    let monitor = Monitor::start(redis.port(), QUEUE, names).await;
    let mut workers = Vec::new();
    for (number, kind) in kinds(options).into_iter().enumerate() {
        let mut worker = Worker::new(number, kind, options, place, &proxies[number]);
        worker.start();
        workers.push(Mutex::new(worker));
    }
    let url = redis.url();
    let cut = options.cut.map(|guard| (guard, options.dialect));
    let happened = std::sync::Mutex::default();
    World {
        redis: Mutex::new(redis),
        url,
        monitor,
        proxies,
        workers,
        server: Mutex::default(),
        happened,
        cut,
    }
}
