//! What a Redis user may not do, and keys of a queue that are of another type: asked before anything is touched.
//!
//! Rights are tried out and not read from rules: between `MULTI` and `DISCARD` Redis holds every command against the
//! user's rights, and runs none of them. That works without the right to read rules, and on every version that we take.

use redis::{ErrorKind, ServerErrorKind, Value};

use super::opened::scripts_of;
use super::{Connection, Scripts, Store, StoreError, text};
use crate::wire::{Dialect, Keys};

/// One of each command that our scripts and connections send, in any dialect. `K` is a key of the queue, `X` one of our
/// own keys, `C` a channel, the bare words `P` and `B` are the two bases that scripts get.
const PROBES: &[&str] = &[
    "EVALSHA 0000000000000000000000000000000000000000 2 P B",
    "SCRIPT LOAD return",
    "BLMOVE K K RIGHT LEFT 1",
    "BZPOPMIN K 1",
    "XREAD STREAMS K 0-0",
    "XREVRANGE K + - COUNT 1",
    "SUBSCRIBE C",
    "PUBLISH C m",
    "DEL K X",
    "EXISTS K X",
    "GET K",
    "GETRANGE K 0 1",
    "HDEL K f",
    "HEXISTS K f",
    "HGET K f",
    "HGETALL K",
    "HINCRBY K f 1",
    "HKEYS K",
    "HLEN K",
    "HMGET K f",
    "HRANDFIELD X 1",
    "HSET K f v",
    "HSETNX K f v",
    "HSTRLEN K f",
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
    "LSET K 0 v",
    "LTRIM K 0 1",
    "MGET K X",
    "PERSIST K",
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
    "SMISMEMBER X v",
    "SPOP X 1",
    "SREM X v",
    "TIME",
    "TYPE K",
    "UNLINK K X",
    "XDEL X 0-1",
    "XRANGE X - + COUNT 1",
    "XADD K * f v",
    "XTRIM K MAXLEN 1",
    "ZADD K 1 v",
    "ZCARD K",
    "ZCOUNT K 0 1",
    "ZINCRBY X 1 v",
    "ZPOPMIN K",
    "ZRANDMEMBER X 1",
    "ZRANGE K 0 1",
    "ZRANGEBYSCORE K 0 1",
    "ZRANK K v",
    "ZREM K v",
    "ZREMRANGEBYRANK K 0 1",
    "ZREMRANGEBYSCORE K 0 1",
    "ZREVRANGE K 0 1",
    "ZREVRANGEBYSCORE K 1 0",
    "ZSCORE K v",
];

/// What is sent outside of scripts, whatever the dialect.
const ALWAYS: &[&str] = &[
    "EVALSHA",
    "SCRIPT",
    "BLMOVE",
    "EXISTS",
    "GET",
    "HGET",
    "HGETALL",
    "HKEYS",
    "HMGET",
    "LINDEX",
    "LLEN",
    "LPOS",
    "LRANGE",
    "PTTL",
    "TIME",
    "TYPE",
    "ZCARD",
    "ZRANGE",
    "ZREVRANGE",
    "ZSCORE",
];
/// What is sent outside of scripts in one of them.
const ALWAYS_OF_BULL: &[&str] = &["SUBSCRIBE", "XREAD"];
const ALWAYS_OF_BULLMQ: &[&str] = &["BZPOPMIN", "HEXISTS", "XREAD", "XREVRANGE"];

/// The probes that matter: those of a dialect, or those that telling the dialect takes.
fn probes(dialect: Option<Dialect>) -> Vec<&'static str> {
    let own = match dialect {
        None => &[],
        Some(Dialect::Bull) => ALWAYS_OF_BULL,
        Some(Dialect::BullMq) => ALWAYS_OF_BULLMQ,
    };
    let scripts = dialect.map(scripts_of);
    let sent = |command: &str| {
        let quoted = format!("'{command}'");
        let in_scripts = |scripts: &Scripts| scripts.all().iter().any(|(_, s)| s.text().contains(&quoted));
        ALWAYS.contains(&command) || own.contains(&command) || scripts.is_some_and(|all| in_scripts(all))
    };
    PROBES.iter().copied().filter(|probe| sent(probe.split(' ').next().unwrap_or_default())).collect()
}

/// Keys of which there is one for each queue, with their types.
const KEYS: &[(&str, &str)] = &[
    ("id", "string"),
    ("wait", "list"),
    ("paused", "list"),
    ("active", "list"),
    ("delayed", "zset"),
    ("completed", "zset"),
    ("failed", "zset"),
    ("repeat", "zset"),
    ("stalled", "set"),
    ("stalled-check", "string"),
    ("limiter", "string"),
    ("meta", "hash"),
];
/// The same, of Bull alone.
const KEYS_OF_BULL: &[(&str, &str)] = &[("priority", "zset"), ("meta-paused", "string")];
/// The same, of `BullMQ` alone.
const KEYS_OF_BULLMQ: &[(&str, &str)] = &[
    ("prioritized", "zset"),
    ("pc", "string"),
    ("waiting-children", "zset"),
    ("marker", "zset"),
    ("events", "stream"),
];

/// A key that is of another type than it should be.
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
///
/// Asked for a dialect, or for no more than what it takes to tell the dialect.
async fn missing(
    connection: &Connection,
    keys: &Keys,
    dialect: Option<Dialect>,
) -> Result<Option<Vec<String>>, StoreError> {
    let probes = probes(dialect);
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
    for probe in &probes {
        pipe.add_command(command(probe, keys));
    }
    pipe.cmd("DISCARD");
    let replies = own.pipeline(&pipe, probes.len() + 2).await?;
    let mut missing = Vec::new();
    for (reply, probe) in replies.into_iter().skip(1).zip(probes) {
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
    /// What this user lacks to work the queue, in two steps: first what it takes to look whose queue it is, and then what
    /// its dialect takes. As long as that is not settled, one of the dialects must be possible.
    pub async fn missing_rights(&self, looked: bool) -> Result<Option<Vec<String>>, StoreError> {
        let of = |dialect| missing(&self.connection, &self.keys, dialect);
        if !looked {
            let missing = of(None).await?;
            // All at once, and not what is next to it after the first is granted.
            return if missing.as_ref().is_some_and(|missing| !missing.is_empty()) {
                of(Some(self.dialect())).await
            } else {
                Ok(missing)
            };
        }
        if self.is_settled() {
            return of(Some(self.dialect())).await;
        }
        let bull = of(Some(Dialect::Bull)).await?;
        match &bull {
            Some(missing) if !missing.is_empty() => {
                let bullmq = of(Some(Dialect::BullMq)).await?;
                Ok(if bullmq.as_ref().is_some_and(Vec::is_empty) { bullmq } else { bull })
            }
            _ => Ok(bull),
        }
    }

    /// Keys of this queue that are of another type than its dialect's.
    pub async fn wrong_keys(&self) -> Result<Vec<WrongKey>, StoreError> {
        let own = match self.dialect() {
            Dialect::Bull => KEYS_OF_BULL,
            Dialect::BullMq => KEYS_OF_BULLMQ,
        };
        let keys = || KEYS.iter().chain(own);
        let mut pipe = redis::pipe();
        for (suffix, _) in keys() {
            pipe.cmd("TYPE").arg(self.keys.of(suffix));
        }
        let replies = self.connection.pipeline(&pipe, keys().count()).await?;
        let mut wrong = Vec::new();
        for (reply, (suffix, expected)) in replies.into_iter().zip(keys()) {
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
    use super::{Dialect, probes, scripts_of};

    #[test]
    fn every_command_of_our_scripts_is_tried_out() {
        for dialect in [Dialect::Bull, Dialect::BullMq] {
            let tried = probes(Some(dialect));
            let commands: Vec<&str> = tried.iter().filter_map(|probe| probe.split(' ').next()).collect();
            for (name, script) in scripts_of(dialect).all() {
                for (at, _) in script.text().match_indices("call('") {
                    let command = script.text()[at + 6..].split('\'').next().unwrap_or_default();
                    assert!(commands.contains(&command), "{name}.lua sends {command}, which PROBES lacks");
                }
            }
        }
    }

    #[test]
    fn what_only_the_other_dialect_sends_is_not_asked_for() {
        let asked = |dialect, command: &str| probes(dialect).iter().any(|probe| probe.starts_with(command));
        assert!(asked(Some(Dialect::Bull), "PUBLISH") && !asked(Some(Dialect::Bull), "XTRIM"));
        assert!(asked(Some(Dialect::BullMq), "XTRIM") && !asked(Some(Dialect::BullMq), "SUBSCRIBE"));
        assert!(!asked(None, "XADD") && !asked(None, "PUBLISH") && asked(None, "HKEYS"));
    }
}
