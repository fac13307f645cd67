//! `BullMQ`: plain jobs end the short way, but only as long as they are plain.

use bullock::store::Scripts;
use bullock::store::finish::{Completion, Verdict};

use crate::ground::{Ground, LEASE_MS, NOW, P, claim, completion};

async fn running(ground: &mut Ground, ids: &[&str], tokens: &[&str]) -> Vec<Option<u8>> {
    for id in ids {
        let key = format!("{P}{id}");
        let hash = ["name", "x", "data", "{}", "opts", "{}", "timestamp", "1", "delay", "0", "priority", "0"];
        ground.plain(&[&["HSET", &key][..], &hash[..]].concat()).await;
        ground.plain(&["LPUSH", &format!("{P}wait"), id]).await;
    }
    ground.lane.next();
    let claimed = claim(&ground.store, &ground.lane, tokens, None).await.unwrap();
    claimed.jobs.iter().map(|job| job.plain_fields).collect()
}

async fn end(ground: &mut Ground, plain: &[Option<u8>]) -> Vec<Verdict> {
    let run = |id, token, plain_fields| Completion { plain_fields, ..completion(id, token) };
    let runs = [run("a", "w:01", plain[0]), run("b", "w:02", plain[1])];
    ground.lane.next();
    ground.store.complete(&ground.lane, LEASE_MS, 0, &runs).await.unwrap()
}

#[tokio::test]
async fn plain_jobs_end_as_any_others() {
    let mut ground = Ground::bullmq_at(NOW).await;
    let plain = running(&mut ground, &["a", "b"], &["w:01", "w:02"]).await;
    assert_eq!(plain, [Some(8), Some(8)], "six fields and what the claim wrote");
    assert_eq!(end(&mut ground, &plain).await, [Verdict::Done, Verdict::Done]);
    let (short, long) = (ground.snapshot().await, {
        let mut other = Ground::of(Scripts::bullmq(Some(NOW))).await;
        running(&mut other, &["a", "b"], &["w:01", "w:02"]).await;
        assert_eq!(end(&mut other, &[None, None]).await, [Verdict::Done, Verdict::Done]);
        other.snapshot().await
    });
    let states = |all: crate::snapshot::Snapshot| {
        all.into_iter().filter(|(_, entry)| entry.kind != "stream").collect::<Vec<_>>()
    };
    assert_eq!(states(short), states(long));
}

#[tokio::test]
async fn a_parent_that_took_a_plain_job_on_while_it_ran_is_released() {
    let mut ground = Ground::bullmq_at(NOW).await;
    let plain = running(&mut ground, &["a", "b"], &["w:01", "w:02"]).await;
    ground
        .plain(&["HSET", &format!("{P}p"), "name", "p", "data", "{}", "opts", "{}", "timestamp", "1"])
        .await;
    ground.plain(&["ZADD", &format!("{P}waiting-children"), "1", "p"]).await;
    ground.plain(&["SADD", &format!("{P}p:dependencies"), &format!("{P}a")]).await;
    let parent = r#"{"id":"p","queueKey":"bull:q"}"#;
    ground.plain(&["HSET", &format!("{P}a"), "parentKey", &format!("{P}p"), "parent", parent]).await;
    assert_eq!(end(&mut ground, &plain).await, [Verdict::Done, Verdict::Done]);
    assert_eq!(ground.state_of("p").await, ["wait"]);
}

#[tokio::test]
async fn a_plain_job_that_was_given_a_child_or_lost_its_lease_or_its_hash_does_not_end() {
    let mut ground = Ground::bullmq_at(NOW).await;
    let plain = running(&mut ground, &["a", "b"], &["w:01", "w:02"]).await;
    ground.plain(&["SADD", &format!("{P}a:dependencies"), &format!("{P}c")]).await;
    ground.plain(&["SET", &format!("{P}b:lock"), "w:99"]).await;
    assert_eq!(end(&mut ground, &plain).await, [Verdict::ChildrenPending, Verdict::LeaseLost]);
    ground.plain(&["DEL", &format!("{P}a:dependencies"), &format!("{P}b")]).await;
    assert_eq!(end(&mut ground, &plain).await, [Verdict::Done, Verdict::JobGone]);
}
