//! The server, the processes and the networks that faults happen to.

use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use bullock::wire::Dialect;
use redis::aio::MultiplexedConnection;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::fleet::{Place, Worker, kinds};
use crate::guards::{self, Guard};
use crate::judge::Happened;
use crate::monitor::{Monitor, OWN_NAME};
use crate::network::Network;
use crate::run::{Options, QUEUE};
use crate::support::many::Watched;
use crate::support::redis::Redis;

/// A server that says nothing for so long, ms, counts as down. Not shorter: on a machine that has much to do a healthy one
/// would be replaced too.
const DOWN_AFTER_MS: u64 = 1_500;

/// Who keeps the queue.
pub(crate) enum Server {
    One(Redis),
    /// A master with a replica, and three sentinels.
    Watched(Watched),
}

/// Everything that faults happen to.
pub(crate) struct World {
    pub redis: Mutex<Server>,
    /// Where the one server is, or the master.
    pub port: AtomicU16,
    /// How often another server became the master because something was done to the old one.
    pub failovers: AtomicUsize,
    pub monitor: Monitor,
    /// One for each worker, one for our producer, one for Node's.
    pub networks: Vec<Network>,
    pub workers: Vec<Mutex<Worker>>,
    /// Held by a fault of the server while it lasts.
    pub server: Mutex<()>,
    pub happened: std::sync::Mutex<Vec<Happened>>,
    pub dialect: Dialect,
    cut: Option<Guard>,
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
        if let Some(guard) = self.cut {
            guards::teach(guard, self.dialect, self.port.load(Ordering::SeqCst)).await;
        }
    }

    /// Panics if the sentinels have replaced a master to which nothing had been done: what the judge watched was not the
    /// master then.
    pub(crate) async fn is_as_planned(&self) {
        let Server::Watched(watched) = &*self.redis.lock().await else { return };
        let planned = self.failovers.load(Ordering::SeqCst);
        let told =
            "the sentinels put another master in place by themselves: the machine stood still for too long";
        assert_eq!(watched.switches(), planned, "{told}");
    }

    async fn try_connection(&self) -> Result<MultiplexedConnection, redis::RedisError> {
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(30)));
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port.load(Ordering::SeqCst)))?;
        let mut db = client.get_multiplexed_async_connection_with_config(&config).await?;
        redis::cmd("CLIENT").arg("SETNAME").arg(OWN_NAME).query_async::<()>(&mut db).await?;
        // LOADING is an error.
        redis::cmd("PING").query_async::<()>(&mut db).await?;
        Ok(db)
    }
}

/// Starts the server, the networks and the workers.
pub(crate) async fn world(options: &Options, place: &Place) -> World {
    let (redis, ports, sentinels) = server(options).await;
    let master = ports[0];
    let reached = match options.cut {
        Some(guard) => vec![guards::relay(guard, options.dialect, master).await],
        None => ports,
    };
    let mut networks = Vec::new();
    for _ in 0..options.workers + 2 {
        networks.push(Network::to(&reached, &sentinels).await);
    }
    let names = guards::names(options.dialect, options.cut);
    let monitor = Monitor::start(master, QUEUE, names).await;
    let mut workers = Vec::new();
    for (number, kind) in kinds(options).into_iter().enumerate() {
        let mut worker = Worker::new(number, kind, options, place, &networks[number].url());
        worker.start();
        workers.push(Mutex::new(worker));
    }
    let happened = std::sync::Mutex::default();
    World {
        redis: Mutex::new(redis),
        port: AtomicU16::new(master),
        failovers: AtomicUsize::new(0),
        monitor,
        networks,
        workers,
        server: Mutex::default(),
        happened,
        dialect: options.dialect,
        cut: options.cut,
    }
}

/// The server or servers; the ports of those that keep the queue, the master's first; those of the sentinels.
async fn server(options: &Options) -> (Server, Vec<u16>, Vec<u16>) {
    if options.sentinel {
        assert!(options.cut.is_none(), "guards are cut out of scripts on their way to one server");
        let watched = Watched::start_with(1, DOWN_AFTER_MS).await;
        let ports = watched.servers.iter().map(Redis::port).collect();
        let sentinels = watched.sentinel_ports();
        return (Server::Watched(watched), ports, sentinels);
    }
    // With `everysec` a server whose disk is slow answers before it has written (up to 2 s), and `kill -9` of it loses
    // what was acknowledged: seen here. With `always` nothing may be lost.
    let redis = Redis::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let port = redis.port();
    (Server::One(redis), vec![port], Vec::new())
}
