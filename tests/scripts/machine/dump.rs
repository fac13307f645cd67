//! Everything that a Redis holds, as values to compare: what the model predicts and what is there.

use std::collections::{BTreeMap, BTreeSet};

use redis::aio::MultiplexedConnection;

/// One key.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Hash(BTreeMap<String, String>),
    /// From left to right.
    List(Vec<String>),
    Set(BTreeSet<String>),
    Sorted(BTreeMap<String, f64>),
    Text(String),
    /// One line an entry, oldest first, without its id.
    Stream(Vec<String>),
    /// A string whose bytes are nobody's business but the scripts'.
    Opaque,
}

impl Value {
    fn is_empty(&self) -> bool {
        match self {
            Self::Hash(fields) => fields.is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Set(members) => members.is_empty(),
            Self::Sorted(members) => members.is_empty(),
            Self::Stream(_) | Self::Text(_) | Self::Opaque => false,
        }
    }
}

/// All keys, each with whether it will expire.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dump(pub BTreeMap<String, (Value, bool)>);

impl Dump {
    /// Adds a key that stays. As in Redis, what is empty is not there.
    pub fn put(&mut self, key: String, value: Value) {
        if !value.is_empty() {
            self.0.insert(key, (value, false));
        }
    }

    /// Adds a key that will expire.
    pub fn put_for_a_while(&mut self, key: String, value: Value) {
        self.0.insert(key, (value, true));
    }

    /// What differs from what was found, one line each, named by key.
    pub fn differences(&self, found: &Dump) -> Vec<String> {
        let keys: BTreeSet<&String> = self.0.keys().chain(found.0.keys()).collect();
        let mut lines = Vec::new();
        for key in keys {
            match (self.0.get(key), found.0.get(key)) {
                (Some(_), None) => lines.push(format!("{key} is missing")),
                (None, Some((value, _))) => {
                    lines.push(format!("{key} should not be there, and is {value:?}"));
                }
                (Some((wanted, expires)), Some((value, found_expires))) => {
                    differ(key, wanted, value, &mut lines);
                    if expires != found_expires {
                        lines.push(format!("{key} expires: {found_expires}, expected {expires}"));
                    }
                }
                (None, None) => {}
            }
        }
        lines
    }
}

fn differ(key: &str, wanted: &Value, found: &Value, lines: &mut Vec<String>) {
    match (wanted, found) {
        (Value::Hash(a), Value::Hash(b)) => {
            for field in a.keys().chain(b.keys().filter(|field| !a.contains_key(*field))) {
                let (a, b) = (a.get(field), b.get(field));
                if a != b {
                    lines.push(format!("{key}, field {field}: expected {a:?}, found {b:?}"));
                }
            }
        }
        (Value::Opaque, Value::Text(_)) => {}
        _ if wanted == found => {}
        (Value::Stream(a), Value::Stream(b)) => {
            let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
            lines.push(format!(
                "{key} from entry {same} on: expected {:?}, found {:?}",
                &a[same..],
                &b[same..]
            ));
        }
        _ => lines.push(format!("{key}: expected {wanted:?}, found {found:?}")),
    }
}

const READ_ALL: &str = r"
local out = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind, value = redis.call('TYPE', key).ok, nil
  if kind == 'hash' then value = redis.call('HGETALL', key)
  elseif kind == 'list' then value = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'set' then value = redis.call('SMEMBERS', key)
  elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'stream' then
    value = {}
    for _, entry in ipairs(redis.call('XRANGE', key, '-', '+')) do
      local words = {}
      for i = 1, #entry[2], 2 do words[#words + 1] = entry[2][i] .. '=' .. entry[2][i + 1] end
      value[#value + 1] = table.concat(words, ' ')
    end
  else value = { redis.call('GET', key) } end
  out[#out + 1] = { key, kind, redis.call('PTTL', key), value }
end
return out";

/// Reads everything in one step.
pub async fn take(con: &mut MultiplexedConnection) -> Dump {
    let rows: Vec<(String, String, i64, Vec<Vec<u8>>)> =
        redis::cmd("EVAL").arg(READ_ALL).arg(0).query_async(con).await.expect("a dump");
    let text = |bytes: Vec<u8>| bytes.escape_ascii().to_string();
    let read = |(key, kind, ttl, value): (String, String, i64, Vec<Vec<u8>>)| {
        let items: Vec<String> = value
            .into_iter()
            .map(|bytes| String::from_utf8(bytes).unwrap_or_else(|error| text(error.into_bytes())))
            .collect();
        let value = match kind.as_str() {
            "hash" => Value::Hash(pairs(items).collect()),
            "list" => Value::List(items),
            "set" => Value::Set(items.into_iter().collect()),
            "zset" => Value::Sorted(
                pairs(items).map(|(member, score)| (member, score.parse().expect("a score"))).collect(),
            ),
            "stream" => Value::Stream(items),
            _ => Value::Text(items.into_iter().next().unwrap_or_default()),
        };
        (key, (value, ttl >= 0))
    };
    Dump(rows.into_iter().map(read).collect())
}

fn pairs(items: Vec<String>) -> impl Iterator<Item = (String, String)> {
    let mut items = items.into_iter();
    std::iter::from_fn(move || Some((items.next()?, items.next()?)))
}
