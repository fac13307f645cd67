//! The config's schedules: registered when the worker starts; and when an occurrence is due before the one before it has
//! ended, what the config says of that.
//!
//! Owns: when these questions are asked. Must never know: how occurrences are stored. `scheduler` plans the next occurrence.

use std::sync::Arc;
use std::time::Duration;

use super::Queue;
use super::finisher::End;
use super::trouble::{self, jittered};
use crate::job::Job;
use crate::job::outcome::ReturnValue;
use crate::store::StoreError;
use crate::store::actor::Actor;
use crate::store::overlap::{Overlap, Schedule, Turn};

/// How often it is looked whether an occurrence is due that found no slot.
const EVERY: Duration = Duration::from_millis(500);
/// How long an occurrence is put off that waits for those before it.
const PUT_OFF: Duration = Duration::from_secs(1);

/// Registers them, and looks at those that are due until the worker stops.
pub(super) async fn run(queue: Arc<Queue>) {
    tokio::select! {
        () = queue.stop.asked() => return,
        () = queue.store.settled() => {}
    }
    if let Some(schedules) = &queue.schedules {
        register(&queue, schedules).await;
    }
    // One that is queued is asked about when it is claimed.
    let watched: Vec<_> =
        queue.schedules.iter().flatten().filter(|one| one.overlap != Overlap::Queue).collect();
    while !queue.stop.is_asked() && !watched.is_empty() {
        for schedule in &watched {
            let turn = queue.store.turn(schedule, None).await;
            if let (Overlap::Cancel, Ok(Turn::Wait(old))) = (schedule.overlap, turn) {
                // What fails now is done at the next look.
                let _ = cancel(&queue, schedule, &old).await;
            }
        }
        trouble::pause(&queue, EVERY).await;
    }
    queue.stop.asked().await;
}

/// Until Redis has taken them. That there are none is registered, too: those of an earlier config are removed.
async fn register(queue: &Queue, schedules: &[Schedule]) {
    let mut times = 0;
    while !queue.stop.is_asked() {
        let name = &*queue.store.keys().queue;
        let error = match queue.store.keep_schedules(&actor(queue), schedules).await {
            Ok(gone) => {
                for schedule in gone {
                    tracing::warn!(queue = name, schedule, "schedule removed: this config does not name it");
                }
                return;
            }
            Err(error) => error,
        };
        times += 1;
        if times == 1 || !error.is_transient() {
            tracing::error!(queue = name, %error, "the schedules of the config are not registered");
        }
        trouble::pause(queue, jittered(times)).await;
    }
}

/// How a claimed occurrence ends that is not to run now; `None` = it runs.
pub(super) async fn instead_of(queue: &Queue, job: &Job) -> Option<End> {
    let (prefix, _) = job.id.as_str().rsplit_once(':')?;
    let dialect = queue.store.dialect();
    let schedule = queue
        .schedules
        .iter()
        .flatten()
        .find(|one| one.key_and_prefix(dialect).1.strip_suffix(':') == Some(prefix))?;
    match ask(queue, schedule, job).await {
        Ok(Turn::Run) => None,
        Ok(Turn::Skip(running)) => {
            let result = serde_json::json!({"skipped": true, "running": running});
            tracing::info!(queue = &*job.queue, job_id = %job.id, running, "passed over: the one before has not ended");
            Some(End::Completed(ReturnValue::of(&result).ok()))
        }
        Ok(Turn::Wait(before)) => Some(put_off(format!("{} has not ended", before.join(", ")))),
        // Rather late than beside another.
        Err(error) => Some(put_off(error.to_string())),
    }
}

async fn ask(queue: &Queue, schedule: &Schedule, job: &Job) -> Result<Turn, StoreError> {
    let turn = queue.store.turn(schedule, Some(job.id.as_str())).await?;
    if let (Overlap::Cancel, Turn::Wait(old)) = (schedule.overlap, &turn) {
        cancel(queue, schedule, old).await?;
        return queue.store.turn(schedule, Some(job.id.as_str())).await;
    }
    Ok(turn)
}

async fn cancel(queue: &Queue, schedule: &Schedule, old: &[String]) -> Result<(), StoreError> {
    let why = format!("the next one of schedule {} is due", schedule.name);
    let ids: Vec<&str> = old.iter().map(String::as_str).collect();
    queue.store.cancel(&Actor { why, ..actor(queue) }, &ids).await.map(|_| ())
}

fn put_off(why: String) -> End {
    End::HandBack { delay: Some(PUT_OFF), rest: Duration::ZERO, most: None, why }
}

fn actor(queue: &Queue) -> Actor {
    Actor { by: "bullock".into(), from: format!("worker {}", queue.options.name), why: "config".into() }
}
