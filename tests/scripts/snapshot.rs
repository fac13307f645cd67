//! Everything that a Redis holds, and what is wrong with the jobs of a queue in it.

use std::collections::BTreeMap;

use redis::aio::MultiplexedConnection;

/// One key: type, whether it will expire, and its content as text. Sets and hashes are sorted, lists keep their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub kind: String,
    pub expires: bool,
    pub items: Vec<String>,
}

/// All keys of a server.
pub type Snapshot = BTreeMap<String, Entry>;

const READ_ALL: &str = r"
local out = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind, value = redis.call('TYPE', key).ok, nil
  if kind == 'hash' then value = redis.call('HGETALL', key)
  elseif kind == 'list' then value = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'set' then value = redis.call('SMEMBERS', key)
  elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'string' then value = { redis.call('GET', key) }
  else value = { redis.call('DUMP', key) } end
  out[#out + 1] = { key, kind, redis.call('PTTL', key), value }
end
return out";

type Row = (Vec<u8>, String, i64, Vec<Vec<u8>>);

/// Reads everything in one step.
pub async fn take(con: &mut MultiplexedConnection) -> Snapshot {
    let rows: Vec<Row> = redis::cmd("EVAL").arg(READ_ALL).arg(0).query_async(con).await.expect("a snapshot");
    let shown = |bytes: &Vec<u8>| bytes.escape_ascii().to_string();
    rows.into_iter()
        .map(|(key, kind, ttl, value)| {
            let mut items: Vec<String> = match kind.as_str() {
                "hash" | "zset" => {
                    value.chunks(2).map(|pair| format!("{}={}", shown(&pair[0]), shown(&pair[1]))).collect()
                }
                _ => value.iter().map(shown).collect(),
            };
            if kind == "hash" || kind == "set" {
                items.sort();
            }
            (shown(&key), Entry { kind, expires: ttl >= 0, items })
        })
        .collect()
}

/// What differs between two snapshots, one line a key; empty = nothing.
pub fn difference(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    keys.into_iter()
        .filter(|key| before.get(*key) != after.get(*key))
        .map(|key| format!("{key}: {:?} -> {:?}", before.get(key), after.get(key)))
        .collect()
}

/// The places that a job can be in.
pub const PLACES: [&str; 7] = ["wait", "paused", "active", "delayed", "prioritized", "completed", "failed"];

/// Hashes of a queue that are no jobs.
const NO_JOBS: [&str; 4] = ["meta", "limiter:index", "metrics:completed", "metrics:failed"];

/// Where each id is listed; an id that is listed twice in one place is there twice.
pub fn places(all: &Snapshot, base: &str) -> BTreeMap<String, Vec<&'static str>> {
    let mut found: BTreeMap<String, Vec<&'static str>> = BTreeMap::new();
    for place in PLACES {
        let Some(entry) = all.get(&format!("{base}{place}")) else { continue };
        for item in &entry.items {
            let id = match entry.kind.as_str() {
                "zset" => item.rsplit_once('=').map_or(item.as_str(), |(id, _score)| id),
                "list" => item,
                _ => continue,
            };
            found.entry(id.to_owned()).or_default().push(place);
        }
    }
    found
}

/// Jobs that are in no place or in several, ids without a job, locks without a run: one line each.
pub fn problems(all: &Snapshot, base: &str) -> Vec<String> {
    let places = places(all, base);
    let mut problems = Vec::new();
    for (id, listed) in &places {
        if listed.len() != 1 {
            problems.push(format!("{id} is in {listed:?}"));
        }
        if all.get(&format!("{base}{id}")).is_none_or(|entry| entry.kind != "hash") {
            problems.push(format!("{id} in {listed:?} has no hash"));
        }
    }
    for (key, entry) in all {
        let Some(id) = key.strip_prefix(base) else { continue };
        if entry.kind == "hash" && !NO_JOBS.contains(&id) && !places.contains_key(id) {
            problems.push(format!("{id} has a hash and is nowhere"));
        }
        if let Some(id) = id.strip_suffix(":lock")
            && !places.get(id).is_some_and(|listed| listed.contains(&"active"))
        {
            problems.push(format!("{id} has a lock and is not active"));
        }
    }
    problems
}
