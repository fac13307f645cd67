//! The states that npm bull and npm bullmq left in the golden vectors, ready to be loaded.

use std::collections::BTreeMap;

use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};

/// A state by full key.
#[derive(Debug, Clone)]
pub(crate) struct Dump {
    pub(crate) name: String,
    pub(crate) prefix: &'static str,
    pub(crate) keys: BTreeMap<String, Value>,
}

/// Every state that the libraries left behind, without doubles.
pub(crate) fn all() -> Vec<Dump> {
    let mut dumps = bull();
    dumps.extend(bullmq());
    let mut seen = std::collections::HashSet::new();
    dumps.retain(|dump| !dump.keys.is_empty() && seen.insert(format!("{:?}", dump.keys)));
    dumps
}

fn bull() -> Vec<Dump> {
    let file: Value = serde_json::from_str(include_str!("../wire/bull-4.vectors.json")).unwrap();
    let base = "bull:q:";
    let vectors = file["vectors"].as_array().unwrap();
    let dump = |vector: &Value| {
        let text = vector["after"].to_string().replace("{P}", base);
        let keys: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
        let keys = keys.into_iter().map(|(key, entry)| (format!("{base}{key}"), entry)).collect();
        Dump { name: format!("bull {}", vector["name"].as_str().unwrap()), prefix: "bull", keys }
    };
    vectors.iter().map(dump).collect()
}

fn bullmq() -> Vec<Dump> {
    let file: Value = serde_json::from_str(include_str!("../wire/bullmq.vectors.json")).unwrap();
    let mut dumps = Vec::new();
    for vector in file["vectors"].as_array().unwrap() {
        for (major, version) in [("v6", "6.7.0"), ("v5", "5.81.5")] {
            let side = vector.get(major).unwrap_or(&vector["v6"]);
            for (at, step) in side["steps"].as_array().into_iter().flatten().enumerate() {
                let mut keys: BTreeMap<String, Value> =
                    serde_json::from_value(step["before"].clone()).unwrap();
                for (key, entry) in step["changed"].as_object().unwrap() {
                    keys.insert(key.clone(), entry.clone());
                }
                for key in step["removed"].as_array().unwrap() {
                    keys.remove(key.as_str().unwrap());
                }
                let text = json!(keys).to_string().replace("<version>", version);
                let name = format!("{major} {} step {at}", vector["name"].as_str().unwrap());
                dumps.push(Dump { name, prefix: "vec", keys: serde_json::from_str(&text).unwrap() });
            }
        }
    }
    dumps
}

impl Dump {
    /// Writes it into an empty Redis. Every queue of `BullMQ`'s gets the stream that its vectors leave out.
    pub(crate) async fn load(&self, connection: &mut MultiplexedConnection) {
        let mut pipe = redis::pipe();
        pipe.cmd("FLUSHALL");
        for (key, entry) in &self.keys {
            let value = &entry["value"];
            let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
            let items = |value: &Value| value.as_array().unwrap().iter().map(text).collect::<Vec<_>>();
            match entry["type"].as_str().unwrap() {
                "hash" => {
                    for (field, v) in value.as_object().unwrap() {
                        pipe.hset(key, field, text(v));
                    }
                }
                "zset" => {
                    for pair in value.as_array().unwrap() {
                        // A score that the vectors mask is a time.
                        let due =
                            if key.ends_with(":delayed") { "6963200000000000" } else { "1700000000000" };
                        let score = Some(text(&pair[1])).filter(|score| score.parse::<f64>().is_ok());
                        pipe.cmd("ZADD").arg(key).arg(score.as_deref().unwrap_or(due)).arg(text(&pair[0]));
                    }
                }
                "list" => {
                    pipe.rpush(key, items(value));
                }
                "set" => {
                    pipe.sadd(key, items(value));
                }
                _ => {
                    pipe.set(key, text(value));
                }
            }
            if key.ends_with(":lock") {
                // The vectors' own time to live is that of a run long ago.
                pipe.pexpire(key, 600_000);
            } else if entry["ttl_ms"].is_number() || entry["pttl_ceil_to_s"].is_number() {
                pipe.pexpire(key, 600_000);
            }
        }
        if self.prefix == "vec" {
            for queue in self.queues() {
                pipe.cmd("XADD").arg(format!("vec:{queue}:events")).arg("*").arg("event").arg("added");
            }
        }
        pipe.query_async::<()>(connection).await.unwrap();
    }

    /// The queues in it.
    pub(crate) fn queues(&self) -> Vec<String> {
        let names = self.keys.keys().filter_map(|key| key.split(':').nth(1)).map(str::to_owned);
        names.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }
}
