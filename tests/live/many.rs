//! Many readers at once, and slow ones.

use std::time::{Duration, Instant};

use bullock::wire::NewJob;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::stage::{BULLMQ, Stage, Stream};
use crate::support::wait::DEADLINE;

/// Readers in the measurement.
const READERS: usize = 500;
/// Jobs that are added one by one.
const JOBS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_reaches_five_hundred_readers_soon_after_its_commit() {
    let stage = Stage::start();
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        readers.spawn({
            let address = stage.address;
            async move {
                let stream = Stream::open(address, "?type=job.added", &[]).await;
                assert_eq!(stream.status, 200, "{}", stream.head);
                stream
            }
        });
    }
    let streams = readers.join_all().await;
    let mut reading = JoinSet::new();
    for mut stream in streams {
        reading.spawn(async move {
            let mut late_ms = Vec::new();
            for _ in 0..JOBS {
                let event = stream.next().await;
                let at = chrono::DateTime::parse_from_rfc3339(event["ts"].as_str().unwrap()).unwrap();
                late_ms.push((chrono::Utc::now().timestamp_millis() - at.timestamp_millis()).max(0));
            }
            late_ms
        });
    }
    let store = stage.store(BULLMQ);
    for _ in 0..JOBS {
        let job = NewJob::bullmq("ship", &json!({}), serde_json::Map::new()).unwrap();
        store.enqueue("test", &[job]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let mut late_ms: Vec<i64> = reading.join_all().await.into_iter().flatten().collect();
    late_ms.sort_unstable();
    let at = |part: f64| late_ms[((late_ms.len() - 1) as f64 * part) as usize];
    println!(
        "from the commit to {READERS} readers, {} deliveries: p50 {} ms, p95 {} ms, p99 {} ms, max {} ms",
        late_ms.len(),
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0)
    );
    assert_eq!(late_ms.len(), READERS * JOBS);
    assert!(at(0.95) < 5000, "a safety net, not the bar");
}

#[tokio::test]
async fn the_six_hundred_and_first_stream_finds_no_room_until_one_leaves() {
    let stage = Stage::start();
    let mut streams = Vec::new();
    for n in 0..600 {
        let stream = Stream::open(stage.address, "", &[]).await;
        assert_eq!(stream.status, 200, "stream {n}: {}", stream.head);
        streams.push(stream);
    }
    let answer = stage.get("/api/v1/events").await;
    assert_eq!((answer.status, answer.problem().as_str()), (503, "streams-full"));
    assert_eq!(answer.header("retry-after"), Some("5"));
    let upgrade = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    assert_ne!(stage.send("GET", "/api/v1/ws", &upgrade, None).await.status, 101);
    assert_eq!(stage.get("/livez").await.status, 200, "requests find room");
    let scraped = stage.get("/metrics").await.body;
    assert!(scraped.contains("bullock_stream_clients{transport=\"sse\"} 600"), "{scraped}");
    drop(streams.pop());
    crate::support::wait::until("room for one more", async || {
        Stream::open(stage.address, "", &[]).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_told_of_a_gap_and_costs_no_memory() {
    let stage = Stage::start();
    let mut slow = stage.events("?type=job.*").await;
    let store = stage.store(BULLMQ);
    let start = Instant::now();
    // More than the ring and the sockets' buffers hold.
    let mut fast = stage.events("?type=job.added").await;
    for _ in 0..20 {
        let jobs: Vec<NewJob> = (0..1000)
            .map(|_| NewJob::bullmq(&"n".repeat(500), &json!({}), serde_json::Map::new()).unwrap())
            .collect();
        store.enqueue("test", &jobs).await.unwrap();
        fast.next_of("job.added").await;
    }
    let gap = slow
        .next_where("a gap", |event| event["type"] == "resync" && event["data"]["reason"] != "unknown-seq")
        .await;
    assert!(["behind", "flood"].contains(&gap["data"]["reason"].as_str().unwrap()), "{gap}");
    assert!(start.elapsed() < 3 * DEADLINE);
    // What comes later comes.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let job = NewJob::bullmq("last", &json!({}), serde_json::Map::new()).unwrap();
    let added = store.enqueue("test", &[job]).await.unwrap();
    slow.next_where("the last job", |event| event["jobId"] == json!(added[0].id.as_str())).await;
}

#[tokio::test]
async fn idle_lookers_on_cost_redis_next_to_nothing() {
    let stage = Stage::start();
    let streams = [stage.events("").await, stage.events("").await, stage.events("").await];
    // What begins a connection is not counted.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = commands(&stage).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let per_second = (commands(&stage).await - before) as f64 / 6.0;
    println!("three idle streams: {per_second:.1} commands of Redis a second");
    assert!(per_second < 10.0, "{per_second}");
    drop(streams);
}

async fn commands(stage: &Stage) -> u64 {
    let mut connection = stage.redis.connection().await;
    let info: String = redis::cmd("INFO").arg("stats").query_async(&mut connection).await.unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("total_commands_processed:")).unwrap();
    line.trim().parse().unwrap()
}

#[tokio::test]
async fn a_reader_that_stops_reading_is_let_go() {
    let stage = Stage::start();
    let stuck: TcpStream = Stream::open(stage.address, "?type=job.*", &[]).await.into_socket();
    let store = stage.store(BULLMQ);
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < 4 * DEADLINE, "waited for the stuck reader to be let go");
        let jobs: Vec<NewJob> = (0..500)
            .map(|_| NewJob::bullmq(&"n".repeat(500), &json!({}), serde_json::Map::new()).unwrap())
            .collect();
        store.enqueue("test", &jobs).await.unwrap();
        if stage.get("/metrics").await.body.contains("bullock_stream_clients{transport=\"sse\"} 0") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(stuck);
}
