//! The power fails: Redis comes back without the end of its log.

use proptest::strategy::{Strategy, ValueTree};
use redis::aio::MultiplexedConnection;

use super::model::Flavour;
use super::step::{Step, steps};
use super::world::World;
use super::{draws, scripts_at, stores};
use crate::ground::P;
use crate::snapshot;
use crate::support::redis::Redis;

/// Lengths to which the log of one history is cut.
const CUTS: usize = 6;

async fn log_file(con: &mut MultiplexedConnection) -> String {
    let found: Vec<String> =
        redis::cmd("CONFIG").arg("GET").arg("dir").query_async(con).await.expect("its directory");
    // Up to Redis 6.2 there is one file.
    let parts = format!("{}/appendonlydir/appendonly.aof.1.incr.aof", found[1]);
    if std::path::Path::new(&parts).exists() { parts } else { format!("{}/appendonly.aof", found[1]) }
}

/// What Node does step by step may be cut in two; what a script does must not be.
fn is_one_script(step: &Step) -> bool {
    !matches!(step, Step::NodeStarts { .. } | Step::NodeRemoves { .. } | Step::ExpireNodes { .. })
}

#[tokio::test]
async fn a_server_that_lost_the_end_of_its_log_has_every_job_in_one_place() {
    for (seed, flavour) in [(1, Flavour::Bull), (2, Flavour::Five), (3, Flavour::Six)] {
        let mut redis = Redis::start_with(&["--appendonly", "yes", "--appendfsync", "no"]);
        let mut con = redis.connection().await;
        let file = log_file(&mut con).await;
        let stores = stores(&redis, |ms| scripts_at(flavour, ms));
        let mut world = World::new(con, stores, flavour).await;
        let history = steps().new_tree(&mut draws(seed)).unwrap().current();
        for step in history.iter().filter(|step| is_one_script(step)) {
            world.take(step).await.unwrap_or_else(|fault| panic!("{flavour:?}, {step:?}: {fault}"));
        }
        redis.crash();
        let log = std::fs::read(&file).unwrap();
        let mut loaded = Vec::new();
        for cut in 1..=CUTS {
            // Within commands and between them.
            let kept = log.len() * cut / (CUTS + 1) + cut;
            std::fs::write(&file, &log[..kept]).unwrap();
            redis.restart();
            let all = snapshot::take(&mut redis.connection().await).await;
            let problems = snapshot::problems(&all, P);
            assert_eq!(problems, [""; 0], "{flavour:?}, {kept} of {} bytes", log.len());
            loaded.push(all.len());
            redis.crash();
        }
        assert!(loaded.iter().any(|keys| *keys > 3), "{flavour:?}: the cut logs held nothing: {loaded:?}");
    }
}
