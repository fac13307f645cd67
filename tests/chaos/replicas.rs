//! A master dies whose replica lacks its last jobs: the judge must miss them when nobody waited for the replica, and nothing
//! may be missing of what was confirmed when somebody did.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bullock::wire::Dialect;
use serde_json::json;

use crate::faults::tell_locks;
use crate::job::Design;
use crate::judge::{Added, Class};
use crate::recorder::now_ms;
use crate::report::Verdict;
use crate::run::{Options, QUEUE, Scene};
use crate::support::many::ask;
use crate::support::proxy::Proxy;
use crate::support::redis::Redis;
use crate::support::wait;
use crate::world::Server;

/// Jobs that the replica has, and jobs that it lacks.
const BEFORE: usize = 5;
const LATE: usize = 3;
/// The late ones are due when the master is dead: a job that has run is not lost without a trace.
const DUE_MS: u64 = 20_000;

/// The number behind these words, `None` = they are not there.
fn number_after(text: &str, words: &str) -> Option<u64> {
    let (_, rest) = text.split_once(words)?;
    rest.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

async fn a_master_dies_ahead_of_its_replica(dialect: Dialect, wait_replicas: u32) -> Verdict {
    let options = Options { workers: 2, wait_replicas, ..Options::of(2, dialect) };
    let scene = Scene::begin(options.clone()).await;
    let world = &scene.world;
    let master = world.port.load(Ordering::SeqCst);
    let link = Proxy::to(master).await;
    let (host, port) = ("127.0.0.1", link.port().to_string());
    let replica = Redis::start_with(&["--replicaof", host, &port]);
    wait::until("the replica to be in step", async || {
        let info = ask(master, &["INFO", "replication"]).await;
        info.first().is_some_and(|text| text.contains("state=online"))
    })
    .await;
    let queue =
        bullock::Queue::open_as(dialect, &world.networks[options.workers].url(), "bull", QUEUE).unwrap();
    let queue = queue.wait_replicas(wait_replicas);
    let mut added = Vec::new();
    for n in 0..BEFORE + LATE {
        let is_late = n >= BEFORE;
        if n == BEFORE {
            let completed = format!("bull:{QUEUE}:completed");
            wait::until("the first jobs to be completed", async || {
                ask(master, &["ZCARD", &completed]).await == [BEFORE.to_string()]
            })
            .await;
            wait::until("the replica to have it all", async || {
                let info = ask(master, &["INFO", "replication"]).await.remove(0);
                number_after(&info, ",offset=") == number_after(&info, "master_repl_offset:")
            })
            .await;
            link.hold();
        }
        let design = Design {
            id: format!("j{n}"),
            name: "plain",
            ms: 10,
            fails: 0,
            attempts: 3,
            backoff_ms: 100,
            delay_ms: if is_late { DUE_MS } else { 0 },
            priority: 0,
        };
        let at = now_ms();
        let was_acknowledged =
            queue.add(design.name, &json!({"ms": 10, "fails": 0}), design.opts()).await.is_ok();
        assert_eq!(was_acknowledged, !is_late || wait_replicas == 0, "{dialect:?}: job {n}");
        added.push(Added { design, at, was_acknowledged });
    }
    for network in &world.networks {
        network.refuse();
    }
    if let Server::One(server) = &mut *world.redis.lock().await {
        tokio::task::block_in_place(|| server.crash());
    }
    drop(link);
    ask(replica.port(), &["REPLICAOF", "NO", "ONE"]).await;
    world.port.store(replica.port(), Ordering::SeqCst);
    world.monitor.follow_to(replica.port()).await;
    tell_locks(world).await;
    for network in &world.networks {
        network.turn_to(replica.port());
        network.pass();
    }
    tokio::time::timeout(Duration::from_mins(1), scene.end(added))
        .await
        .expect("the jobs that are left come to an end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_no_replica_had_are_missed_and_a_confirmed_one_is_never_among_them() {
    let judged = async |dialect| {
        let (waited, unheard) = tokio::join!(
            Box::pin(a_master_dies_ahead_of_its_replica(dialect, 1)),
            Box::pin(a_master_dies_ahead_of_its_replica(dialect, 0)),
        );
        assert!(waited.is_passed(), "{dialect:?}: {}", waited.summary());
        assert_eq!(unheard.judgement.count(Class::Lost), LATE, "{dialect:?}: {}", unheard.summary());
    };
    tokio::join!(judged(Dialect::Bull), judged(Dialect::BullMq));
}
