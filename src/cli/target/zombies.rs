//! Jobs that look alive and are not.

use serde::Deserialize;
use serde_json::{Value, json};

use super::queue::told;
use super::{At, QueueAt, Target};
use crate::cli::actor::Reason;
use crate::cli::error::CliError;
use crate::store::doctor::scan;
use crate::store::zombies::{Act, Acted, Limits, Sort, Zombie};

/// Ids of one request.
const IDS_MAX: usize = 500;

/// One of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// Its queue.
    pub queue: String,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// What kind it is, by its word.
    kind: String,
    /// Since when it may have been one, ms.
    #[serde(rename = "sinceOn")]
    pub since_ms: Option<i64>,
    /// Who ran it last.
    #[serde(rename = "worker")]
    pub owner: Option<String>,
    /// Its last sign of life, ms.
    #[serde(rename = "lastSignOn")]
    pub last_sign_ms: Option<i64>,
    /// Why it counts as one.
    #[serde(rename = "detail")]
    pub reason: String,
    /// A run holds it.
    pub held: bool,
}

/// Those that a server tells of.
#[derive(Deserialize)]
struct Page {
    items: Vec<Found>,
    truncated: bool,
}

impl Found {
    /// What kind it is.
    pub fn sort(&self) -> Sort {
        Sort::parse(&self.kind).unwrap_or(Sort::OrphanHash)
    }

    fn of(queue: &str, zombie: &Zombie) -> Self {
        Self {
            queue: queue.to_owned(),
            id: zombie.shown_id(),
            name: zombie.facts.name.clone(),
            kind: zombie.sort.as_str().to_owned(),
            since_ms: zombie.since_ms,
            owner: zombie.last_owner(),
            last_sign_ms: zombie.facts.last_sign_ms(),
            reason: zombie.reason.clone(),
            held: zombie.facts.is_held(),
        }
    }
}

impl Target {
    /// Those of one queue, or of all.
    pub async fn zombies(&self, queue: Option<&str>, limits: &Limits) -> Result<Vec<Found>, CliError> {
        let session = match &self.at {
            At::Redis(session) => session,
            At::Api(api) => {
                let (silent, overdue) = times(limits);
                let mut query = vec![("silent", silent.as_str()), ("overdue", overdue.as_str())];
                query.extend(queue.map(|queue| ("queue", queue)));
                let mut page: Page = api.get(&["zombies"], &query).await?;
                if page.truncated {
                    self.out.note("note: there may be more than the server has looked at");
                }
                page.items.sort_by(|a, b| (&a.queue, &a.id).cmp(&(&b.queue, &b.id)));
                return Ok(page.items);
            }
        };
        let names: Vec<String> = match queue {
            Some(name) => vec![session.known_queue(name).await?.keys().queue.to_string()],
            None => Vec::new(),
        };
        let found = scan(&session.connection, &session.prefix, &names).await.map_err(told(session))?;
        let mut all = Vec::new();
        for (name, keys) in &found {
            let zombies = session.store(name).zombies(keys, limits).await.map_err(told(session))?;
            all.extend(zombies.iter().map(|zombie| Found::of(name, zombie)));
        }
        Ok(all)
    }
}

impl QueueAt<'_> {
    /// Those among these jobs.
    pub async fn zombies_among(
        &self,
        target: &Target,
        ids: &[String],
        limits: &Limits,
    ) -> Result<Vec<Found>, CliError> {
        match self {
            Self::Redis(session, store) => {
                let found = store.zombies_among(ids, limits).await.map_err(told(session))?;
                Ok(found.iter().map(|zombie| Found::of(self.name(), zombie)).collect())
            }
            Self::Api(_) => {
                let mut all = target.zombies(Some(self.name()), limits).await?;
                all.retain(|zombie| ids.contains(&zombie.id));
                Ok(all)
            }
        }
    }

    /// Does one thing to some, each if it still is one; in their order.
    pub async fn mend(
        &self,
        reason: &Reason,
        act: Act,
        zombies: &[Found],
        limits: &Limits,
    ) -> Result<Vec<Acted>, CliError> {
        let remote = match self {
            Self::Api(remote) => remote,
            Self::Redis(session, store) => {
                let (mut done, actor) = (Vec::with_capacity(zombies.len()), reason.actor());
                for zombie in zombies {
                    let sent = store.mend_zombie(&actor, act, zombie.sort(), &zombie.id, limits);
                    done.push(sent.await.map_err(told(session))?);
                }
                return Ok(done);
            }
        };
        let [silent, overdue] = [limits.silent, limits.overdue].map(|time| time.as_millis() as u64);
        let mut done = Vec::with_capacity(zombies.len());
        for some in zombies.chunks(IDS_MAX) {
            let ids: Vec<&str> = some.iter().map(|zombie| zombie.id.as_str()).collect();
            let body = remote.with_reason(json!({"queue": remote.name, "ids": ids, "action": verb(act),
                "force": limits.from_live_runs, "silentMs": silent, "overdueMs": overdue}));
            let answer: Value = remote.api.post(&["zombies", "resolve"], &body).await?;
            done.extend(answer["items"].as_array().into_iter().flatten().map(acted));
        }
        Ok(done)
    }
}

/// The word for what is done to one.
pub fn verb(act: Act) -> &'static str {
    match act {
        Act::Requeue => "requeue",
        Act::Fail => "fail",
        Act::ForceDone => "force-done",
    }
}

fn times(limits: &Limits) -> (String, String) {
    let text = |time: std::time::Duration| format!("{}ms", time.as_millis());
    (text(limits.silent), text(limits.overdue))
}

fn acted(item: &Value) -> Acted {
    let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
    match item["refusal"].as_str() {
        None => Acted::Done(text("was"), text("is")),
        Some("held") => Acted::Held,
        Some("no-body") => Acted::NoBody,
        Some(_) => Acted::Gone,
    }
}
