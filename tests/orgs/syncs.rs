//! Organisations of syncs: said at the start.

use std::time::Duration;

use bullock::Queue;
use bullock::store::orgs::{KeyLimit, Names, Turns};
use bullock::store::sync::start::Start;
use serde_json::json;

use crate::rig::{BOTH, Rig, Seen, does, kim, start, stop};
use crate::terms::completed;

#[tokio::test(flavor = "multi_thread")]
async fn per_org_counts_syncs_of_one_kind_by_the_organisation_of_their_start() {
    for library in BOTH {
        let rig = Rig::start(library).await;
        let queue = Queue::on(rig.store.clone());
        let limit = KeyLimit {
            label: "sync:full".into(),
            path: None,
            names: Names::Only(vec!["full".into()]),
            running: Some(1),
            rate: None,
        };
        let turns = Turns { org: None, fair: false, limits: vec![limit] };
        for org in ["acme", "zeta"] {
            for _ in 0..3 {
                let begin = Start { org: Some(org), several: true, ..Start::default() };
                queue.start_sync(&kim(), &begin, "full", &json!({"of": org}), json!({})).await.unwrap();
            }
        }
        for _ in 0..3 {
            queue.add("other", &json!({"of": "acme"}), json!({})).await.unwrap();
        }
        let seen = Seen::default();
        let notes = seen.clone();
        let handler = does(move |job, _| {
            let notes = notes.clone();
            async move {
                let what = format!("{} {}", job.name, job.data["of"].as_str().unwrap());
                notes.note(format!("+{what}"));
                tokio::time::sleep(Duration::from_millis(30)).await;
                notes.note(format!("-{what}"));
                Ok(json!(null))
            }
        });
        let worker = start(rig.worker().turns(turns).concurrency(10).handler_spec("*", handler)).await;
        completed(&rig, 9).await;
        stop(worker).await;
        for org in ["acme", "zeta"] {
            let (mut now, mut most) = (0, 0);
            for note in seen.all().iter().filter(|note| note.ends_with(&format!("full {org}"))) {
                now += if note.starts_with('+') { 1 } else { -1 };
                most = most.max(now);
            }
            assert_eq!(most, 1, "{library:?}: {:?}", seen.all());
        }
        let first_end = seen.all().iter().position(|note| note.starts_with('-')).unwrap();
        assert!(first_end >= 5, "{library:?}: two syncs and three others at once: {:?}", seen.all());
    }
}
