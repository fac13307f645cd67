//! Two Redis servers that are filled alike, one reached directly and one through `bullock board`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bullock::cli::OVER_API;
use bullock::store::Lane;
use bullock::store::history::tally::{How, Ran, Tally};
use serde_json::{Value, json};

use super::Place;
use super::served::Served;
use super::support::bullock::Answer;
use super::support::node::BullQueue;
use super::support::wait::{self, DEADLINE};
use super::watch::failing_worker;

/// Members that two runs cannot have alike: who and from where, what a clock or a name of a process is in.
const UNLIKE: [&str; 11] = [
    "by",
    "leaseMs",
    "ageMs",
    "runMs",
    "waitMs",
    "ran_ms",
    "connectedSeconds",
    "idleSeconds",
    "addresses",
    "worker",
    "seq",
];

/// The same without what two runs cannot have alike; times become `#`.
fn alike(value: &Value) -> Value {
    match value {
        Value::Number(n) if n.as_f64().is_some_and(|n| n > 1.5e12) => json!("#"),
        Value::String(text) => json!(without_times(text)),
        Value::Array(items) => items.iter().map(alike).collect(),
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !UNLIKE.contains(&name.as_str()))
            .filter(|(name, value)| !(*name == "from" && value.is_string()))
            .map(|(name, value)| (name.clone(), alike(value)))
            .collect(),
        other => other.clone(),
    }
}

fn without_times(text: &str) -> String {
    // "lease held by w-1, 14 s left"
    if let Some((before, _)) = text.split_once(" (lease held by ") {
        return before.to_owned();
    }
    if text.starts_with("cancelled by ") {
        return "cancelled".to_owned();
    }
    if chrono::DateTime::parse_from_rfc3339(text).is_ok() {
        return "#".to_owned();
    }
    let (mut out, mut digits) = (String::new(), String::new());
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        out.push_str(if digits.len() == 13 { "#" } else { &digits });
        digits.clear();
        out.push(c);
    }
    // What follows the time of an entry of a log counts within one ms.
    out.trim_end_matches('\0').replace("#-1", "#-0")
}

pub(crate) fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).map_or_else(|_| json!(line), |value| alike(&value)))
        .collect()
}

pub(crate) struct Twins {
    pub direct: Place,
    pub served: Served,
    /// Commands that were asked both ways.
    pub tried: BTreeSet<String>,
    /// What was not alike.
    pub unlike: Vec<String>,
}

impl Twins {
    pub(crate) async fn both(&mut self, arguments: &[&str]) -> (Answer, Answer) {
        let name: Vec<&str> = arguments.iter().copied().take_while(|word| !word.starts_with('-')).collect();
        let command = OVER_API.iter().find(|known| name.join(" ").starts_with(**known));
        self.tried.insert((*command.unwrap_or_else(|| panic!("not over the API: {arguments:?}"))).to_owned());
        let mut all = arguments.to_vec();
        all.extend(["-o", "ndjson"]);
        (self.direct.run(&all).await, self.served.run(&all).await)
    }

    /// The same on both, at once: for acts.
    pub(crate) async fn same(&mut self, code: i32, arguments: &[&str]) {
        let (direct, served) = self.both(arguments).await;
        let is_said = direct.stderr.is_empty() == served.stderr.is_empty();
        if !is_alike(code, &direct, &served) || !is_said {
            self.unlike.push(format!("{arguments:?}\n  {direct:?}\n  {served:?}"));
        }
    }

    /// The same on both before long: for looks, which a server keeps for a moment.
    pub(crate) async fn like(&mut self, code: i32, arguments: &[&str]) {
        let begun = tokio::time::Instant::now();
        loop {
            let (direct, served) = self.both(arguments).await;
            if is_alike(code, &direct, &served) {
                return;
            }
            if begun.elapsed() > DEADLINE {
                self.unlike.push(format!("{arguments:?}\n  {direct:?}\n  {served:?}"));
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn is_alike(code: i32, direct: &Answer, served: &Answer) -> bool {
    (direct.code, served.code) == (code, code) && lines(&direct.stdout) == lines(&served.stdout)
}

/// Jobs of npm `bull` and `bullmq` in every state, alike in each place.
async fn fill(place: &Place) -> Vec<BullQueue> {
    let url = place.redis.url();
    let mut mail = BullQueue::open(&url, "mail").await;
    for id in ["w1", "w2", "w3"] {
        mail.add("send", json!({"to": "ada", "text": "x".repeat(6000)}), json!({"jobId": id})).await;
    }
    mail.add("send", json!({"to": "eve"}), json!({"jobId": "later", "delay": 3_600_000})).await;
    let mut done = BullQueue::open(&url, "done").await;
    done.work(1, 0).await;
    let id = done.add("ok", json!({"n": 1}), json!({"jobId": "good"})).await;
    done.finished(&id).await.unwrap();
    let mut mq = BullQueue::open_mq(6, &url, "pdf", &json!({})).await;
    mq.add("render", json!({"page": 1}), json!({"jobId": "p1"})).await;
    mq.add("render", json!({"page": 2}), json!({"jobId": "p2", "delay": 3_600_000})).await;
    mq.add("render", json!({"page": 3}), json!({"jobId": "p3", "priority": 7})).await;
    let child = json!({"name": "fetch", "queueName": "web", "data": {}, "opts": {"jobId": "below"}});
    mq.flow(json!({"name": "send", "queueName": "pdf", "opts": {"jobId": "root"}, "children": [child]}))
        .await;
    let worker = failing_worker(place, "dead").await;
    for id in ["boom1", "boom2", "boom3", "boom4"] {
        place.add(&["dead", "boom", "--job-id", id, "--data", "{\"shop\":\"acme\"}"]).await;
        wait::until("the job to fail", async || {
            place.json(&["job", "show", "dead", id]).await["state"] == "failed"
        })
        .await;
    }
    worker.stop();
    worker.join().await;
    // Active, and nobody holds it.
    for id in ["z1", "z2", "z3"] {
        place.add(&["ghosts", "haunt", "--job-id", id]).await;
        place.redis(&["LMOVE", "bull:ghosts:wait", "bull:ghosts:active", "RIGHT", "LEFT"]).await;
    }
    tally(place).await;
    vec![mail, done, mq]
}

async fn tally(place: &Place) {
    let queue = bullock::Queue::open(&place.redis.url(), "bull", "mail").unwrap();
    let (name, mut tally): (Arc<str>, _) = ("send".into(), Tally::default());
    let ran = Duration::from_secs(2);
    tally.add(&Ran { name: &name, org: "acme", id: "1", attempt: 1, how: How::Completed, ran, waited: None });
    let mut lane = Lane::new("test".to_owned());
    lane.next();
    let counted = tally.take_call().unwrap();
    queue.store().tally(&lane, 60_000, Duration::from_hours(24), &counted).await.unwrap();
}

pub(crate) async fn twins() -> (Twins, Vec<BullQueue>) {
    let twins = Twins {
        direct: Place::start(),
        served: Served::start().await,
        tried: BTreeSet::new(),
        unlike: Vec::new(),
    };
    let mut nodes = fill(&twins.direct).await;
    nodes.extend(fill(&twins.served.place).await);
    (twins, nodes)
}
