//! Every golden vector that npm bullmq 6.7.0 and 5.81.5 made (bullmq.vectors.json, by gen-bullmq.mjs): each step is
//! loaded, done with our store, and compared with what the library left, for both majors.

use std::sync::Arc;

use bullock::store::connection::RESPONSE_TIMEOUT;
use bullock::store::{Connection, Lane, Scripts, Store};
use bullock::wire::Keys;
use redis::aio::MultiplexedConnection;
use serde_json::{Map, Value, json};

use super::dump::{Difference, compare};

/// The prefix of all keys in the vectors.
const PREFIX: &str = "vec";
/// Our own records, which no library has.
const EXTRA: &str = "vec::x:";
/// How the vectors mask the version of the library in `meta`.
const MASKED: &str = "bullmq:<version>";
/// A time to live may have run down so far since it was set, ms.
const TTL_SLACK_MS: i64 = 5_000;

/// One step of a scenario, and what it takes to do it.
pub struct Step<'a> {
    pub scenario: &'a str,
    pub call: &'a str,
    /// What the library answered.
    pub returns: &'a Value,
    /// The state before, by full key.
    pub before: &'a Value,
    /// 5 or 6.
    pub major: u8,
    /// The clock, ms.
    pub now: i64,
    url: &'a str,
    pub con: MultiplexedConnection,
}

impl Step<'_> {
    /// The store of one of the vectors' queues, with the clock of the step.
    pub fn store(&self, queue: &str) -> Store {
        let connection = Connection::new(self.url, None, RESPONSE_TIMEOUT).expect("connection");
        Store::new(connection, Keys::new(PREFIX, queue), Arc::new(Scripts::bullmq(Some(self.now))))
    }

    /// A field of a hash before the step.
    pub fn field(&self, key: &str, field: &str) -> Option<&str> {
        self.before[key]["value"][field].as_str()
    }
}

/// A lane for one kind of call.
pub fn lane(what: &str) -> Lane {
    let mut lane = Lane::new(what);
    lane.next();
    lane
}

fn version(major: u8) -> &'static str {
    if major == 5 { "bullmq:5.81.5" } else { "bullmq:6.7.0" }
}

/// The vectors file.
pub fn vectors() -> Value {
    serde_json::from_str(include_str!("bullmq.vectors.json")).expect("bullmq.vectors.json")
}

/// One step of one side, as the file has it.
pub struct Recorded<'a> {
    pub scenario: &'a str,
    pub major: u8,
    pub step: &'a Value,
}

impl Recorded<'_> {
    pub fn call(&self) -> &str {
        self.step["call"].as_str().expect("call")
    }
}

/// All steps of all scenarios, for both majors. Where the majors do not differ the file has one side.
pub fn steps(vectors: &Value) -> Vec<Recorded<'_>> {
    let mut all = Vec::new();
    for vector in vectors["vectors"].as_array().expect("vectors") {
        for (major, side) in [(6, &vector["v6"]), (5, vector.get("v5").unwrap_or(&vector["v6"]))] {
            for step in side["steps"].as_array().into_iter().flatten() {
                all.push(Recorded { scenario: vector["name"].as_str().expect("name"), major, step });
            }
        }
    }
    all
}

/// Loads the state before a step, does it with `act`, and answers where state, events or the answer differ. `None` = it
/// is a call that `act` does not know.
pub async fn replay<A>(url: &str, recorded: &Recorded<'_>, act: A) -> Option<Vec<Difference>>
where
    A: AsyncFn(&mut Step<'_>) -> Option<Value>,
{
    let origin = 1_700_000_000_000;
    let step = recorded.step;
    let client = redis::Client::open(url).expect("url");
    let mut con = client.get_multiplexed_async_connection().await.expect("connect");
    redis::cmd("FLUSHALL").exec_async(&mut con).await.expect("flush");
    load(&mut con, &step["before"], recorded.major).await;
    let mut running = Step {
        scenario: recorded.scenario,
        call: recorded.call(),
        returns: &step["returns"],
        before: &step["before"],
        major: recorded.major,
        now: origin + step["at"].as_i64().expect("at"),
        url,
        con: con.clone(),
    };
    let answer = act(&mut running).await?;
    let mut differences = Vec::new();
    if !answer.is_null() {
        compare("returns", &step["returns"], &answer, &mut differences);
    }
    let (state, events) = dump(&mut con, recorded.major).await;
    let mut expected = step["before"].as_object().expect("before").clone();
    for (key, entry) in step["changed"].as_object().expect("changed") {
        expected.insert(key.clone(), entry.clone());
    }
    for key in step["removed"].as_array().expect("removed") {
        expected.remove(key.as_str().expect("key"));
    }
    let found = with_settled_ttl(state, &expected);
    compare("after", &Value::Object(expected), &found, &mut differences);
    compare("events", &step["events"], &events, &mut differences);
    Some(differences)
}

/// A time to live that ran down a little is the one that was set.
fn with_settled_ttl(mut state: Map<String, Value>, expected: &Map<String, Value>) -> Value {
    for (key, entry) in &mut state {
        let (Some(found), Some(wanted)) =
            (entry["ttl_ms"].as_i64(), expected.get(key).and_then(|e| e["ttl_ms"].as_i64()))
        else {
            continue;
        };
        if found <= wanted && found > wanted - TTL_SLACK_MS {
            entry["ttl_ms"] = json!(wanted);
        }
    }
    Value::Object(state)
}

async fn load(con: &mut MultiplexedConnection, state: &Value, major: u8) {
    for (key, entry) in state.as_object().expect("state") {
        let value = &entry["value"];
        let text = |v: &Value| v.as_str().expect("text").replace(MASKED, version(major));
        let mut cmd = match entry["type"].as_str().expect("type") {
            "hash" => {
                let mut cmd = redis::cmd("HSET").arg(key).clone();
                for (field, v) in value.as_object().expect("hash") {
                    cmd.arg(field).arg(text(v));
                }
                cmd
            }
            "zset" => {
                let mut cmd = redis::cmd("ZADD").arg(key).clone();
                for pair in value.as_array().expect("pairs") {
                    cmd.arg(text(&pair[1])).arg(text(&pair[0]));
                }
                cmd
            }
            "string" => redis::cmd("SET").arg(key).arg(text(value)).clone(),
            kind => {
                let mut cmd = redis::cmd(if kind == "list" { "RPUSH" } else { "SADD" }).arg(key).clone();
                for v in value.as_array().expect("items") {
                    cmd.arg(text(v));
                }
                cmd
            }
        };
        cmd.take().exec_async(con).await.expect("load");
        if let Some(ms) = entry["ttl_ms"].as_i64() {
            redis::cmd("PEXPIRE").arg(key).arg(ms).exec_async(con).await.expect("pexpire");
        }
    }
}

/// Everything but our own records, in the form of the vectors: the state, and the streams.
async fn dump(con: &mut MultiplexedConnection, major: u8) -> (Map<String, Value>, Value) {
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(con).await.expect("keys");
    keys.retain(|key| !key.starts_with(EXTRA));
    keys.sort();
    let (mut state, mut events) = (Map::new(), Map::new());
    for key in keys {
        let kind: String = redis::cmd("TYPE").arg(&key).query_async(con).await.expect("type");
        let read = |command: &str, rest: &[&str]| redis::cmd(command).arg(&key).arg(rest).clone();
        let value = match kind.as_str() {
            "stream" => {
                events.insert(key.clone(), stream(con, &key).await);
                continue;
            }
            "hash" => {
                let pairs: Vec<(String, String)> = read("HGETALL", &[]).query_async(con).await.expect("hash");
                Value::Object(
                    pairs.into_iter().map(|(f, v)| (f.clone(), Value::String(canon(&f, v, major)))).collect(),
                )
            }
            "list" => {
                let items: Vec<String> = read("LRANGE", &["0", "-1"]).query_async(con).await.expect("list");
                json!(items)
            }
            "set" => {
                let mut items: Vec<String> = read("SMEMBERS", &[]).query_async(con).await.expect("set");
                items.sort();
                json!(items)
            }
            "zset" => {
                let range = read("ZRANGE", &["0", "-1", "WITHSCORES"]);
                let items: Vec<(String, String)> = range.query_async(con).await.expect("zset");
                json!(items)
            }
            _ => json!(read("GET", &[]).query_async::<String>(con).await.expect("string")),
        };
        let mut entry = json!({"type": kind, "value": value});
        let pttl: i64 = redis::cmd("PTTL").arg(&key).query_async(con).await.expect("pttl");
        if pttl >= 0 {
            entry["ttl_ms"] = json!((pttl + 499) / 500 * 500);
        }
        state.insert(key, entry);
    }
    (state, Value::Object(events))
}

async fn stream(con: &mut MultiplexedConnection, key: &str) -> Value {
    let entries: Vec<(String, Vec<(String, String)>)> =
        redis::cmd("XRANGE").arg(key).arg("-").arg("+").query_async(con).await.expect("stream");
    let object = |fields: Vec<(String, String)>| -> Map<String, Value> {
        fields.into_iter().map(|(name, value)| (name, value.into())).collect()
    };
    entries.into_iter().map(|(_, fields)| Value::Object(object(fields))).collect()
}

/// JSON that Lua may have written is compared parsed; the vectors hold it with sorted keys.
fn canon(field: &str, text: String, major: u8) -> String {
    match field {
        "opts" | "parent" | "pd" => {
            serde_json::from_str::<Value>(&text).map_or(text, |value| sorted(value).to_string())
        }
        "version" => text.replace(version(major), MASKED),
        _ => text,
    }
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.into_iter().collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(members.into_iter().map(|(key, value)| (key, sorted(value))).collect())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}
