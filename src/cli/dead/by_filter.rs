//! Acts on all dead letters that a filter means: oldest first, at a stated rate, as one operation that anybody can go on
//! with.

use std::process::ExitCode;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::act::Task;
use super::by_id;
use super::rate::Pace;
use crate::cli::error::CliError;
use crate::cli::job::act::confirm;
use crate::cli::time::{age, now_ms};
use crate::store::StoreError;
use crate::store::dead::{Cursor, DeadLetter, Filter, Order};
use crate::store::inspect::PAGE_MAX;
use crate::store::replay::{Act, Operation, Replay, Replayed};

/// What was done and what was not, over one run of the command.
#[derive(Default)]
struct Tally {
    done: u64,
    left: u64,
    last_problem: Option<String>,
}

pub(super) async fn run(task: &Task<'_>) -> Result<ExitCode, CliError> {
    let queue = &task.which.queue;
    if task.which.how.dry_run || !task.which.how.yes {
        let now = task.store.time_ms().await.map_err(|error| task.error(error))?;
        let filter = bounded(task, now);
        let count = count(task, &filter).await.map_err(|error| task.error(error))?;
        if task.which.how.dry_run {
            let words = format!("would {} {} of {queue}", task.verb(), letters(count));
            task.session.out.answer(&words, &count.to_string(), &json!({"queue": queue, "would": count}))?;
            return Ok(ExitCode::SUCCESS);
        }
        if count > 0 {
            confirm(false, &format!("{} {} of {queue}", task.verb(), letters(count)))?;
        }
    }
    let begun =
        task.store.begin(task.act, &id_of(task), &task.actor).await.map_err(|error| task.error(error))?;
    let operation = Operation { most: task.which.limit, ..begun };
    if let Some(by) = &operation.begun_by {
        let since = age(operation.began_ms, now_ms());
        task.session.out.note(&format!(
            "going on with what {by} began {since} ago ({} done so far); what failed since then is left for the next time",
            operation.done
        ));
    }
    let tally = go_on(task, &operation).await.map_err(|error| task.error(error))?;
    let in_all = task.store.end(&operation, &task.actor).await.map_err(|error| task.error(error))?;
    let words = format!("{} of {queue} {}", letters(tally.done), task.done_words());
    let answer =
        json!({"queue": queue, "done": tally.done, "left": tally.left, "inAll": in_all.max(tally.done)});
    task.session.out.answer(&words, &tally.done.to_string(), &answer)?;
    if tally.left > 0 {
        let why = tally
            .last_problem
            .unwrap_or_else(|| "they run, have no data, or were taken by somebody else".into());
        task.session.out.note(&format!("{} left behind: {why}", letters(tally.left)));
    }
    Ok(ExitCode::SUCCESS)
}

/// The same question has the same name, whoever asks and whenever.
fn id_of(task: &Task<'_>) -> String {
    let to = task.to.as_ref().map(|keys| keys.queue.to_string());
    let question =
        format!("{:?} {:?} {:?} {:?} {to:?}", task.act, task.which.chosen, task.which.limit, task.set);
    let hash = Sha256::digest(question.as_bytes());
    hash.iter().take(8).fold(format!("{}:", task.verb()), |id, byte| id + &format!("{byte:02x}"))
}

/// The filter, without what failed after `began_ms`.
fn bounded(task: &Task<'_>, began_ms: i64) -> Filter {
    let mut filter = task.which.chosen.filter(began_ms);
    filter.until_ms = Some(filter.until_ms.unwrap_or(began_ms).min(began_ms));
    filter
}

async fn count(task: &Task<'_>, filter: &Filter) -> Result<u64, StoreError> {
    let (mut count, mut after) = (0, None);
    loop {
        let page = task.store.dead(filter, Order::OldestFirst, after, PAGE_MAX, false).await?;
        count += page.jobs.len() as u64;
        if let Some(limit) = task.which.limit.filter(|limit| count >= *limit) {
            return Ok(limit);
        }
        after = page.next;
        if after.is_none() {
            return Ok(count);
        }
    }
}

/// Takes page after page until none is left.
async fn go_on(task: &Task<'_>, operation: &Operation) -> Result<Tally, StoreError> {
    let filter = bounded(task, operation.began_ms);
    let mut tally = Tally::default();
    let mut beat = Pace::new(task.rate);
    let mut after: Option<Cursor> = None;
    loop {
        let page = task.store.dead(&filter, Order::OldestFirst, after, PAGE_MAX, task.reads_jobs()).await?;
        for batch in page.jobs.chunks(task.rate.batch()) {
            beat.turn().await;
            let verdicts = act_on(task, operation, batch, &mut tally).await?;
            let done = verdicts.iter().filter(|verdict| **verdict == Replayed::Done).count();
            tally.done += done as u64;
            beat.spent(done);
            // The script counts: an earlier run of the same operation, and somebody else's beside this one.
            if verdicts.contains(&Replayed::Enough) || task.which.limit == Some(tally.done) {
                return Ok(tally);
            }
            tally.left += (verdicts.len() - done) as u64;
        }
        after = page.next;
        if after.is_none() {
            return Ok(tally);
        }
    }
}

async fn act_on(
    task: &Task<'_>,
    operation: &Operation,
    batch: &[DeadLetter],
    tally: &mut Tally,
) -> Result<Vec<Replayed>, StoreError> {
    match task.act {
        Act::Purge => {
            let ids: Vec<&str> = batch.iter().map(|job| job.id.as_str()).collect();
            task.store.purge(Some(operation), &task.actor, &ids).await
        }
        Act::Replay => {
            let mut jobs = Vec::with_capacity(batch.len());
            for job in batch {
                if !task.reads_jobs() {
                    jobs.push(Replay { id: job.id.clone(), ..Replay::default() });
                    continue;
                }
                match by_id::prepared(task, job).await? {
                    Ok(replay) => jobs.push(replay),
                    Err(problem) => {
                        tally.left += 1;
                        tally.last_problem = Some(format!("job {}: {problem}", job.id));
                    }
                }
            }
            task.store.replay(Some(operation), task.to.as_ref(), &task.actor, &jobs).await
        }
    }
}

fn letters(n: u64) -> String {
    if n == 1 { "1 dead letter".into() } else { format!("{n} dead letters") }
}
