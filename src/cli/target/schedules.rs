//! What comes again.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::QueueAt;
use super::queue::told;
use crate::admin::routes::schedulers::SchedulerItem;
use crate::cli::api::{Again, absent};
use crate::cli::error::{CliError, Exit};
use crate::http::Method;
use crate::job::repeat::occurrence_prefix;
use crate::store::Queue;
use crate::wire::Dialect;

/// Schedulers as the API lists them.
#[derive(Debug, Deserialize)]
pub struct Listed {
    /// Next first.
    pub(crate) items: Vec<SchedulerItem>,
}

impl QueueAt<'_> {
    /// Schedulers, or repeatable jobs, next first; at most 200.
    pub(crate) async fn schedulers(&self) -> Result<Vec<SchedulerItem>, CliError> {
        match self {
            Self::Redis(session, store) => {
                let found = store.repeatables().await.map_err(told(session))?;
                Ok(found.iter().map(|one| SchedulerItem::of(store, one)).collect())
            }
            Self::Api(remote) => Ok(remote.get::<Listed>(&["schedulers"], &[]).await?.items),
        }
    }

    /// Is there one of this id?
    pub async fn has_scheduler(&self, id: &str) -> Result<bool, CliError> {
        match self {
            Self::Redis(session, store) => Ok(store.repeatable(id).await.map_err(told(session))?.is_some()),
            Self::Api(remote) => Ok(absent(remote.get::<Value>(&["schedulers", id], &[]).await)?.is_some()),
        }
    }

    /// Removes one with the job that is delayed for it; false = there is none.
    pub async fn remove_scheduler(&self, id: &str) -> Result<bool, CliError> {
        match self {
            Self::Redis(session, store) => {
                let prefix = match store.dialect() {
                    Dialect::Bull => occurrence_prefix(id),
                    Dialect::BullMq => Some(String::new()),
                };
                let Some(prefix) = prefix else { return Ok(false) };
                store.repeat_remove(id, &prefix).await.map_err(told(session))
            }
            Self::Api(remote) => {
                let sent = remote.send(Method::DELETE, &["schedulers", id], json!({}), Again::Unseen).await;
                Ok(absent::<Value>(sent)?.is_some())
            }
        }
    }

    /// Adds a job as the scheduler would: its id and name. `None` = there is no such scheduler.
    pub async fn run_scheduler(&self, id: &str) -> Result<Option<(String, String)>, CliError> {
        let (session, store) = match self {
            Self::Redis(session, store) => (session, store),
            Self::Api(remote) => {
                let added: Option<Value> = absent(remote.post(&["schedulers", id, "run"], json!({})).await)?;
                let text = |added: &Value, name: &str| added[name].as_str().unwrap_or_default().to_owned();
                return Ok(added.map(|added| (text(&added, "id"), text(&added, "name"))));
            }
        };
        let Some(one) = store.repeatable(id).await.map_err(told(session))? else { return Ok(None) };
        let Some((name, data, opts)) = store.job_of_template(&one).await.map_err(told(session))? else {
            return Err(CliError::new(Exit::Conflict, "cannot run it now")
                .at(self.name())
                .found(id)
                .hint("its next job is not there to be copied: it runs, or is about to. Try again"));
        };
        let added = Queue::on(store.clone()).add(&name, &data, Value::Object(opts)).await;
        added.map(|added| Some((added.id.to_string(), name))).map_err(told(session))
    }

    /// Creates or changes a job scheduler of `BullMQ`; answers the id of its next job.
    pub async fn upsert_scheduler(
        &self,
        id: &str,
        repeat: Map<String, Value>,
        name: Option<&str>,
        (data, opts): (&Value, Map<String, Value>),
    ) -> Result<String, CliError> {
        match self {
            Self::Redis(session, store) => {
                let (repeat, opts) = (Value::Object(repeat), Value::Object(opts));
                let planned = Queue::on(store.clone()).upsert_scheduler(id, &repeat, name, data, opts).await;
                planned.map(|planned| planned.id.to_string()).map_err(told(session))
            }
            Self::Api(remote) => {
                let mut body = repeat;
                body.extend([("data".into(), data.clone()), ("opts".into(), Value::Object(opts))]);
                if let Some(name) = name {
                    body.insert("name".into(), name.into());
                }
                let (path, body) = (["schedulers", id], Value::Object(body));
                let item: SchedulerItem = remote.send(Method::PUT, &path, body, Again::Always).await?;
                Ok(format!("repeat:{id}:{}", item.next))
            }
        }
    }
}
