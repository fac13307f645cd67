//! A request is executed, and its answer never comes. Nothing happens twice, nothing is lost.

use std::time::{Duration, Instant};

use bullock::{Queue, wire::Dialect};
use serde_json::json;

use crate::rig::{BOTH, QUEUE, Rig, stop};
use crate::support::proxy::Lose;
use crate::support::wait;

/// A lost answer holds up other jobs for no longer. The measure is 1 s for a closed connection; a busy machine gets more.
const HELD_UP: Duration = Duration::from_secs(3);

fn ways(sha: &str) -> [(&'static str, Lose); 4] {
    [
        ("the answer is lost and the connection closed", Lose::next(sha)),
        ("the answer is lost and the connection silent", Lose::next(sha).silently()),
        ("the request is lost and the connection closed", Lose::next(sha).request_too()),
        ("the request is lost and the connection silent", Lose::next(sha).request_too().silently()),
    ]
}

async fn lost_once(dialect: Dialect, script: &str, fails: bool) {
    let rig = Rig::start(dialect).await;
    let worker = rig.plan().start().await.unwrap();
    let first = rig.add(0).await;
    rig.each_once(&[first]).await;
    for (what, lose) in ways(&rig.sha(script)) {
        let lost = rig.proxy.lost();
        rig.proxy.lose(lose);
        let began = Instant::now();
        let data = json!({"ms": 50, "fails": fails});
        let id = rig.queue.add("x", &data, json!({})).await.unwrap().id.to_string();
        wait::until("the loss", async || rig.proxy.lost() > lost).await;
        // Another job beside it.
        let other = rig.add(0).await;
        let took = rig.record.start_of(&other).await - began;
        println!("{dialect:?} {script}, {what}: the next job starts after {took:?}");
        assert!(took < HELD_UP, "{script}, {what}: {took:?}");
        let db = rig.db().await;
        let end = if fails { "failed" } else { "completed" };
        wait::until("its end", async || db.score(end, &id).await.is_some()).await;
        assert_eq!(rig.record.starts(&id), 1, "{script}, {what}");
        if !fails {
            rig.each_once(&[id, other]).await;
        }
    }
    stop(worker).await;
}

#[tokio::test]
async fn the_answer_to_a_claim() {
    for dialect in BOTH {
        lost_once(dialect, "claim", false).await;
    }
}

#[tokio::test]
async fn the_answer_to_a_completion() {
    for dialect in BOTH {
        lost_once(dialect, "complete", false).await;
    }
}

#[tokio::test]
async fn the_answer_to_a_failure() {
    for dialect in BOTH {
        lost_once(dialect, "fail", true).await;
    }
}

#[tokio::test]
async fn the_answer_to_an_add_gives_one_job() {
    for dialect in BOTH {
        let rig = Rig::start(dialect).await;
        let queue = Queue::open_as(dialect, &rig.proxy.url(), "bull", QUEUE).unwrap();
        queue.add("x", &json!({}), json!({})).await.unwrap();
        let mut jobs = 1;
        for (what, lose) in ways(&rig.sha("enqueue")) {
            rig.proxy.lose(lose);
            let added = queue.add("x", &json!({}), json!({})).await.unwrap();
            assert!(!added.existed, "{what}");
            jobs += 1;
            let db = rig.db().await;
            assert_eq!(db.ask::<u64>(redis::cmd("LLEN").arg(db.key("wait"))).await, jobs, "{what}");
        }
    }
}

#[tokio::test]
async fn what_a_lost_claim_took_is_given_back_at_once_when_the_worker_stops() {
    for dialect in BOTH {
        let rig = Rig::start(dialect).await;
        let worker = rig.plan().start().await.unwrap();
        let first = rig.add(0).await;
        rig.each_once(&[first]).await;
        rig.proxy.lose(Lose::next(&rig.sha("claim")).silently());
        let id = rig.add(0).await;
        wait::until("the loss", async || rig.proxy.lost() == 1).await;
        let began = Instant::now();
        stop(worker).await;
        println!("{dialect:?}: a stop in mid-claim takes {:?}", began.elapsed());
        let db = rig.db().await;
        let waiting: Vec<String> = db.ask(redis::cmd("LRANGE").arg(db.key("wait")).arg(0).arg(-1)).await;
        assert_eq!(waiting, [id.as_str()]);
        assert_eq!(db.ask::<u8>(redis::cmd("EXISTS").arg(db.key(&format!("{id}:lock")))).await, 0);
        assert_eq!(rig.record.starts(&id), 0);
    }
}
