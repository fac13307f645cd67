//! One job: looking at it, adding it, acting on it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::QueueAt;
use super::queue::told;
use crate::cli::actor::Reason;
use crate::cli::api::{Again, Stream, absent, new_key};
use crate::cli::error::{CliError, Exit};
use crate::cli::job::opts;
use crate::cli::job::record::Record;
use crate::cli::session::refusal;
use crate::http::Method;
use crate::job::state::State;
use crate::store::Queue;
use crate::store::cancel::Cancelled;
use crate::store::control::{Removed, Retried};
use crate::store::events::{Events, JobEvent};
use crate::store::force_done::Forced;

/// How often a bulk action is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Most jobs of one bulk action.
const BULK_MAX: usize = 100_000;

/// What became of a job to add.
#[derive(Debug, Clone, Deserialize)]
pub struct Added {
    /// Its id, or that of the job that stands for it.
    pub id: String,
    /// There was such a job: nothing was added.
    #[serde(rename = "duplicate")]
    pub existed: bool,
    /// Remarks on its options.
    pub remarks: Vec<String>,
}

/// What is known of a job beside its hash.
#[derive(Debug)]
pub struct Beside {
    /// Our own record of it, field by field.
    record: Vec<(String, String)>,
    /// What to type to see it in Redis.
    pub keys: Vec<String>,
}

impl Beside {
    /// A field of the record.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.record.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// A field that is JSON; null = it is not there.
    pub fn json(&self, name: &str) -> Value {
        self.text(name).and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
    }

    /// What was noted of each attempt, or death of a worker: its kind, its number and that.
    pub fn noted(&self) -> impl Iterator<Item = (&str, u64, Value)> {
        self.record.iter().filter_map(|(field, value)| {
            let (kind, number) = field.split_once(':')?;
            let noted: Value = serde_json::from_str(value).ok()?;
            let is_one = matches!(kind, "attempt" | "crash") && noted.is_object();
            is_one.then_some((kind, number.parse().ok()?, noted))
        })
    }
}

/// What is told of a queue's jobs. A hint: what counts is the job.
pub enum Changes {
    /// By Redis.
    Redis(Events),
    /// By the server.
    Api(Box<Stream>),
}

impl Changes {
    /// The next event. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<JobEvent, CliError> {
        let stream = match self {
            Self::Redis(events) => return Ok(events.next().await),
            Self::Api(stream) => stream,
        };
        loop {
            let (_, mut event) = stream.next().await?;
            let Some(id) = event["jobId"].as_str().map(str::to_owned) else { continue };
            let mut data = event["data"].take();
            return Ok(match event["type"].as_str() {
                Some("job.progress") if !data["progress"].is_null() => {
                    JobEvent::Progress { id, progress: data["progress"].take() }
                }
                Some("job.completed") => JobEvent::Completed { id, result: data["result"].take() },
                Some("job.failed") => {
                    JobEvent::Failed { id, reason: data["reason"].as_str().map(str::to_owned) }
                }
                _ => continue,
            });
        }
    }
}

impl QueueAt<'_> {
    /// One job; `None` = there is none.
    pub(in crate::cli) async fn record(&self, id: &str) -> Result<Option<Record>, CliError> {
        match self {
            Self::Redis(_, store) if store.is_key_of_queue(id) => Ok(None),
            Self::Redis(session, store) => Record::read(store, id).await.map_err(told(session)),
            Self::Api(remote) => {
                let page: Option<Value> = absent(remote.get(&["jobs", id], &[]).await)?;
                Ok(page.map(Record::of_api))
            }
        }
    }

    /// What is known beside it.
    pub async fn beside(&self, id: &str) -> Result<Beside, CliError> {
        let (session, store) = match self {
            Self::Redis(session, store) => (session, store),
            Self::Api(remote) => {
                let page: Value = remote.get(&["jobs", id], &[("include", "record")]).await?;
                let field =
                    |(field, value): (&String, &Value)| Some((field.clone(), value.as_str()?.to_owned()));
                let record = page["record"].as_object().into_iter().flatten().filter_map(field).collect();
                return Ok(Beside {
                    record,
                    keys: serde_json::from_value(page["keys"].clone()).unwrap_or_default(),
                });
            }
        };
        let (record, keys) = (store.record(id).await.map_err(told(session))?, store.keys());
        let keys = vec![
            format!("HGETALL {}", keys.of(id)),
            format!("GET {}", keys.of(&format!("{id}:lock"))),
            format!("LRANGE {} 0 -1", keys.of(&format!("{id}:logs"))),
            format!("HGETALL {}", keys.extra_of(&format!("job:{id}"))),
        ];
        Ok(Beside { record, keys })
    }

    /// Lines of its log from a number on, and how many there are.
    pub async fn logs(&self, id: &str, from: usize, most: usize) -> Result<(Vec<String>, u64), CliError> {
        match self {
            Self::Redis(session, store) => store.logs(id, from, most).await.map_err(told(session)),
            Self::Api(remote) => {
                let (from, most) = (from.to_string(), most.to_string());
                let query = [("cursor", from.as_str()), ("limit", most.as_str())];
                let page: Value = remote.get(&["jobs", id, "logs"], &query).await?;
                let lines = serde_json::from_value(page["items"].clone()).unwrap_or_default();
                Ok((lines, page["total"].as_u64().unwrap_or(0)))
            }
        }
    }

    /// What is told of its jobs from now on; over the API, of one job if it is named.
    pub async fn changes(&self, job: Option<&str>) -> Result<Changes, CliError> {
        match self {
            Self::Redis(session, store) => {
                Events::subscribe(store).await.map(Changes::Redis).map_err(told(session))
            }
            Self::Api(remote) => {
                let mut query = vec![("queue", remote.name.as_str()), ("type", "job.*")];
                query.extend(job.map(|id| ("job", id)));
                Ok(Changes::Api(Box::new(remote.api.stream(&["events"], &query).await?)))
            }
        }
    }

    /// Checks the options of a job to add, and that the queue may be written to. Answers remarks on the options. Over the API
    /// the server checks when the job comes.
    pub async fn prepare(&self, opts: &Map<String, Value>) -> Result<Vec<String>, CliError> {
        let Self::Redis(session, store) = self else { return Ok(Vec::new()) };
        let remarks = opts::check(opts, store.dialect())?;
        let opened = store.open().await.map_err(told(session))?;
        opened.refusal().map_or(Ok(remarks), |why| Err(refusal(self.name(), why)))
    }

    /// Adds a job that [`QueueAt::prepare`] has passed.
    pub async fn add(&self, name: &str, data: &Value, opts: Map<String, Value>) -> Result<Added, CliError> {
        let remote = match self {
            Self::Redis(session, store) => {
                let added = Queue::on(store.clone()).add(name, data, Value::Object(opts)).await;
                let added = added.map_err(told(session))?;
                return Ok(Added { id: added.id.to_string(), existed: added.existed, remarks: Vec::new() });
            }
            Self::Api(remote) => remote,
        };
        // The key becomes the job's id. One that repeats, or that another job may stand for, has an id of another kind.
        let own =
            ["jobId", "repeat", "debounce", "deduplication"].iter().all(|name| !opts.contains_key(*name));
        let key = new_key();
        let query = remote.dialect.map(|dialect| ("dialect", dialect.as_str()));
        let (path, body) = (remote.path(&["jobs"]), json!({"name": name, "data": data, "opts": opts}));
        let (key, again) = if own { (Some(key.as_str()), Again::Always) } else { (None, Again::Unseen) };
        let place = (path.as_slice(), query.as_slice());
        let mut added: Added = remote.api.write(Method::POST, place, &body, key, again).await?;
        // Nobody else knows the key: what was there is what an earlier try of ours has added.
        added.existed &= !own;
        Ok(added)
    }

    /// Puts a failed job back in line; false = it is none.
    pub async fn retry(&self, token: &str, id: &str) -> Result<bool, CliError> {
        match self {
            Self::Redis(session, store) => {
                Ok(store.retry(token, id, false).await.map_err(told(session))? == Retried::Done)
            }
            // A server takes completed jobs of BullMQ, too.
            Self::Api(_) if self.record(id).await?.is_none_or(|job| job.state != Some(State::Failed)) => {
                Ok(false)
            }
            Self::Api(_) => self.act(Method::POST, &["jobs", id, "retry"]).await,
        }
    }

    /// Runs a delayed job now; false = it is none.
    pub async fn promote(&self, token: &str, id: &str) -> Result<bool, CliError> {
        match self {
            Self::Redis(session, store) => store.promote_job(token, id).await.map_err(told(session)),
            Self::Api(_) => self.act(Method::POST, &["jobs", id, "promote"]).await,
        }
    }

    /// Removes a job; false = it runs, or is not there.
    pub async fn remove(&self, id: &str) -> Result<bool, CliError> {
        match self {
            Self::Redis(session, store) => {
                let removed = store.remove(&[id], true).await.map_err(told(session))?;
                Ok(removed.first() == Some(&Removed::Done))
            }
            Self::Api(_) => self.act(Method::DELETE, &["jobs", id]).await,
        }
    }

    /// An act of the API that the job's state may not allow.
    async fn act(&self, method: Method, below: &[&str]) -> Result<bool, CliError> {
        let Self::Api(remote) = self else { return Ok(false) };
        match remote.send::<Value>(method, below, json!({}), Again::Unseen).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.exit(), Exit::Conflict | Exit::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Puts failed jobs back in line, oldest first, at most so many; how many that were.
    pub async fn retry_all(&self, most: usize) -> Result<usize, CliError> {
        let remote = match self {
            Self::Redis(session, store) => return store.retry_all(most).await.map_err(told(session)),
            Self::Api(remote) => remote,
        };
        let body = json!({"action": "retry", "limit": most.min(BULK_MAX)});
        let mut operation: Value = remote.post(&["bulk"], body).await?;
        let id = operation["id"].as_str().unwrap_or_default().to_owned();
        while operation["status"] == "running" {
            tokio::time::sleep(LOOK_AGAIN).await;
            operation = remote.api.get(&["operations", &id], &[]).await?;
        }
        match operation["problem"].as_str() {
            Some(problem) => {
                Err(CliError::new(Exit::Failed, "not all are retried").at(&remote.name).found(problem))
            }
            None => Ok(operation["done"].as_u64().unwrap_or(0) as usize),
        }
    }

    /// Cancels; with `kill`, what runs gets no grace.
    pub async fn cancel(&self, reason: &Reason, id: &str, kill: bool) -> Result<Cancelled, CliError> {
        let remote = match self {
            Self::Redis(session, store) => {
                let (actor, ids) = (reason.actor(), [id]);
                let sent =
                    if kill { store.kill(&actor, &ids).await } else { store.cancel(&actor, &ids).await };
                return Ok(sent.map_err(told(session))?.first().copied().unwrap_or(Cancelled::NotFound));
            }
            Self::Api(remote) => remote,
        };
        let act = if kill { "kill" } else { "cancel" };
        let outcome = match remote.post::<Value>(&["jobs", id, act], json!({})).await {
            Ok(answer) => answer["outcome"].as_str().unwrap_or_default().to_owned(),
            Err(error) if error.exit() == Exit::NotFound => return Ok(Cancelled::NotFound),
            Err(error) if error.exit() == Exit::Conflict => {
                return Ok(match self.record(id).await?.map(|job| job.state) {
                    None => Cancelled::NotFound,
                    Some(Some(State::Completed)) => Cancelled::Completed,
                    Some(Some(State::Failed)) => Cancelled::Failed,
                    Some(Some(_)) => Cancelled::Planned,
                    Some(None) => Cancelled::Stuck,
                });
            }
            Err(error) => return Err(error),
        };
        Ok(match outcome.as_str() {
            "cancelled-before" => Cancelled::Before,
            "told" => Cancelled::Told,
            "told-before" => Cancelled::ToldBefore,
            "marked" => Cancelled::Marked,
            _ => Cancelled::Done,
        })
    }

    /// Completes a job by force; answers who did it, too.
    pub async fn force_done(&self, reason: &Reason, id: &str) -> Result<(Forced, String), CliError> {
        let remote = match self {
            Self::Redis(_, store) if store.is_key_of_queue(id) => {
                return Ok((Forced::NotFound, String::new()));
            }
            Self::Redis(session, store) => {
                let actor = reason.actor();
                let forced = store.force_done(&actor, id).await.map_err(told(session))?;
                return Ok((forced, actor.by));
            }
            Self::Api(remote) => remote,
        };
        match remote.post::<Value>(&["jobs", id, "force-done"], json!({})).await {
            Ok(answer) => {
                let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
                let forced = match answer["outcome"].as_str() {
                    Some("forced-before") => Forced::Already,
                    _ => Forced::Done(text("was")),
                };
                Ok((forced, text("by")))
            }
            Err(error) if error.exit() == Exit::NotFound => Ok((Forced::NotFound, String::new())),
            Err(error) if error.exit() == Exit::Conflict => Ok((Forced::Completed, String::new())),
            Err(error) => Err(error),
        }
    }
}
