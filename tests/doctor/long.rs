//! A long queue: a look must not hold Redis up, however many jobs wait.

use super::support::redis::Redis;
use super::{doctor, found, send};

/// Jobs that wait: so many that a search through the list for a whole call of ids would take long.
const JOBS: usize = 20_000;

/// How often Redis searched through a list.
async fn searches(redis: &Redis) -> u64 {
    let mut connection = redis.connection().await;
    let said: String = redis::cmd("INFO").arg("commandstats").query_async(&mut connection).await.unwrap();
    let line = said.lines().find_map(|line| line.strip_prefix("cmdstat_lpos:calls="));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_look_at_a_long_queue_searches_through_its_lists_for_suspects_only() {
    let redis = Redis::start();
    let mut connection = redis.connection().await;
    let fill =
        "for n = 1, ARGV[1] do redis.call('HSET', 'bull:q:' .. n, 'name', 'a', 'data', '{}', 'opts', '{}',
        'timestamp', 1700000000000, 'delay', 0, 'priority', 0) redis.call('LPUSH', 'bull:q:wait', n) end";
    redis::cmd("EVAL").arg(fill).arg(0).arg(JOBS).exec_async(&mut connection).await.unwrap();
    send(&mut connection, "bull", &format!("SET {{b}}id {JOBS}")).await;
    assert!(found(&redis, &["q"]).await.is_empty());
    assert_eq!(searches(&redis).await, 0);

    send(&mut connection, "bull", "DEL {b}5\nLREM {b}wait 0 6\nLPUSH {b}wait 7").await;
    let faults: Vec<(String, u64)> = found(&redis, &["q"]).await.into_iter().collect();
    let expected = ["ghost_id", "orphan_hash", "twice_in_list"].map(|class| (class.to_owned(), 1));
    assert_eq!(faults, expected);
    assert_eq!(searches(&redis).await, 9, "three suspects, three lists");
    assert_eq!(doctor(&redis, &["q", "--repair"]).await.code, 0);
    assert!(found(&redis, &["q"]).await.is_empty());
}
