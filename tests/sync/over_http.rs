//! The real binary between a real shop and a real back office, which asks for time, wants smaller batches, and sees workers die.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::shop::{BOTH, Ground, QUEUE};
use crate::support::bullock::Bullock;
use crate::support::wait;

const ITEMS: u64 = 797;

#[derive(Default)]
struct Office {
    /// Items of each key that was taken.
    taken: HashMap<String, Vec<u64>>,
    repeated: usize,
    requests: usize,
    /// How often each item was tried, a repeated batch not counted.
    tries: HashMap<u64, u32>,
    fences: Vec<u64>,
}

type Shared = Arc<Mutex<Office>>;

async fn page(Json(ask): Json<Value>) -> Json<Value> {
    let from = ask["cursor"].as_u64().unwrap_or(0);
    let end = (from + ask["limit"].as_u64().unwrap()).min(ITEMS);
    let items: Vec<Value> =
        (from..end).map(|id| json!({"id": id, "email": format!("{id}@example.com")})).collect();
    Json(json!({"items": items, "next": if end < ITEMS { json!(end) } else { Value::Null }, "total": ITEMS}))
}

async fn push(State(office): State<Shared>, headers: HeaderMap, Json(batch): Json<Value>) -> Response {
    let ids: Vec<u64> =
        batch["items"].as_array().unwrap().iter().map(|item| item["id"].as_u64().unwrap()).collect();
    if ids.len() > 25 {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    let mut office = office.lock().unwrap();
    office.requests += 1;
    office.fences.push(headers["job-fence"].to_str().unwrap().parse().unwrap());
    if office.requests.is_multiple_of(9) {
        return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0.05")], "slow down").into_response();
    }
    let again = office.taken.insert(key.clone(), ids.clone());
    if let Some(before) = &again {
        assert_eq!(*before, ids, "{key} stands for other items than before");
        office.repeated += 1;
    }
    let answers = ids.into_iter().map(|id| {
        let tries = office.tries.entry(id).or_default();
        *tries += u32::from(again.is_none());
        let failed = id % 200 == 7 || (id % 20 == 3 && *tries <= 2);
        json!({"id": id, "status": if failed { "failed" } else { "ok" }, "message": "no"})
    });
    Json(answers.collect::<Value>()).into_response()
}

fn config(ground: &Ground, office: &str) -> String {
    let dialect = ground.dialect.as_str();
    format!(
        "[redis]\nurl = \"{}\"\n[worker]\nallow_short_leases = true\nlease = \"900ms\"\nrenew = \"250ms\"\nsweep = \"200ms\"\n\
         [queues.{QUEUE}]\ndialect = \"{dialect}\"\n[queues.{QUEUE}.handlers.sync]\nno_progress = \"10s\"\n\
         secret = \"a-secret-of-more-than-24-bytes\"\n[queues.{QUEUE}.handlers.sync.sync]\n\
         source = {{ http = \"{office}/page\" }}\nsink = {{ http = \"{office}/push\" }}\nbatch_delay = \"10ms\"\n\
         item_backoff = {{ exponential = \"50ms\" }}\n",
        ground.redis.url()
    )
}

#[tokio::test]
async fn a_sync_survives_killed_workers_and_a_back_office_that_wants_time_and_smaller_batches() {
    for dialect in BOTH {
        let ground = Ground::start(dialect).await;
        let office = Shared::default();
        let router = Router::new()
            .route("/page", post(page))
            .route("/push", post(push))
            .with_state(Arc::clone(&office));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });

        let config = config(&ground, &url);
        ground.add("s", &json!({})).await;
        let kills = 4;
        for _ in 0..kills {
            let before = office.lock().unwrap().requests;
            let worker = Bullock::run(&config).await;
            wait::until("some batches", async || office.lock().unwrap().requests >= before + 5).await;
            drop(worker); // kill -9
        }
        let worker = Bullock::run(&config).await;
        ground.ended("s").await;
        let result: Value = serde_json::from_str(&ground.field("s", "returnvalue").await.unwrap()).unwrap();
        drop(worker);

        let items = ground.items("s").await;
        let audit: u64 = redis::cmd("XLEN")
            .arg(format!("bull::x:{QUEUE}::audit"))
            .query_async(&mut ground.db.clone())
            .await
            .unwrap();
        let office = office.lock().unwrap();
        let good = |id: &u64| id % 200 != 7;
        let expected = (0..ITEMS).filter(good).count();
        assert_eq!(result["state"], "partial", "{dialect:?}: {result}");
        assert_eq!(
            (&result["successful"], &result["failed"]),
            (&json!(expected), &json!(ITEMS as usize - expected))
        );
        assert_eq!(office.tries.len() as u64, ITEMS, "no item is skipped");
        assert!(office.repeated <= kills, "{} batches came again after {kills} kills", office.repeated);
        assert!(office.fences.is_sorted(), "a later run has a greater fence: {:?}", office.fences);
        assert_eq!(items.len(), ITEMS as usize - expected);
        assert!(items.values().all(|note| note["tries"] == 3), "{items:?}");
        assert!(audit > 10);
    }
}
