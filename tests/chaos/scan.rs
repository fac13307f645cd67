//! How a queue stands: every job, where it is, and what is left over. Read when nothing moves any more.

use std::collections::{BTreeMap, HashMap};

use redis::aio::MultiplexedConnection;

use bullock::wire::Dialect;

/// One job as Redis has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stands {
    /// The states whose lists and sets name it, each as often as they do.
    pub states: Vec<&'static str>,
    /// Its hash; empty = it has none.
    pub fields: HashMap<String, String>,
}

/// A whole queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    pub jobs: BTreeMap<String, Stands>,
    /// What ought not to be there when nothing moves.
    pub leftovers: Vec<String>,
}

/// States that a job may be in, and the command that reads their members.
fn states(dialect: Dialect) -> &'static [(&'static str, bool)] {
    match dialect {
        Dialect::Bull => &[
            ("wait", false),
            ("paused", false),
            ("active", false),
            ("delayed", true),
            ("completed", true),
            ("failed", true),
        ],
        Dialect::BullMq => &[
            ("wait", false),
            ("paused", false),
            ("active", false),
            ("prioritized", true),
            ("delayed", true),
            ("waiting-children", true),
            ("completed", true),
            ("failed", true),
        ],
    }
}

async fn members(db: &mut MultiplexedConnection, key: &str, is_sorted: bool) -> Vec<String> {
    let command = if is_sorted { "ZRANGE" } else { "LRANGE" };
    redis::cmd(command).arg(key).arg(0).arg(-1).query_async(db).await.unwrap()
}

/// How many jobs have not ended.
pub(crate) async fn unfinished(
    db: &mut MultiplexedConnection,
    dialect: Dialect,
    queue: &str,
) -> Result<usize, redis::RedisError> {
    let mut count = 0;
    for (state, is_sorted) in states(dialect) {
        if !matches!(*state, "completed" | "failed") {
            let command = if *is_sorted { "ZCARD" } else { "LLEN" };
            count +=
                redis::cmd(command).arg(format!("bull:{queue}:{state}")).query_async::<usize>(db).await?;
        }
    }
    Ok(count)
}

/// Which jobs have not ended.
pub(crate) async fn unfinished_jobs(
    db: &mut MultiplexedConnection,
    dialect: Dialect,
    queue: &str,
) -> Vec<String> {
    let mut jobs = Vec::new();
    for (state, is_sorted) in states(dialect) {
        if !matches!(*state, "completed" | "failed") {
            jobs.extend(members(db, &format!("bull:{queue}:{state}"), *is_sorted).await);
        }
    }
    jobs
}

/// Reads everything.
pub(crate) async fn scan(db: &mut MultiplexedConnection, dialect: Dialect, queue: &str) -> Standing {
    let base = format!("bull:{queue}:");
    let own = format!("bull::x:{queue}::");
    let mut standing = Standing::default();
    for (state, is_sorted) in states(dialect) {
        for id in members(db, &format!("{base}{state}"), *is_sorted).await {
            standing.jobs.entry(id).or_default().states.push(state);
        }
    }
    let keys: Vec<String> = redis::cmd("KEYS").arg("bull:*").query_async(db).await.unwrap();
    for key in keys {
        let kind: String = redis::cmd("TYPE").arg(&key).query_async(db).await.unwrap();
        if key.ends_with(":lock") {
            standing.leftovers.push(format!("{key} is there"));
        } else if let Some(id) = key.strip_prefix(&base) {
            // Keys of the queue itself are no jobs; neither is what hangs on one (`<id>:logs`).
            if kind == "hash" && !id.contains(':') && !matches!(id, "meta" | "repeat" | "de") {
                let fields = redis::cmd("HGETALL").arg(&key).query_async(db).await.unwrap();
                standing.jobs.entry(id.to_owned()).or_default().fields = fields;
            }
        } else if let Some(name) = key.strip_prefix(&own)
            && matches!(name, "leases" | "leases:stalled")
        {
            standing.leftovers.push(format!("{key} is there"));
        }
    }
    if dialect == Dialect::BullMq {
        for marker in members(db, &format!("{base}marker"), true).await {
            // "0": something may be claimed; a worker takes it away when it looks. "1": the next delayed job.
            if marker != "0" && marker != "1" {
                standing.leftovers.push(format!("marker {marker}"));
            }
        }
    }
    standing
}
