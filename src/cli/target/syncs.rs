//! Syncs: starting, looking at and steering them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::queue::told;
use super::{QueueAt, Remote};
use crate::cli::actor::Reason;
use crate::cli::api::{Again, absent, new_key};
use crate::cli::error::{CliError, Exit};
use crate::cli::job::record::Record;
use crate::http::Method;
use crate::store::sync::operate::{Paused, Resumed, RetriedItems};
use crate::store::sync::start::Start;
use crate::store::{Queue, force_done::Forced};
use crate::sync::Plan;

/// Acts and commits that are read.
const ACTS: usize = 10;
/// How long a key that nobody has given holds, seconds: only for sending it again.
const KEY_HOLDS_S: u64 = 600;

/// A sync to start.
#[derive(Debug)]
pub struct SyncStart<'a> {
    /// Whose, under which key, one or several.
    pub start: Start<'a>,
    /// The name of its job.
    pub name: &'a str,
    /// The data of its job.
    pub data: &'a Value,
    /// The options of its job.
    pub opts: Map<String, Value>,
}

/// What became of a start.
#[derive(Debug)]
pub struct Begun {
    /// The id of its job.
    pub id: String,
    /// created, existing or resumed; `None` = the id is that of something else.
    pub how: Option<&'static str>,
    /// Where its job is.
    pub state: String,
    /// Somebody has paused it.
    pub is_paused: bool,
}

/// One sync.
#[derive(Debug)]
pub struct SyncFacts {
    /// Its job.
    pub(in crate::cli) record: Record,
    /// Where it goes on; `None` = it has committed nothing.
    pub plan: Option<Plan>,
    /// Who has paused it.
    pub hold: Option<Value>,
    /// Items by state: id and note.
    pub items: BTreeMap<String, Vec<(String, Value)>>,
    /// The newest acts and commits: at, what, was, is, by, from, why, changed.
    pub acts: Vec<Value>,
}

impl QueueAt<'_> {
    /// Starts a sync, once.
    pub async fn start_sync(&self, reason: &Reason, sync: SyncStart<'_>) -> Result<Begun, CliError> {
        let SyncStart { start, name, data, opts } = sync;
        let remote = match self {
            Self::Api(remote) => remote,
            Self::Redis(session, store) => {
                let (queue, actor) = (Queue::on(store.clone()), reason.actor());
                let sent = queue.start_sync(&actor, &start, name, data, Value::Object(opts));
                let started = sent.await.map_err(told(session))?;
                let is_taken = started.how == crate::store::sync::start::StartedAs::Taken;
                return Ok(Begun {
                    id: started.id.to_string(),
                    how: (!is_taken).then(|| started.how.as_str()),
                    state: started.state,
                    is_paused: started.is_paused,
                });
            }
        };
        let mut body =
            json!({"queue": remote.name, "name": name, "data": data, "opts": opts, "several": start.several});
        let id = opts.get("jobId").and_then(Value::as_str).map(str::to_owned);
        let holds = start
            .key_holds
            .map(|holds| holds.as_secs().max(1))
            .or(start.key.is_none().then_some(KEY_HOLDS_S));
        if let Some(seconds) = holds {
            body["keyHoldsSeconds"] = seconds.into();
        }
        let key = start.key.map_or_else(new_key, str::to_owned);
        let path: Vec<&str> = start.org.map_or_else(|| vec!["syncs"], |org| vec!["orgs", org, "syncs"]);
        let query = remote.dialect.map(|dialect| ("dialect", dialect.as_str()));
        let place = (path.as_slice(), query.as_slice());
        let sent =
            remote.api.write(Method::POST, place, &remote.with_reason(body), Some(&key), Again::Always).await;
        let answer: Value = match (sent, &id) {
            (Err(error), Some(id)) if error.exit() == Exit::Conflict => {
                return Ok(Begun { id: id.clone(), how: None, state: String::new(), is_paused: false });
            }
            (sent, _) => sent?,
        };
        let (sync, text) = (&answer["sync"], |value: &Value| value.as_str().unwrap_or_default().to_owned());
        Ok(Begun {
            id: sync["id"].as_str().map(str::to_owned).or(id).unwrap_or_default(),
            how: ["created", "existing", "resumed"].into_iter().find(|word| answer["started"] == **word),
            state: text(&sync["state"]),
            is_paused: !sync["paused"].is_null(),
        })
    }

    /// Everything about one; `None` = there is no such job.
    pub async fn sync(&self, id: &str) -> Result<Option<SyncFacts>, CliError> {
        let (session, store) = match self {
            Self::Api(remote) => {
                let page: Option<Value> = absent(remote.api.get(&["syncs", &remote.name, id], &[]).await)?;
                return Ok(page.map(facts_of_api));
            }
            Self::Redis(session, store) => (session, store),
        };
        let Some(record) = self.record(id).await? else { return Ok(None) };
        let stored = store.plan(id).await.map_err(told(session))?;
        let acts = store.audit_of(id, ACTS).await.map_err(told(session))?;
        Ok(Some(SyncFacts {
            record,
            plan: stored.plan.as_deref().and_then(|text| Plan::parse(text).ok()),
            hold: stored.hold.and_then(|text| serde_json::from_str(&text).ok()),
            items: by_state(store.noted_items(id).await.map_err(told(session))?),
            acts: acts
                .into_iter()
                .map(|act| {
                    let changed: Value = serde_json::from_str(&act.changed).unwrap_or_default();
                    json!({"at": act.at_ms, "what": act.what, "was": act.was, "is": act.is, "by": act.actor.by,
                        "from": act.actor.from, "why": act.actor.why, "changed": changed})
                })
                .collect(),
        }))
    }

    /// Pauses one.
    pub async fn pause_sync(&self, reason: &Reason, id: &str) -> Result<Paused, CliError> {
        let remote = match self {
            Self::Redis(session, store) => {
                return store.pause_sync(&reason.actor(), id).await.map_err(told(session));
            }
            Self::Api(remote) => remote,
        };
        Ok(match remote.steer(id, "pause", json!({}), Again::Always).await? {
            Steered::Done(answer) if answer["outcome"] == "paused-before" => Paused::Already(was(&answer)),
            Steered::Done(answer) => Paused::Done(was(&answer)),
            Steered::Refused(state) => Paused::Ended(state),
            Steered::NotFound => Paused::NotFound,
        })
    }

    /// Lets one go on.
    pub async fn resume_sync(&self, reason: &Reason, id: &str) -> Result<Resumed, CliError> {
        let remote = match self {
            Self::Redis(session, store) => {
                return store.resume_sync(&reason.actor(), id).await.map_err(told(session));
            }
            Self::Api(remote) => remote,
        };
        Ok(match remote.steer(id, "resume", json!({}), Again::Unseen).await? {
            Steered::Done(answer) if answer["outcome"] == "not-paused" => Resumed::NotPaused(was(&answer)),
            Steered::Done(answer) => Resumed::Done(was(&answer)),
            Steered::Refused(state) if state == "completed" => Resumed::Completed,
            Steered::Refused(state) if state == "active" => Resumed::Running,
            Steered::Refused(_) => Resumed::NoBody,
            Steered::NotFound => Resumed::NotFound,
        })
    }

    /// Pushes failed items of one again; none named = all that failed.
    pub async fn retry_items(
        &self,
        reason: &Reason,
        id: &str,
        items: &[String],
    ) -> Result<RetriedItems, CliError> {
        let remote = match self {
            Self::Redis(session, store) => {
                return store.retry_items(&reason.actor(), id, items).await.map_err(told(session));
            }
            Self::Api(remote) => remote,
        };
        let body = if items.is_empty() { json!({}) } else { json!({"items": items}) };
        Ok(match remote.steer(id, "retry-items", body, Again::Unseen).await? {
            Steered::Done(answer) => RetriedItems::Done(was(&answer), answer["items"].as_u64().unwrap_or(0)),
            Steered::Refused(state) if matches!(state.as_str(), "completed" | "failed") => {
                RetriedItems::NothingFailed
            }
            Steered::Refused(state) => RetriedItems::NotEnded(state, 1),
            Steered::NotFound => RetriedItems::NotFound,
        })
    }

    /// Completes one by force; answers who did it, too.
    pub async fn force_sync_done(&self, reason: &Reason, id: &str) -> Result<(Forced, String), CliError> {
        let Self::Api(remote) = self else { return self.force_done(reason, id).await };
        Ok(match remote.steer(id, "force-done", json!({}), Again::Unseen).await? {
            Steered::Done(answer) => {
                let by = answer["by"].as_str().unwrap_or_default().to_owned();
                let already = answer["outcome"] == "forced-before";
                (if already { Forced::Already } else { Forced::Done(was(&answer)) }, by)
            }
            Steered::Refused(_) => (Forced::Completed, String::new()),
            Steered::NotFound => (Forced::NotFound, String::new()),
        })
    }
}

/// What the API answers to an act on a sync.
enum Steered {
    Done(Value),
    /// Its state does not allow it.
    Refused(String),
    NotFound,
}

impl Remote<'_> {
    async fn steer(&self, id: &str, act: &str, body: Value, again: Again) -> Result<Steered, CliError> {
        let (path, key) = (["syncs", self.name.as_str(), id], new_key());
        let to = [path[0], path[1], path[2], act];
        let body = self.with_reason(body);
        match self.api.write(Method::POST, (&to, &[]), &body, Some(&key), again).await {
            Ok(answer) => Ok(Steered::Done(answer)),
            Err(error) if error.exit() == Exit::NotFound => Ok(Steered::NotFound),
            Err(error) if error.exit() == Exit::Conflict => {
                let page: Option<Value> = absent(self.api.get(&path, &[]).await)?;
                Ok(page.map_or(Steered::NotFound, |page| {
                    Steered::Refused(page["state"].as_str().unwrap_or_default().to_owned())
                }))
            }
            Err(error) => Err(error),
        }
    }
}

fn was(answer: &Value) -> String {
    answer["was"].as_str().unwrap_or_default().to_owned()
}

fn by_state(notes: Vec<(String, String)>) -> BTreeMap<String, Vec<(String, Value)>> {
    let mut items = BTreeMap::<String, Vec<(String, Value)>>::new();
    for (id, note) in notes {
        let mut note: Value = serde_json::from_str(&note).unwrap_or_default();
        if let Value::Object(members) = &mut note {
            members.remove("item");
        }
        let state = note.get("state").and_then(Value::as_str).unwrap_or("unreadable").to_owned();
        items.entry(state).or_default().push((id, note));
    }
    for list in items.values_mut() {
        list.sort_by(|(one, _), (other, _)| one.cmp(other));
    }
    items
}

/// A sync as the API shows it, in the form in which Redis has it.
fn facts_of_api(mut page: Value) -> SyncFacts {
    let hold = Some(page["paused"].take()).filter(Value::is_object);
    let plan = page["plan"].as_object().cloned().map(|mut plan| {
        for (camel, snake) in [("retryBatches", "retry_batches"), ("batchSize", "batch_size")] {
            if let Some(value) = plan.shift_remove(camel) {
                plan.insert(snake.into(), value);
            }
        }
        for count in ["processed", "successful", "failed", "skipped", "retrying", "duplicates", "total"] {
            plan.insert(count.into(), page[count].clone());
        }
        plan.insert("started_at".into(), page["startedAt"].as_i64().unwrap_or(0).into());
        Value::Object(plan)
    });
    let mut items = BTreeMap::<String, Vec<(String, Value)>>::new();
    for item in
        page["items"].as_object().into_iter().flat_map(Map::values).filter_map(Value::as_array).flatten()
    {
        let mut note = item.clone();
        if let Value::Object(members) = &mut note {
            members.retain(|name, value| name != "id" && !value.is_null());
        }
        let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
        items.entry(text("state")).or_default().push((text("id"), note));
    }
    for list in items.values_mut() {
        list.sort_by(|(one, _), (other, _)| one.cmp(other));
    }
    let acts = page["timeline"].as_array().into_iter().flatten().take(ACTS);
    let acts = acts
        .map(|act| {
            let mut act = act.clone();
            if let Value::Object(members) = &mut act {
                members.shift_remove("id");
            }
            for name in ["was", "is"] {
                if act[name].is_null() {
                    act[name] = "".into();
                }
            }
            act
        })
        .collect();
    SyncFacts {
        plan: plan.and_then(|plan| serde_json::from_value(plan).ok()),
        hold,
        items,
        acts,
        record: Record::of_api(page),
    }
}
