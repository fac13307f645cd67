//! `GET /history`: what ran, from what workers have counted.

use std::sync::Arc;
use std::time::Duration;

use bullock::store::Lane;
use bullock::store::history::tally::{How, Ran, Tally};

use crate::site::Site;

#[tokio::test]
async fn history_tells_how_runs_ended_how_long_they_took_and_which_fail_most() {
    let site = Site::start().with_jobs().await;
    for (queue, handle) in [("shop", &site.shop), ("pdf", &site.pdf)] {
        let (name, other): (Arc<str>, Arc<str>) = ("import".into(), "mail".into());
        let mut tally = Tally::default();
        for n in 0..10 {
            let how = if n < 8 { How::Completed } else { How::Failed };
            let (ran, waited) = (Duration::from_secs(n + 1), Some(Duration::from_millis(100)));
            tally.add(&Ran { name: &name, org: "acme", id: &n.to_string(), attempt: 1, how, ran, waited });
        }
        let ran = Duration::from_millis(5);
        tally.add(&Ran {
            name: &other,
            org: "",
            id: "m",
            attempt: 1,
            how: How::Completed,
            ran,
            waited: None,
        });
        let counted = tally.take_call().unwrap();
        let mut lane = Lane::new(format!("test:{queue}"));
        lane.next();
        handle.store().tally(&lane, 60_000, Duration::from_hours(24), &counted).await.unwrap();

        let page = site.get(&format!("/history?queue={queue}&name=import")).await;
        let kind = &page["kinds"][0];
        assert_eq!((&kind["name"], &kind["org"]), (&"import".into(), &"acme".into()), "{page:#}");
        assert_eq!((&kind["completed"], &kind["failed"]), (&8.into(), &2.into()));
        assert_eq!(kind["successRate"], 0.8);
        let p50 = kind["runMs"]["p50"].as_f64().unwrap();
        assert!((4_000.0..=6_500.0).contains(&p50), "{p50}");
        assert_eq!(page["mostFailing"][0]["failed"], 2);
        assert_eq!(
            (&page["slowest"][0]["id"], &page["slowest"][0]["ended"]),
            (&"9".into(), &"failed".into())
        );
        let points = page["points"].as_array().unwrap();
        assert!(
            points.len() >= 24
                && points.iter().filter(|point| point["kinds"] != serde_json::json!([])).count() == 1
        );
        let all = site.get(&format!("/history?queue={queue}&by=day")).await;
        assert_eq!(all["kinds"].as_array().unwrap().len(), 2);
        assert_eq!(all["kinds"][1]["waitMs"], serde_json::Value::Null, "{all:#}");
        assert_eq!(site.get(&format!("/history/runs?queue={queue}")).await["items"], serde_json::json!([]));
    }
    site.send("elsewhere", "GET", "/history?queue=shop", None).await.refused(403);
}
