//! How runs end, as npm bull sees it.

use std::convert::Infallible;

use bullock::JobError;
use bullock::job::outcome::Outcome;
use redis::cmd;
use serde_json::{Value, json};

use crate::rig::{Answer, Db, Gate, QUEUE, Rig};
use crate::support::node::Node;
use crate::support::wait;

#[tokio::test]
async fn finished_resolves_by_the_event() {
    let mut rig = Rig::start().await;
    let gate = Gate::closed();
    let door = gate.clone();
    let worker = rig
        .plan()
        .on("x", move |_, _| {
            let door = door.clone();
            async move {
                door.pass().await;
                Ok::<_, Infallible>("hi")
            }
        })
        .start()
        .await;
    // A job that is gone when it completes leaves no trace to be polled: the event is all that can resolve it.
    let id = rig.bull.add("x", json!({}), json!({"removeOnComplete": true})).await;
    let mut node = Node::start("bull.mjs", &[&rig.redis.url(), QUEUE]);
    assert_eq!(node.next().await, json!({"ready": true}));
    node.send(&json!({"request": 1, "do": "finished", "id": id}));
    assert_eq!(node.next().await, json!({ "waiting": id }));
    gate.open(1);
    assert_eq!(node.next().await, json!({"request": 1, "ok": "hi"}));
    assert_eq!(rig.db.ask::<u64>(cmd("EXISTS").arg(Db::key(&id))).await, 0);
    worker.stop().await;
    node.finish().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn results_of_all_kinds_reach_bull() {
    let mut rig = Rig::start().await;
    rig.bull.listen().await;
    let worker = rig
        .plan()
        .on("echo", |job, _| async move { Ok::<_, Infallible>(job.data["result"].clone()) })
        .handler("undefined", Answer(|| Outcome::Completed(None)), |_| {})
        .start()
        .await;
    let results =
        json!(["text", "", "\"quoted\" \n é ☃", 0, 1.5, true, null, [], {}, {"a": {"b": [1, "2"]}}]);
    for result in results.as_array().unwrap() {
        let id = rig.bull.add("echo", json!({"result": result}), json!({})).await;
        assert_eq!(rig.bull.finished(&id).await, Ok(result.clone()), "finished of {result}");
        let heard = rig
            .bull
            .hear("completed", |line| line["event"] == "global:completed" && line["args"][0] == id)
            .await;
        assert_eq!(heard["args"], json!([id, result.to_string(), "active"]), "event of {result}");
        assert_eq!(rig.bull.job(&id, "returnvalue").await, *result, "getter of {result}");
        assert_eq!(rig.bull.job(&id, "getState").await, "completed");
    }
    let mut channel = subscribe(&rig, "completed").await;
    let id = rig.bull.add("undefined", json!({}), json!({})).await;
    assert_eq!(rig.bull.finished(&id).await, Ok(Value::Null));
    // No result is no `val`: Bull's listeners get `undefined`.
    assert_eq!(next(&mut channel).await, json!({ "jobId": id }));
    assert_eq!(rig.bull.job(&id, "returnvalue").await, Value::Null);
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn a_failure_reaches_bull_with_its_exact_text() {
    let mut rig = Rig::start().await;
    rig.bull.listen().await;
    let worker = rig
        .plan()
        .on("x", |job, _| async move {
            Err::<(), _>(JobError::retry(job.data["why"].as_str().unwrap_or_default()))
        })
        .start()
        .await;
    for why in ["no such shop", "a \"quoted\"\n\ttext with é, ☃ and \\", ""] {
        let id = rig.bull.add("x", json!({"why": why}), json!({})).await;
        assert_eq!(rig.bull.finished(&id).await, Err(why.to_owned()));
        let heard =
            rig.bull.hear("failed", |line| line["event"] == "global:failed" && line["args"][0] == id).await;
        assert_eq!(heard["args"], json!([id, why, "active"]));
        assert_eq!(rig.bull.job(&id, "failedReason").await, why);
        assert_eq!(rig.bull.job(&id, "attemptsMade").await, 1);
        assert_eq!(rig.bull.job(&id, "getState").await, "failed");
        assert_eq!(rig.bull.job(&id, "stacktrace").await, json!([format!("Error: {why}")]));
    }
    worker.stop().await;
    rig.bull.close().await;
}

#[tokio::test]
async fn bull_hears_waiting_active_progress_completed_and_drained_in_order() {
    let mut rig = Rig::start().await;
    rig.bull.listen().await;
    let worker = rig
        .plan()
        .on("x", |_, ctx| async move {
            ctx.progress(&42).await?;
            Ok::<_, JobError>(1)
        })
        .start()
        .await;
    let id = rig.bull.add("x", json!({}), json!({})).await;
    rig.bull.finished(&id).await.unwrap();
    // What came before the answer was heard already; `drained` comes with the next look at an empty list.
    let mut heard: Vec<Value> = std::mem::take(&mut rig.bull.heard);
    while !heard.iter().any(|line| line["event"] == "global:drained") {
        heard.push(rig.bull.hear("drained", |_| true).await);
    }
    let of_job: Vec<_> =
        heard.iter().filter(|line| line["args"][0] == id).map(|l| l["event"].as_str().unwrap()).collect();
    assert_eq!(of_job, ["global:waiting", "global:active", "global:progress", "global:completed"]);
    let progress = heard.iter().find(|line| line["event"] == "global:progress").unwrap();
    assert_eq!(progress["args"], json!([id, 42]));
    worker.stop().await;
    rig.bull.close().await;
}

pub(crate) async fn subscribe(rig: &Rig, channel: &str) -> redis::aio::PubSub {
    let mut pubsub = redis::Client::open(rig.redis.url()).unwrap().get_async_pubsub().await.unwrap();
    pubsub.subscribe(Db::key(channel)).await.unwrap();
    pubsub
}

pub(crate) async fn next(channel: &mut redis::aio::PubSub) -> Value {
    use futures_util::StreamExt as _;
    let message = tokio::time::timeout(wait::DEADLINE, channel.on_message().next()).await.unwrap().unwrap();
    serde_json::from_str(&message.get_payload::<String>().unwrap()).unwrap()
}
