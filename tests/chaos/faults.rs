//! Faults, done to real processes, sockets and servers.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use redis::aio::MultiplexedConnection;

use crate::failover;
use crate::judge::Happened;
use crate::monitor::OWN_NAME;
use crate::recorder::now_ms;
use crate::run::QUEUE;
use crate::schedule::{Fault, Planned};
use crate::support::process::free_port;
use crate::support::proxy::Lose;
use crate::world::{Server, World};

/// Does one fault, from its beginning to its end, and writes it down.
pub(crate) async fn happen(world: Arc<World>, planned: Planned) {
    // On a machine that is late, one fault of the server may last into the next.
    let _alone = if planned.fault.is_of_a_process() { None } else { Some(world.server.lock().await) };
    let from = now_ms();
    let lasts = Duration::from_millis(planned.ms);
    match planned.fault {
        Fault::Kill => {
            let mut worker = world.workers[planned.target].lock().await;
            worker.kill().await;
            tokio::time::sleep(lasts).await;
            worker.start();
        }
        Fault::Stop => {
            world.workers[planned.target].lock().await.signal(Signal::SIGSTOP);
            tokio::time::sleep(lasts).await;
            world.workers[planned.target].lock().await.signal(Signal::SIGCONT);
        }
        Fault::CutReply => world.networks[planned.target].lose(Lose::next("EVALSHA")),
        Fault::Blackhole => world.networks[planned.target].blackhole_existing(),
        Fault::Hold => {
            world.networks[planned.target].hold();
            tokio::time::sleep(lasts).await;
            world.networks[planned.target].pass();
        }
        Fault::ClientKill => kill_clients(&mut world.own_connection().await).await,
        Fault::ScriptFlush => {
            ask(&mut world.own_connection().await, &["SCRIPT", "FLUSH"]).await;
            world.teach_again().await;
        }
        Fault::OutOfMemory => {
            let mut db = world.own_connection().await;
            ask(&mut db, &["CONFIG", "SET", "maxmemory", "1mb"]).await;
            tokio::time::sleep(lasts).await;
            ask(&mut db, &["CONFIG", "SET", "maxmemory", "0"]).await;
        }
        Fault::ReadOnly => {
            let mut db = world.own_connection().await;
            // Of a server that is not there: the data stays.
            ask(&mut db, &["REPLICAOF", "127.0.0.1", &free_port().to_string()]).await;
            tokio::time::sleep(lasts).await;
            ask(&mut world.own_connection().await, &["REPLICAOF", "NO", "ONE"]).await;
        }
        Fault::RedisKill => kill_redis(&world, lasts).await,
        Fault::MasterKill | Fault::MasterStop => {
            world.is_as_planned().await;
            failover::fail_over(&world, planned.fault == Fault::MasterStop, lasts).await;
        }
    }
    world.happened.lock().unwrap().push(Happened { what: planned.to_string(), from, to: now_ms() });
}

async fn ask(db: &mut MultiplexedConnection, words: &[&str]) -> redis::Value {
    let mut cmd = redis::cmd(words[0]);
    cmd.arg(&words[1..]);
    cmd.query_async(db).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

/// All but the judge's own, and those of sentinels: they come back once a second at most, and take a server for dead that
/// they were thrown out of.
async fn kill_clients(db: &mut MultiplexedConnection) {
    let list: String = redis::cmd("CLIENT").arg("LIST").query_async(db).await.unwrap();
    let own = format!("name={OWN_NAME}");
    let is_spared =
        |line: &str| line.split(' ').any(|word| word == own || word.starts_with("name=sentinel-"));
    for line in list.lines().filter(|line| !is_spared(line)) {
        let id = line.split(' ').find_map(|word| word.strip_prefix("id=")).unwrap();
        let _: redis::Value =
            redis::cmd("CLIENT").arg("KILL").arg("ID").arg(id).query_async(db).await.unwrap();
    }
}

/// `kill -9` of the server, and the same data again. The workers get at it when the judge watches.
async fn kill_redis(world: &World, lasts: Duration) {
    for network in &world.networks {
        network.refuse();
    }
    let mut redis = world.redis.lock().await;
    let Server::One(server) = &mut *redis else { unreachable!("sentinels would put another in its place") };
    tokio::task::block_in_place(|| server.crash());
    keep_port(server.port(), lasts).await;
    tokio::task::block_in_place(|| server.restart());
    drop(redis);
    world.teach_again().await;
    world.monitor.follow().await;
    tell_locks(world).await;
    for network in &world.networks {
        network.pass();
    }
}

/// Tells the judge which locks there are while nobody can change them.
pub(crate) async fn tell_locks(world: &World) {
    let mut db = world.own_connection().await;
    let since = now_ms();
    let locks: Vec<String> =
        redis::cmd("KEYS").arg(format!("bull:{QUEUE}:*:lock")).query_async(&mut db).await.unwrap();
    let mut held = Vec::new();
    for lock in locks {
        let mut both = redis::pipe();
        both.get(&lock).cmd("PTTL").arg(&lock);
        let (token, left): (Option<String>, i64) = both.query_async(&mut db).await.unwrap();
        held.extend(token.map(|token| (lock, token, left as f64)));
    }
    world.monitor.stands(since, &held);
}

/// Nobody else may take the server's port meanwhile. Who connects is turned away.
pub(crate) async fn keep_port(port: u16, lasts: Duration) {
    let over = tokio::time::Instant::now() + lasts;
    let Ok(place) = tokio::net::TcpListener::bind(("127.0.0.1", port)).await else {
        return tokio::time::sleep_until(over).await;
    };
    while let Ok(Ok(_turned_away)) = tokio::time::timeout_at(over, place.accept()).await {}
}
