//! Figures of runs: counted by the worker, written once a second for all, read by name, hour and day.

use bullock::store::Lane;
use bullock::store::history::tally::{How, Ran, Tally};
use bullock::store::history::{Ask, By, POINTS_MAX};
use bullock::store::orgs::Turns;
use bullock::wire::Dialect;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

use crate::ground::{BOTH, Ground, QUEUE, stop};
use crate::support::wait;

#[tokio::test]
async fn runs_are_counted_by_name_and_outcome_with_their_durations() {
    for dialect in BOTH {
        let ground = Ground::start(dialect).await;
        let worker = ground.worker().start().await.unwrap();
        for _ in 0..8 {
            ground.add("mail", json!({"ms": 20}), json!({})).await;
        }
        ground.add("mail", json!({"fail": true}), json!({"attempts": 3})).await;
        ground.add("report", json!({"ms": 300}), json!({})).await;
        ground.ended(10).await;
        // What was counted and not written yet is written at the end.
        stop(worker).await;
        for by in [By::Hour, By::Day] {
            let history = ground.today(by).await;
            let [mail, report] = &history.kinds[..] else { panic!("{dialect:?}: {:?}", history.kinds) };
            assert_eq!((&*mail.name, mail.completed, mail.failed, mail.retried), ("mail", 8, 1, 2));
            assert_eq!((&*report.name, report.completed, report.failed), ("report", 1, 0));
            assert_eq!(mail.success_rate(), Some(8.0 / 9.0));
            assert_eq!((mail.ran.count, mail.waited.count), (11, 9), "waits are those for first attempts");
            assert!(mail.ran.p50_ms > 15.0 && report.ran.p50_ms > 250.0, "{mail:?} {report:?}");
            assert!(mail.ran.p99_ms <= report.ran.p99_ms * 1.2 && mail.ran.mean_ms > 5.0);
            let last = history.points.last().unwrap();
            let points: u64 =
                history.points.iter().flat_map(|point| &point.kinds).map(|kind| kind.completed).sum();
            assert_eq!(points, 9, "the points are the whole");
            assert_eq!(last.from_ms % by.length_ms(), 0);
        }
        let now = chrono::Utc::now().timestamp_millis();
        let ask = Ask { name: Some("report"), ..Ask::between(now - 1000, now) };
        assert_eq!(ground.store().history(&ask).await.unwrap().kinds.len(), 1);
        let slow = ground.store().slowest(&Ask::between(now - 1000, now), 1).await.unwrap();
        assert_eq!((&*slow[0].name, &*slow[0].ended, slow[0].attempt), ("report", "completed", 1));
    }
}

#[tokio::test]
async fn a_plain_job_costs_no_command_and_no_key_of_its_own() {
    let mut ground = Ground::start(Dialect::Bull).await;
    let worker = ground.worker().start().await.unwrap();
    for _ in 0..300 {
        ground.add("mail", json!({}), json!({})).await;
    }
    ground.ended(300).await;
    stop(worker).await;
    let keys: Vec<String> =
        redis::cmd("KEYS").arg(format!("bull::x:{QUEUE}::*")).query_async(&mut ground.db).await.unwrap();
    let ours = |name: &str| keys.iter().filter(|key| key.contains(name)).count();
    assert!(ours("::stats:hour:") <= 2 && ours("::stats:day:") <= 2 && ours("::slow:") <= 2, "{keys:?}");
    assert_eq!(ours("::job:"), 0);
    for key in keys.iter().filter(|key| key.contains("::stats:") || key.contains("::slow:")) {
        let left: i64 = redis::cmd("PTTL").arg(key).query_async(&mut ground.db).await.unwrap();
        assert!(left > 0, "{key} goes by itself");
    }
    let stats: String = redis::cmd("INFO").arg("commandstats").query_async(&mut ground.db).await.unwrap();
    let calls = |name: &str| -> u64 {
        let line =
            stats.lines().find(|line| line.starts_with(&format!("cmdstat_{name}:calls="))).unwrap_or("");
        line.split(['=', ',']).nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    assert!(calls("hincrby") < 300, "{} for 300 jobs", calls("hincrby"));
}

#[tokio::test]
async fn plain_jobs_count_for_the_organisation_that_their_data_name() {
    for dialect in BOTH {
        let ground = Ground::start(dialect).await;
        let turns = Turns { org: Some(vec!["shop".into(), "id".into()]), ..Turns::default() };
        let worker = ground.worker().turns(turns).start().await.unwrap();
        for org in [json!("acme"), json!("acme"), json!("https://b.example/100%3A"), json!(7), json!("")] {
            ground.add("mail", json!({"shop": {"name": "a", "id": org}}), json!({})).await;
        }
        ground.add("mail", json!({"shop": {"id": "acme"}, "fail": true}), json!({})).await;
        ground.add("mail", json!([1, 2]), json!({})).await;
        ground.ended(7).await;
        stop(worker).await;
        let history = ground.today(By::Hour).await;
        let counts: Vec<_> =
            history.kinds.iter().map(|kind| (&*kind.org, kind.completed, kind.failed)).collect();
        let wanted = [("", 2, 0), ("7", 1, 0), ("acme", 2, 1), ("https://b.example/100%3A", 1, 0)];
        assert_eq!(counts, wanted, "{dialect:?}");
        let now = chrono::Utc::now().timestamp_millis();
        let ask = Ask { org: Some("acme"), ..Ask::between(now - 60_000, now) };
        assert_eq!(ground.store().history(&ask).await.unwrap().kinds.len(), 1);
        let slow = ground.store().slowest(&ask, 10).await.unwrap();
        assert_eq!(slow.len(), 3, "{slow:?}");
    }
}

#[tokio::test]
async fn counts_that_are_sent_twice_count_once() {
    for dialect in BOTH {
        let ground = Ground::start(dialect).await;
        let (store, name): (_, Arc<str>) = (ground.store(), "mail".into());
        let mut tally = Tally::default();
        let ran = Ran {
            name: &name,
            org: "acme",
            id: "1",
            attempt: 1,
            how: How::Completed,
            ran: Duration::from_millis(5),
            waited: None,
        };
        tally.add(&ran);
        let counted = tally.take_call().unwrap();
        assert!(tally.take_call().is_none() && tally.is_empty());
        let mut lane = Lane::new("w:tally");
        lane.next();
        for _ in 0..2 {
            store.tally(&lane, 60_000, Duration::from_hours(1), &counted).await.unwrap();
        }
        let history = ground.today(By::Hour).await;
        assert_eq!((&*history.kinds[0].org, history.kinds[0].completed), ("acme", 1), "{dialect:?}");
        assert!(history.read_ms > 0);
    }
}

#[tokio::test]
async fn a_name_or_organisation_without_room_counts_among_the_others() {
    let ground = Ground::start(Dialect::Bull).await;
    let (store, name): (_, Arc<str>) = (ground.store(), "sync".into());
    let mut lane = Lane::new("w:tally");
    let mut tally = Tally::default();
    for org in 0..6_000 {
        let org = format!("org-{org}");
        let ms = Duration::from_millis(3);
        let ran = Ran {
            name: &name,
            org: &org,
            id: "1",
            attempt: 1,
            how: How::Completed,
            ran: ms,
            waited: Some(ms),
        };
        tally.add(&ran);
    }
    while let Some(counted) = tally.take_call() {
        lane.next();
        store.tally(&lane, 60_000, Duration::from_hours(1), &counted).await.unwrap();
    }
    let history = ground.today(By::Hour).await;
    let all: u64 = history.kinds.iter().map(|kind| kind.completed).sum();
    assert_eq!(all, 6_000, "none is lost");
    assert!(history.kinds.len() < 6_000, "{} kinds", history.kinds.len());
    assert_eq!((&*history.kinds[0].name, &*history.kinds[0].org), ("*", "*"));
}

#[tokio::test]
async fn without_history_nothing_is_written() {
    let mut ground = Ground::start(Dialect::BullMq).await;
    let worker = ground.worker().history(Duration::ZERO).start().await.unwrap();
    ground.add("mail", json!({}), json!({})).await;
    ground.ended(1).await;
    stop(worker).await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("bull::x:*").query_async(&mut ground.db).await.unwrap();
    assert!(keys.iter().all(|key| !key.contains("::stats:") && !key.contains("::slow:")), "{keys:?}");
}

#[tokio::test]
async fn figures_appear_within_seconds_while_the_worker_runs() {
    let ground = Ground::start(Dialect::Bull).await;
    let worker = ground.worker().start().await.unwrap();
    ground.add("mail", json!({}), json!({})).await;
    wait::until("the figures", async || ground.today(By::Hour).await.kinds.len() == 1).await;
    stop(worker).await;
}

#[tokio::test]
async fn a_question_that_is_too_long_or_runs_backwards_is_refused() {
    let ground = Ground::start(Dialect::Bull).await;
    let (store, now) = (ground.store(), 1_795_000_000_000);
    let hours = i64::try_from(POINTS_MAX).unwrap() * 3_600_000;
    assert!(store.history(&Ask::between(now - hours, now)).await.is_err());
    assert!(store.history(&Ask::between(now, now - 7_200_000)).await.is_err());
    let days = Ask { by: By::Day, ..Ask::between(now - hours, now) };
    assert_eq!(store.history(&days).await.unwrap().points.len(), days.points());
}
