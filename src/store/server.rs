//! What a Redis server is like, checked before anything trusts it.

use super::{Connection, StoreError};

/// Oldest server that has what the scripts use (`LMOVE`, `RPOP` with a count).
pub const VERSION_MIN: (u32, u32) = (6, 2);

/// Facts about a server. A field is `None` where the user may not ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerFacts {
    /// Version as text.
    pub version: Option<String>,
    /// `master` or `slave`.
    pub role: Option<String>,
    /// `maxmemory-policy`.
    pub eviction: Option<String>,
    /// `aof`, `rdb` or `none`.
    pub persistence: Option<&'static str>,
}

impl ServerFacts {
    /// Asks a server; in a cluster all masters, of which the least safe setting counts.
    pub async fn read(connection: &Connection) -> Result<Self, StoreError> {
        let mut worst: Option<Self> = None;
        for master in connection.to_each_master().await? {
            let facts = Self::of_one(&master).await?;
            let Some(worst) = &mut worst else {
                worst = Some(facts);
                continue;
            };
            if facts.eviction.as_deref().is_some_and(|policy| policy != "noeviction") {
                worst.eviction = facts.eviction;
            }
            if facts.persistence == Some("none") || worst.persistence == Some("aof") {
                worst.persistence = facts.persistence;
            }
        }
        Ok(worst.unwrap_or_default())
    }

    async fn of_one(connection: &Connection) -> Result<Self, StoreError> {
        let info: Option<String> = permitted(connection.query(&redis::cmd("INFO")).await)?;
        let Some(info) = info else { return Ok(Self::default()) };
        let field = |name: &str| {
            info.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(|v| v.trim().to_owned())
        };
        let snapshots = field("rdb_last_save_time");
        let persistence = match field("aof_enabled").as_deref() {
            Some("1") => Some("aof"),
            Some(_) => {
                let save: Option<(String, String)> =
                    permitted(connection.query(redis::cmd("CONFIG").arg("GET").arg("save")).await)?;
                match (save, snapshots) {
                    (Some((_, rules)), _) => Some(if rules.is_empty() { "none" } else { "rdb" }),
                    (None, _) => None,
                }
            }
            None => None,
        };
        Ok(Self {
            version: field("redis_version"),
            role: field("role"),
            eviction: field("maxmemory_policy"),
            persistence,
        })
    }

    /// Is the version too old? Unknown counts as new enough.
    pub fn is_too_old(&self) -> bool {
        let Some(version) = &self.version else { return false };
        let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) < VERSION_MIN
    }
}

/// A question that the user may not ask has no answer, which is no error.
fn permitted<T>(reply: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match reply {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::Refused(text)) if text.contains("NOPERM") || text.contains("permission") => Ok(None),
        Err(error) => Err(error),
    }
}
