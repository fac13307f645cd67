//! What a Redis user may not do, and keys of a queue that are of another type: asked before anything is touched.
//!
//! Rights are tried out and not read from rules: between `MULTI` and `DISCARD` Redis holds every command against the
//! user's rights, and runs none of them. That works without the right to read rules, and on every version that we take.

use redis::{ErrorKind, ServerErrorKind, Value};

use super::{Connection, Store, StoreError, text};
use crate::wire::Keys;

/// One of each command that our scripts and connections send. `K` is a key of the queue, `X` one of our own keys, `C`
/// a channel, the bare words `P` and `B` are the two bases that scripts get.
const PROBES: &[&str] = &[
    "EVALSHA 0000000000000000000000000000000000000000 2 P B",
    "SCRIPT LOAD return",
    "BLMOVE K K RIGHT LEFT 1",
    "SUBSCRIBE C",
    "PUBLISH C m",
    "DEL K X",
    "EXISTS K X",
    "GET K",
    "HDEL K f",
    "HEXISTS K f",
    "HGET K f",
    "HGETALL K",
    "HINCRBY K f 1",
    "HKEYS K",
    "HMGET K f",
    "HSET K f v",
    "HSETNX K f v",
    "INCR K",
    "INCRBY K 1",
    "LINDEX K 0",
    "LINSERT K BEFORE a b",
    "LLEN K",
    "LMOVE K K RIGHT LEFT",
    "LPOS K v",
    "LPUSH K v",
    "LRANGE K 0 1",
    "LREM K 1 v",
    "LTRIM K 0 1",
    "MGET K X",
    "PEXPIRE X 1",
    "PTTL K",
    "RENAME K K",
    "RPOP K",
    "RPUSH K v",
    "SADD X v",
    "SCARD X",
    "SET X v",
    "SETNX X v",
    "SISMEMBER X v",
    "SMEMBERS X",
    "SREM X v",
    "TIME",
    "TYPE K",
    "ZADD K 1 v",
    "ZCARD K",
    "ZCOUNT K 0 1",
    "ZRANGE K 0 1",
    "ZRANGEBYSCORE K 0 1",
    "ZREM K v",
    "ZREMRANGEBYSCORE K 0 1",
    "ZREVRANGE K 0 1",
    "ZSCORE K v",
];

/// Bull's keys of which there is one for each queue, with their types.
const KEYS: &[(&str, &str)] = &[
    ("id", "string"),
    ("wait", "list"),
    ("paused", "list"),
    ("active", "list"),
    ("delayed", "zset"),
    ("completed", "zset"),
    ("failed", "zset"),
    ("priority", "zset"),
    ("repeat", "zset"),
    ("stalled", "set"),
    ("stalled-check", "string"),
    ("limiter", "string"),
    ("meta-paused", "string"),
    ("meta", "hash"),
];

/// A key that is something else than a Bull queue's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongKey {
    /// The key.
    pub key: String,
    /// Its type.
    pub found: String,
    /// What it should be.
    pub expected: &'static str,
}

/// What this user lacks for a queue, as `ACL SETUSER` would grant it: `+evalsha`, `~bull:*`, `&bull:*`. `None` = it
/// cannot be told, because the user may not even ask this way.
pub async fn missing(connection: &Connection, keys: &Keys) -> Result<Option<Vec<String>>, StoreError> {
    // Of its own: what stands between MULTI and DISCARD must be ours alone.
    let own = connection.again();
    match own.send(&redis::cmd("MULTI")).await {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let mut pipe = redis::pipe();
    // Should the connection have been replaced since: a second MULTI is refused, a first one is not.
    pipe.cmd("MULTI");
    for probe in PROBES {
        pipe.add_command(command(probe, keys));
    }
    pipe.cmd("DISCARD");
    let replies = own.pipeline(&pipe, PROBES.len() + 2).await?;
    let mut missing = Vec::new();
    for (reply, probe) in replies.into_iter().skip(1).zip(PROBES) {
        let Err(error) = reply.extract_error() else { continue };
        if error.kind() != ErrorKind::Server(ServerErrorKind::NoPerm) {
            continue;
        }
        let rule = rule(error.detail().unwrap_or_default(), probe, keys);
        if !missing.contains(&rule) {
            missing.push(rule);
        }
    }
    Ok(Some(missing))
}

fn command(probe: &str, keys: &Keys) -> redis::Cmd {
    let mut words = probe.split(' ');
    let mut cmd = redis::cmd(words.next().unwrap_or_default());
    for word in words {
        match word {
            "K" => cmd.arg(keys.of("rights")),
            "X" => cmd.arg(keys.extra_of("rights")),
            "C" => cmd.arg(keys.of("delayed")),
            "P" => cmd.arg(&*keys.base),
            "B" => cmd.arg(&*keys.extra),
            word => cmd.arg(word),
        };
    }
    cmd
}

/// What would lift a refusal. The server says whether the command, a key or a channel was the reason.
fn rule(refusal: &str, probe: &str, keys: &Keys) -> String {
    if refusal.contains("command") {
        let mut words = probe.split(' ');
        let name = words.next().unwrap_or_default().to_lowercase();
        return match words.next() {
            Some("LOAD") => format!("+{name}|load"),
            _ => format!("+{name}"),
        };
    }
    let sign = if refusal.contains("channel") { '&' } else { '~' };
    format!("{sign}{}:*", keys.prefix)
}

impl Store {
    /// Keys of this queue that are of another type than Bull's.
    pub async fn wrong_keys(&self) -> Result<Vec<WrongKey>, StoreError> {
        let mut pipe = redis::pipe();
        for (suffix, _) in KEYS {
            pipe.cmd("TYPE").arg(self.keys.of(suffix));
        }
        let replies = self.connection.pipeline(&pipe, KEYS.len()).await?;
        let mut wrong = Vec::new();
        for (reply, (suffix, expected)) in replies.into_iter().zip(KEYS) {
            let found = text(Value::extract_error(reply)?)?;
            if found != "none" && found != *expected {
                wrong.push(WrongKey { key: self.keys.of(suffix), found, expected });
            }
        }
        Ok(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scripts;
    use super::PROBES;

    #[test]
    fn every_command_of_our_scripts_is_tried_out() {
        let scripts = Scripts::bull(None);
        let probed: Vec<&str> = PROBES.iter().filter_map(|probe| probe.split(' ').next()).collect();
        for (name, script) in scripts.all() {
            for (at, _) in script.text().match_indices("call('") {
                let command = script.text()[at + 6..].split('\'').next().unwrap_or_default();
                assert!(probed.contains(&command), "{name}.lua sends {command}, which PROBES lacks");
            }
        }
    }
}
