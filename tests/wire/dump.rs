//! Loading a vector's state into Redis, reading one back, and comparing two.

use std::fmt;

use redis::aio::MultiplexedConnection;
use serde_json::{Map, Value, json};

/// One leaf that differs.
pub struct Difference {
    pub path: String,
    expected: Value,
    found: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.path, self.expected, self.found)
    }
}

/// Writes a vector's `before` under `base`.
pub async fn load(con: &mut MultiplexedConnection, base: &str, state: &Value) {
    for (key, entry) in state.as_object().expect("state") {
        let (key, value) = (format!("{base}{key}"), &entry["value"]);
        let text = |v: &Value| v.as_str().expect("text").replace("{P}", base);
        let cmd = match entry["type"].as_str().expect("type") {
            "hash" => {
                let mut cmd = redis::cmd("HSET");
                cmd.arg(&key);
                for (field, v) in value.as_object().expect("hash") {
                    cmd.arg(field).arg(text(v));
                }
                cmd
            }
            "list" | "set" => {
                let mut cmd = redis::cmd(if entry["type"] == "list" { "RPUSH" } else { "SADD" });
                cmd.arg(&key);
                for v in value.as_array().expect("items") {
                    cmd.arg(text(v));
                }
                cmd
            }
            "zset" => {
                let mut cmd = redis::cmd("ZADD");
                cmd.arg(&key);
                for pair in value.as_array().expect("pairs") {
                    cmd.arg(text(&pair[1])).arg(text(&pair[0]));
                }
                cmd
            }
            _ => redis::cmd("SET").arg(&key).arg(text(value)).clone(),
        };
        cmd.exec_async(con).await.expect("load");
        if let Some(ms) = entry["pttl_ceil_to_s"].as_i64() {
            redis::cmd("PEXPIRE").arg(&key).arg(ms).exec_async(con).await.expect("pexpire");
        }
    }
}

/// Reads everything under `base` in the form of the vectors.
pub async fn dump(con: &mut MultiplexedConnection, base: &str) -> Value {
    let pattern = format!("{}*", base.replace('[', "\\["));
    let mut keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query_async(con).await.expect("keys");
    keys.sort();
    let mut state = Map::new();
    for key in keys {
        let kind: String = redis::cmd("TYPE").arg(&key).query_async(con).await.expect("type");
        let strip = |text: String| Value::String(text.replace(base, "{P}"));
        let value = match kind.as_str() {
            "hash" => {
                let pairs: Vec<(String, String)> =
                    redis::cmd("HGETALL").arg(&key).query_async(con).await.expect("h");
                Value::Object(pairs.into_iter().map(|(field, v)| (field, strip(v))).collect())
            }
            "list" => {
                let items: Vec<String> =
                    redis::cmd("LRANGE").arg(&key).arg(0).arg(-1).query_async(con).await.expect("l");
                items.into_iter().map(strip).collect()
            }
            "set" => {
                let mut items: Vec<String> =
                    redis::cmd("SMEMBERS").arg(&key).query_async(con).await.expect("s");
                items.sort();
                items.into_iter().map(strip).collect()
            }
            "zset" => {
                let items: Vec<(String, String)> = redis::cmd("ZRANGE")
                    .arg(&key)
                    .arg(0)
                    .arg(-1)
                    .arg("WITHSCORES")
                    .query_async(con)
                    .await
                    .expect("z");
                items.into_iter().map(|(m, s)| json!([strip(m), s])).collect()
            }
            _ => strip(redis::cmd("GET").arg(&key).query_async(con).await.expect("get")),
        };
        let mut entry = json!({"type": kind, "value": value});
        let pttl: i64 = redis::cmd("PTTL").arg(&key).query_async(con).await.expect("pttl");
        if pttl > 0 {
            entry["pttl_ceil_to_s"] = json!((pttl + 999) / 1000 * 1000);
        }
        state.insert(key[base.len()..].to_owned(), entry);
    }
    Value::Object(state)
}

/// All leaves in which two values differ. `<volatile>` equals anything.
pub fn compare(path: &str, expected: &Value, found: &Value, out: &mut Vec<Difference>) {
    if expected == "<volatile>" || expected == found {
        return;
    }
    match (expected, found) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> =
                a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))).collect();
            keys.sort();
            for key in keys {
                let (a, b) = (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
                compare(&format!("{path}/{key}"), a, b, out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{path}/{at}"), a, b, out);
            }
        }
        _ => out.push(Difference { path: path.to_owned(), expected: expected.clone(), found: found.clone() }),
    }
}
