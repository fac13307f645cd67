//! What a run writes while it works: progress, log, data, checkpoint.

use std::convert::Infallible;
use std::time::Duration;

use bullock::JobError;
use serde_json::{Value, json};

use crate::rig::{Rig, Seen};

#[tokio::test]
async fn progress_counts_get_their_percent_and_the_last_one_is_always_stored() {
    let mut rig = Rig::start().await;
    rig.bull.listen().await;
    let worker = rig
        .plan()
        .on("x", |_, ctx| async move {
            for done in 0..=200 {
                ctx.progress(&json!({"total": 200, "processed": done})).await?;
            }
            Ok::<_, JobError>(())
        })
        .start()
        .await;
    let id = rig.bull.add("x", json!({}), json!({})).await;
    rig.bull.finished(&id).await.unwrap();
    let stored = rig.bull.job(&id, "progress").await;
    assert_eq!((&stored["total"], &stored["processed"]), (&json!(200), &json!(200)), "{stored}");
    assert_eq!(stored["progress"].as_f64(), Some(100.0), "{stored}");
    let events = rig.bull.heard.iter().filter(|line| line["event"] == "global:progress");
    let events: Vec<&Value> = events.map(|line| &line["args"]).collect();
    assert_eq!(events.last().unwrap()[1], stored);
    assert!(events.len() < 50, "{} of 201 came through", events.len());
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn bull_reads_the_log_and_the_updated_data() {
    let mut rig = Rig::start().await;
    let worker = rig
        .plan()
        .on("x", |job, ctx| async move {
            ctx.log(format!("from {}", job.data["page"])).await?;
            ctx.update_data(&json!({"page": 2, "text": "é"})).await?;
            ctx.log("done").await?;
            Ok::<_, JobError>(())
        })
        .start()
        .await;
    let id = rig.bull.add("x", json!({"page": 1}), json!({})).await;
    rig.bull.finished(&id).await.unwrap();
    let logs = rig.bull.call("getJobLogs", json!([id])).await.unwrap();
    assert_eq!(logs, json!({"logs": ["from 1", "done"], "count": 2}));
    assert_eq!(rig.bull.job(&id, "data").await, json!({"page": 2, "text": "é"}));
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn the_next_attempt_gets_data_progress_and_checkpoint_of_the_last_one() {
    let mut rig = Rig::start().await;
    let seen = Seen::default();
    let notes = seen.clone();
    let worker = rig
        .plan()
        .on("x", move |job, ctx| {
            let notes = notes.clone();
            async move {
                let raw = |value: &Option<Box<serde_json::value::RawValue>>| {
                    value.as_ref().map_or("none".to_owned(), |value| value.get().to_owned())
                };
                notes.note(format!("{} {} {}", job.data, raw(&job.progress), raw(&job.checkpoint)));
                ctx.update_data(&json!({"page": 7})).await?;
                ctx.progress(&30).await?;
                ctx.checkpoint(&json!({"cursor": "c"})).await?;
                if job.attempt() == 1 { Err(JobError::retry("again")) } else { Ok(()) }
            }
        })
        .start()
        .await;
    let id = rig.bull.add("x", json!({"page": 1}), json!({"attempts": 2})).await;
    rig.bull.finished(&id).await.unwrap();
    assert_eq!(seen.all(), [r#"{"page":1} none none"#, r#"{"page":7} 30 {"cursor":"c"}"#]);
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_progress_that_waits_for_its_turn_is_written_while_the_run_goes_on() {
    let mut rig = Rig::start().await;
    rig.bull.listen().await;
    let worker = rig
        .plan()
        .on("x", |_, ctx| async move {
            for percent in [1, 2, 3] {
                ctx.progress(&percent).await.unwrap();
            }
            // Not one write more: the third must come by itself.
            ctx.cancelled.cancelled().await;
            Ok::<_, Infallible>(())
        })
        .options(|options| options.shutdown_grace = Duration::ZERO)
        .start()
        .await;
    let id = rig.bull.add("x", json!({}), json!({})).await;
    let heard = rig.bull.hear("progress 3", |line| line["args"] == json!([id, 3])).await;
    assert_eq!(heard["event"], "global:progress");
    worker.stop().await;
    rig.bull.close().await;
}
