//! The producer's door for Rust programs: adds jobs as npm `bull` and `bullmq` do.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::actor::Actor;
use super::adder::{Adder, add_all};
use super::connection::RESPONSE_TIMEOUT;
use super::enqueue::Enqueued;
use super::sync::start::{Start, Started};
use super::{Connection, Scripts, Store, StoreError};
use crate::job::JobId;
use crate::job::cron::Zone;
use crate::job::repeat;
use crate::wire::{Dialect, Keys, NewJob};

/// A queue to add jobs to.
///
/// Every job gets an id from here (a UUID v7 unless `jobId` is given), so that a request sent twice because its reply
/// was lost adds one job.
///
/// ```no_run
/// # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
/// use serde_json::json;
/// let queue = bullock::Queue::open("redis://127.0.0.1:6379", "bull", "mail")?;
/// let job = queue.add("welcome", &json!({"to": "a@example.com"}), json!({"attempts": 3})).await?;
/// println!("added {}", job.id);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Queue {
    store: Store,
    /// Names this producer in events.
    token: Arc<str>,
    /// Adds of all clones go out together.
    adder: Adder,
}

impl Queue {
    /// A Bull 4 queue by URL, prefix and name. Connects with the first command.
    pub fn open(redis_url: &str, prefix: &str, queue: &str) -> Result<Self, StoreError> {
        Self::open_as(Dialect::Bull, redis_url, prefix, queue)
    }

    /// The same for a queue of either dialect. What a producer writes is the same for both, but for the names of the
    /// options, which are those of npm `bull` and of npm `bullmq`.
    pub fn open_as(dialect: Dialect, redis_url: &str, prefix: &str, queue: &str) -> Result<Self, StoreError> {
        if dialect == Dialect::BullMq && queue.contains(':') {
            return Err(StoreError::Invalid(format!(
                "queue \"{queue}\": a BullMQ queue's name has no colon"
            )));
        }
        let connection = Connection::new(redis_url, None, RESPONSE_TIMEOUT)?;
        Ok(Self::on(Store::new(connection, Keys::new(prefix, queue), Arc::new(Scripts::of(dialect)))))
    }

    /// A queue on a store that exists.
    pub fn on(store: Store) -> Self {
        Self { store, token: uuid::Uuid::new_v4().to_string().into(), adder: Adder::default() }
    }

    /// The same queue, whose adds wait until so many replicas have the job; 0 = they do not wait.
    ///
    /// An add that too few replicas confirm in time ends with [`StoreError::Unconfirmed`]: the job is written, and a
    /// failover may still lose it. Adding it again under the id of the error asks the replicas again, and adds no second
    /// one.
    #[must_use]
    pub fn wait_replicas(self, replicas: u32) -> Self {
        Self { store: self.store.with_replicas(replicas), adder: Adder::default(), ..self }
    }

    /// The store beneath.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Names this producer in events.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    fn encode(&self, name: &str, data: &Value, opts: Value) -> Result<NewJob, StoreError> {
        match self.store.scripts.dialect() {
            Dialect::Bull => encode_bull(name, data, opts),
            Dialect::BullMq => encode_bullmq(name, data, opts),
        }
    }

    /// Adds a job. `opts` are npm `bull`'s or `bullmq`'s, as JSON. An id that exists is not added again; the answer says
    /// so. With `repeat`, a Bull 4 queue registers a repeatable job and adds its first occurrence; patterns without `tz`
    /// are read in the zone of this process, as Node does.
    pub async fn add(
        &self,
        name: &str,
        data: &impl serde::Serialize,
        opts: Value,
    ) -> Result<Enqueued, StoreError> {
        let data = serde_json::to_value(data).map_err(|error| StoreError::Invalid(error.to_string()))?;
        let is_bull = self.store.scripts.dialect() == Dialect::Bull;
        if is_bull && opts.get("repeat").is_some_and(Value::is_object) {
            return self.add_repeatable(name, &data, &opts).await;
        }
        self.adder.add(&self.store, &self.token, self.encode(name, &data, opts)?).await?.accepted()
    }

    /// Starts a sync: adds a job as [`Queue::add`] does, unless the one that is meant is there
    /// ([`Store::start_sync`]).
    ///
    /// # Errors
    /// A name or options that cannot be; and those of every call.
    pub async fn start_sync(
        &self,
        actor: &Actor,
        start: &Start<'_>,
        name: &str,
        data: &Value,
        opts: Value,
    ) -> Result<Started, StoreError> {
        self.store.start_sync(actor, start, &self.encode(name, data, opts)?).await
    }

    async fn add_repeatable(&self, name: &str, data: &Value, opts: &Value) -> Result<Enqueued, StoreError> {
        let now_ms = self.store.time_ms().await?;
        let next = repeat::first(name, None, opts, now_ms, Zone::Local)
            .map_err(|error| StoreError::Invalid(error.to_string()))?
            .ok_or_else(|| StoreError::Invalid("repeat: its limit or endDate leaves no occurrence".into()))?;
        let data = NewJob::bull(name, data, Map::new()).data;
        let job = NewJob::occurrence(name, &data, &next);
        // Sent again after a lost reply it finds the occurrence, whose id is made of its due time.
        for last in [false, true] {
            match self.store.repeat(&self.token, None, &next.key, next.due_text(), &job).await {
                Ok(Some(added)) => return Ok(added),
                Err(StoreError::Unavailable(_)) if !last => {}
                Err(error) => return Err(error),
                Ok(None) => break,
            }
        }
        Err(StoreError::Protocol("repeat answered nothing".into()))
    }

    /// Adds many jobs in order, in as few calls as possible: (name, data, opts) each. As in Bull, `repeat` is not
    /// honoured here: such a job runs once.
    ///
    /// # Errors
    ///
    /// A job that cannot be the child of the parent it names (`BullMQ`) is an error after the others were added; sending
    /// all of them again adds none twice.
    pub async fn add_bulk(&self, jobs: Vec<(String, Value, Value)>) -> Result<Vec<Enqueued>, StoreError> {
        let jobs: Vec<NewJob> = jobs
            .into_iter()
            .map(|(name, data, opts)| self.encode(&name, &data, opts))
            .collect::<Result<_, _>>()?;
        add_all(&self.store, &self.token, &jobs).await?.into_iter().map(Enqueued::accepted).collect()
    }
}

/// Encodes a job, with an id of ours unless one is given. An id that would harm the queue is refused: nothing is sent.
fn encode_bull(name: &str, data: &Value, opts: Value) -> Result<NewJob, StoreError> {
    let mut opts = match opts {
        Value::Object(opts) => opts,
        _ => Map::new(),
    };
    match opts.get("jobId") {
        None | Some(Value::Null) => {
            opts.insert("jobId".into(), uuid::Uuid::now_v7().to_string().into());
        }
        Some(Value::String(id)) => {
            JobId::checked(id).map_err(StoreError::Invalid)?;
        }
        Some(other) => return Err(StoreError::Invalid(format!("job id {other}: expected text"))),
    }
    Ok(NewJob::bull(name, data, opts))
}

fn encode_bullmq(name: &str, data: &Value, opts: Value) -> Result<NewJob, StoreError> {
    let opts = match opts {
        Value::Object(opts) => opts,
        _ => Map::new(),
    };
    let mut job = NewJob::bullmq(name, data, opts).map_err(StoreError::Invalid)?;
    job.id.get_or_insert_with(|| uuid::Uuid::now_v7().to_string());
    Ok(job)
}
