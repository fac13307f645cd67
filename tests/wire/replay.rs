//! What each vector calls, done with our store.

use std::sync::Arc;

use bullock::job::options::Keep;
use bullock::job::outcome::Fate;
use bullock::job::{Job, Options, backoff};
use bullock::store::claim::{ClaimRequest, Limiter};
use bullock::store::connection::RESPONSE_TIMEOUT;
use bullock::store::control::CleanState;
use bullock::store::finish::{Completion, FailedRun};
use bullock::store::run::OPERATOR;
use bullock::store::{Connection, Lane, Scripts, Store};
use bullock::wire::{Keys, NewJob, bull};
use futures_util::StreamExt as _;
use serde_json::{Map, Value, json};

use super::dump::{Difference, compare, dump, load};

const TOKEN: &str = "tok-A";
const LOCK_MS: u64 = 30_000;
const STACK: &str = "Error: boom\n    at handler (/app/worker.js:1:1)";

/// Replays one vector and answers where state or messages differ.
pub async fn replay(url: &str, vector: &Value) -> Vec<Difference> {
    let name = vector["name"].as_str().expect("name");
    let prefix = vector["queue_options"]["prefix"].as_str().expect("prefix");
    let now = vector["clock_at_call_ms"].as_i64().or(vector["clock_before_call_ms"].as_i64()).expect("clock");
    let keys = Keys::new(prefix, &format!("gv-{name}"));
    let base = keys.base.to_string();
    let client = redis::Client::open(url).expect("url");
    let mut con = client.get_multiplexed_async_connection().await.expect("connect");
    load(&mut con, &base, &vector["before"]).await;
    let mut listener = client.get_async_pubsub().await.expect("listen");
    listener.psubscribe(format!("{base}*")).await.expect("subscribe");

    let connection = Connection::new(url, None, RESPONSE_TIMEOUT).expect("connection");
    let store = Store::new(connection, keys, Arc::new(Scripts::bull(Some(now))));
    let limiter = &vector["queue_options"]["limiter"];
    let limiter = limiter["max"].as_u64().map(|max| Limiter {
        max,
        duration_ms: limiter["duration"].as_u64().expect("duration"),
        grouped: limiter["groupKey"].is_string(),
    });
    let points = vector["queue_options"]["metrics"]["maxDataPoints"].as_u64().unwrap_or(0);
    Call { store, con: con.clone(), now, limiter, points, lane: Lane::new("replay") }.run(name).await;

    redis::cmd("PUBLISH").arg(format!("{base}__end__")).arg("").exec_async(&mut con).await.expect("publish");
    let mut published = Vec::new();
    let mut messages = listener.on_message();
    while let Some(message) = messages.next().await {
        let channel = message.get_channel_name()[base.len()..].to_owned();
        if channel == "__end__" {
            break;
        }
        let text: String = message.get_payload().expect("payload");
        published.push(json!({"channel": channel, "message": text.replace(&base, "{P}")}));
    }
    let mut differences = Vec::new();
    compare("after", &vector["after"], &dump(&mut con, &base).await, &mut differences);
    compare("published", &vector["published"], &Value::Array(published), &mut differences);
    differences
}

struct Call {
    store: Store,
    con: redis::aio::MultiplexedConnection,
    now: i64,
    limiter: Option<Limiter>,
    points: u64,
    lane: Lane,
}

impl Call {
    async fn run(mut self, name: &str) {
        match name.split('-').next().expect("word") {
            "add" => self.add(name).await,
            "claim" | "limiter" => drop(self.claim().await),
            "extend" => self.extend(name).await,
            "complete" | "metrics" => self.complete(name).await,
            "fail" | "pause" if name != "pause" => self.fail(name).await,
            "delayed" => drop(self.store.promote(TOKEN).await.expect("promote")),
            "stalled" => drop(self.store.stalled(LOCK_MS, 1).await.expect("stalled")),
            "repeat" => self.repeat(name).await,
            "clean" => self.clean(name).await,
            "job" => self.job(name).await,
            "obliterate" => {
                self.store.obliterate(name == "obliterate-force").await.expect("obliterate");
            }
            _ => self.other(name).await,
        }
    }

    async fn add(&mut self, name: &str) {
        let one = |data: Value, opts: Value| vec![("__default__", data, opts)];
        let jobs = match name {
            "add-basic" | "add-hash-tag-prefix" => one(json!({"n": 1}), json!({})),
            "add-all-options" => vec![(
                "mail",
                json!({"to": "a@b.c", "s": "é\"\n"}),
                json!({
                "attempts": "3", "backoff": 1000, "removeOnComplete": 5, "removeOnFail": {"age": 60, "count": 2},
                "timeout": 5000, "stackTraceLimit": 2, "lifo": true, "preventParsingData": true}),
            )],
            "add-falsy-data" => {
                [json!(null), json!(0), json!(""), json!(false), json!(null), json!(7), json!([1])]
                    .into_iter()
                    .map(|data| ("x", data, json!({})))
                    .collect()
            }
            "add-fifo-lifo" => one(json!({"n": 3}), json!({"lifo": true})),
            "add-delayed" => one(json!({"n": 2}), json!({"delay": 5000})),
            "add-priorities" => [0, 0, 5, 1, 3, 5, 0, 1]
                .into_iter()
                .map(|p| {
                    ("__default__", json!({"p": p}), if p == 0 { json!({}) } else { json!({"priority": p}) })
                })
                .collect(),
            "add-priority-with-lifo-noise" => [
                json!({"priority": 1}),
                json!({"priority": 2}),
                json!({"lifo": true}),
                json!({"priority": 3}),
                json!({"priority": 1}),
            ]
            .into_iter()
            .map(|opts| ("__default__", json!({}), opts))
            .collect(),
            "add-custom-id" => one(json!({"n": 1}), json!({"jobId": "order-7"})),
            "add-custom-id-duplicate" => one(json!({"n": 2}), json!({"jobId": "order-7"})),
            "add-debounce-ttl" => one(json!({"n": 1}), json!({"debounce": {"id": "d1", "ttl": 10000}})),
            "add-debounce-hit" => one(json!({"n": 2}), json!({"debounce": {"id": "d1"}})),
            "add-while-paused" => one(json!({"n": 2}), json!({})),
            "add-bulk" => vec![
                ("__default__", json!({"n": 1}), json!({})),
                ("b", json!({"n": 2}), json!({"delay": 1000})),
                ("__default__", json!({"n": 3}), json!({"priority": 2})),
            ],
            other => panic!("no call for {other}"),
        };
        let jobs: Vec<NewJob> =
            jobs.into_iter().map(|(name, data, opts)| NewJob::bull(name, &data, object(opts))).collect();
        self.store.enqueue(TOKEN, &jobs).await.expect("enqueue");
    }

    async fn claim(&mut self) -> Option<Job> {
        self.lane.next();
        let tokens = [TOKEN.to_owned()];
        let request = ClaimRequest {
            lease_ms: LOCK_MS,
            busy: true,
            worker: "",
            limiter: self.limiter.as_ref(),
            tokens: &tokens,
            may_take_suspect: true,
        };
        let claimed = self.store.claim(&self.lane, &request).await.expect("claim");
        let job = claimed.jobs.into_iter().next()?;
        Some(bull::decode(&self.store.keys().queue, job.id, job.fields).expect("decode"))
    }

    async fn extend(&mut self, name: &str) {
        let token = if name == "extend-lock" { TOKEN } else { "tok-B" };
        self.store.renew(60_000, &[("1", token)]).await.expect("renew");
    }

    async fn hash(&mut self, id: &str) -> Map<String, Value> {
        let key = self.store.keys().of(id);
        let pairs: Vec<(String, String)> =
            redis::cmd("HGETALL").arg(key).query_async(&mut self.con).await.expect("hgetall");
        pairs.into_iter().map(|(field, value)| (field, Value::String(value))).collect()
    }

    async fn complete(&mut self, name: &str) {
        let (id, result) = match name {
            "complete-object" => ("1", Some(r#"{"ok":true}"#)),
            "complete-string" => ("1", Some(r#""hi \"x\"""#)),
            "complete-undefined" => ("1", None),
            "complete-null" => ("1", Some("null")),
            "complete-keep-count" => ("4", Some("4")),
            "complete-keep-age" => ("3", Some("3")),
            "complete-ignore-lock" => ("1", Some(r#""v""#)),
            "metrics-third-minute" => ("3", Some("1")),
            _ => ("1", Some("1")),
        };
        let hash = self.hash(id).await;
        let opts = Options::parse(hash["opts"].as_str().expect("opts")).expect("opts");
        if name == "complete-hash-missing" {
            self.delete(id).await;
        }
        self.lane.next();
        let run = Completion {
            id,
            token: TOKEN,
            result,
            keep: opts.remove_on_complete.unwrap_or(Keep::All),
            debounce_id: hash.get("deid").and_then(Value::as_str),
            plain_fields: None,
        };
        self.store.complete(&self.lane, LOCK_MS, self.points, &[run]).await.expect("complete");
        if name == "complete-fetch-next" {
            // The same two transitions; ours are never one script, so that a full memory cannot stop the first.
            self.claim().await;
        }
    }

    async fn fail(&mut self, name: &str) {
        let id = match name {
            "fail-backoff-custom-id" => "order-7",
            "fail-retry-now-lifo" => "2",
            _ => "1",
        };
        let hash = self.hash(id).await;
        let opts = Options::parse(hash["opts"].as_str().expect("opts")).expect("opts");
        let made =
            bull::integer(hash.get("attemptsMade").and_then(Value::as_str).map(str::as_bytes)) as u32 + 1;
        let message = match name {
            "fail-no-message" => None,
            "fail-backoff-exponential-2nd" => Some("boom 2"),
            _ => Some("boom"),
        };
        let stack = if message == Some("boom 2") { "Error: boom 2\n    at second" } else { STACK };
        let mut failure = bullock::job::outcome::Failure::new(
            bullock::job::outcome::ReasonClass::Error,
            message.unwrap_or_default(),
        );
        if name == "fail-discarded" {
            failure = failure.permanent();
        }
        let fate =
            bullock::job::outcome::fate(&opts, made, &failure, &backoff::Strategies::new()).expect("fate");
        if name == "fail-hash-missing" {
            self.delete(id).await;
        }
        let stored = hash.get("stacktrace").and_then(Value::as_str);
        let stacktrace = if message.is_some() {
            bull::stacktrace_with(stored, stack, opts.stack_trace_limit)
        } else {
            "[]".into()
        };
        self.lane.next();
        let run = FailedRun {
            id,
            token: TOKEN,
            fate,
            attempts_made: made,
            attempts: opts.attempts,
            spends_attempt: true,
            opts: "{}",
            message,
            stacktrace: &stacktrace,
            keep: if fate == Fate::Bury { opts.remove_on_fail.unwrap_or(Keep::All) } else { Keep::All },
            debounce_id: hash.get("deid").and_then(Value::as_str),
            lifo: opts.lifo,
            class: "error",
            record: String::new(),
        };
        self.store.fail(&self.lane, LOCK_MS, self.points, &[run]).await.expect("fail");
    }

    async fn delete(&mut self, id: &str) {
        let key = self.store.keys().of(id);
        redis::cmd("DEL").arg(key).exec_async(&mut self.con).await.expect("del");
    }

    async fn repeat(&mut self, name: &str) {
        use bullock::job::cron::Zone;
        use bullock::job::repeat;
        let first = match name {
            "repeat-every-add" => Some(("__default__", None, json!({"repeat": {"every": 60000}}))),
            "repeat-cron-add" => Some((
                "rep",
                Some("nightly"),
                json!({"jobId": "nightly", "attempts": 2, "repeat": {
                "cron": "0 3 * * *", "tz": "Europe/Rome", "endDate": "2030-01-01T00:00:00.000Z", "limit": 5}}),
            )),
            _ => None,
        };
        if let Some((job_name, id, opts)) = first {
            let next =
                repeat::first(job_name, id, &opts, self.now, Zone::Utc).expect("first").expect("occurrence");
            let job = NewJob::occurrence(job_name, r#"{"n":1}"#, &next);
            self.store.repeat(TOKEN, None, &next.key, next.due_text(), &job).await.expect("repeat");
        } else if name == "repeat-remove" {
            let (key, prefix) = repeat::key_and_prefix("__default__", &json!({"every": 60000}), Zone::Utc);
            self.store.repeat_remove(&key, &prefix).await.expect("remove");
        } else {
            let job = self.claim().await.expect("claimed");
            if let Some(next) =
                repeat::successor(&job.name, &job.opts_text, self.now, Zone::Utc).expect("successor")
            {
                let next_job = NewJob::occurrence(&job.name, job.data.as_str(), &next);
                self.store
                    .repeat(TOKEN, Some(job.id.as_str()), &next.key, next.due_text(), &next_job)
                    .await
                    .expect("repeat");
            }
        }
    }

    async fn clean(&mut self, name: &str) {
        let (state, grace, limit) = match name {
            "clean-completed" => (CleanState::Completed, 1000, 0),
            "clean-wait-limit" => (CleanState::Wait, 0, 2),
            _ => (CleanState::Delayed, 0, 2),
        };
        self.store.clean(state, grace, limit).await.expect("clean");
    }

    async fn job(&mut self, name: &str) {
        match name {
            "job-retry-failed" | "job-retry-not-failed" => {
                self.store.retry(TOKEN, "1", false).await.expect("retry");
            }
            _ => drop(self.store.remove(&["1"], true).await.expect("remove")),
        }
    }

    async fn other(&mut self, name: &str) {
        match name {
            "promote" => drop(self.store.promote_job(TOKEN, "1").await.expect("promote")),
            "progress" => {
                for value in ["42", r#"{"p":1}"#] {
                    self.store.progress("1", TOKEN, value).await.expect("progress");
                }
            }
            "update-and-log" => {
                self.store.update_data("1", OPERATOR, r#"{"n":9}"#).await.expect("update");
                for line in ["a", "b"] {
                    self.store.log("1", OPERATOR, 0, &[line.to_owned()]).await.expect("log");
                }
            }
            "queue-retry-all" => drop(self.store.retry_all(1000).await.expect("retry all")),
            "pause" | "resume" => drop(self.store.pause(name == "pause").await.expect("pause")),
            "empty" => drop(self.store.empty().await.expect("empty")),
            "remove-pattern" => drop(self.store.remove(&["a1", "a2"], false).await.expect("remove")),
            other => panic!("no call for {other}"),
        }
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}
