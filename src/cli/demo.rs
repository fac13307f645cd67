//! `bullock demo`: made-up sync jobs on a private Redis, worked by Rust functions. Needs nothing but redis-server.

use std::collections::{BTreeMap, HashMap};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::dev::banner;
use super::error::{CliError, Exit};
use super::run::{end, start};
use super::session::Shared;
use crate::app::{Failure, Launch, Started};
use crate::config::Config;
use crate::config::limits::ADMIN_LISTEN_DEFAULT;
use crate::embedded::{Options, Storage};
use crate::handler::native;
use crate::store::StoreError;
use crate::store::events::{Events, JobEvent};
use crate::worker::HandlerSpec;
use crate::{Context, Job, JobError, Queue};

/// The queue of the demo.
const QUEUE: &str = "shop:sync";
/// Jobs of the demo that fail for good, by name.
const FAILS: &str = "invoices";
/// How often the jobs are looked at besides hearing of them.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A page of items takes so long.
const PAGE: Duration = Duration::from_millis(200);

/// Arguments of `bullock demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// End when all jobs have ended: exit 0 if each ended as it should
    #[arg(long)]
    pub once: bool,
    /// Port of the admin server [default: 7979, or a free one]
    #[arg(long)]
    pub port: Option<u16>,
}

/// Runs it and answers the exit code.
pub async fn run(shared: &Shared, args: Demo) -> Result<ExitCode, CliError> {
    if shared.redis_url.is_some() {
        return Err(CliError::usage("the demo starts a Redis of its own")
            .at("--redis-url")
            .hint("leave it out; your Redis is safe from made-up jobs"));
    }
    let config = match config(args.port) {
        Ok(config) => config,
        Err(problems) => return Ok(end(Err(Failure::problems(&problems)), None)),
    };
    let (out, well) = (shared.output(), Arc::new(AtomicBool::new(false)));
    let (once, told) = (args.once, Arc::clone(&well));
    let launch = Launch {
        private_redis: Options { storage: Storage::Ephemeral, ..Options::default() },
        always_private: true,
        handlers: Some(handlers()),
        on_start: Some(Box::new(move |started: Started| {
            tokio::spawn(async move {
                banner(&started, None);
                match show(&started, &out, once).await {
                    Ok(()) => told.store(true, Ordering::Release),
                    Err(error) => eprintln!("{error}"),
                }
                if once {
                    started.stops.ask();
                }
            });
        })),
        ..Launch::default()
    };
    let code = start(config, launch).await;
    let failed = once && !well.load(Ordering::Acquire);
    Ok(if failed && code == ExitCode::SUCCESS { Exit::Failed.into() } else { code })
}

/// One queue, quiet logs: what counts is told job by job. The handler named here gives way to [`handlers`].
fn config(port: Option<u16>) -> Result<Config, String> {
    let listen = match port {
        Some(port) => format!("127.0.0.1:{port}"),
        None if std::net::TcpListener::bind(ADMIN_LISTEN_DEFAULT).is_ok() => ADMIN_LISTEN_DEFAULT.to_owned(),
        None => "127.0.0.1:0".to_owned(),
    };
    let text = format!(
        "[admin]\nlisten = \"{listen}\"\n[log]\nlevel = \"error\"\n[queues.\"{QUEUE}\"]\nconcurrency = 4\n\
         [queues.\"{QUEUE}\".handlers.\"*\"]\nhttp = \"http://127.0.0.1:9/\"\n"
    );
    Config::from_text("demo", &text, std::iter::empty()).map_err(|problems| problems.to_string())
}

#[derive(serde::Deserialize)]
struct Sync {
    items: u32,
}

fn handlers() -> HashMap<String, HandlerSpec> {
    let spec = |handler: Arc<dyn crate::handler::Handler>| HandlerSpec::new(handler);
    let sync = native::handler(sync_pages);
    let flaky = native::handler(|job: Job<Sync>, ctx: Context| async move {
        if job.attempt() == 1 {
            return Err(JobError::retry("the shop closed the connection"));
        }
        sync_pages(job, ctx).await
    });
    let hopeless = native::handler(|_: Job<Sync>, _: Context| async move {
        tokio::time::sleep(PAGE).await;
        Err::<Value, _>(JobError::permanent("the shop knows no such account"))
    });
    HashMap::from([
        ("*".to_owned(), spec(Arc::new(sync))),
        ("orders".to_owned(), spec(Arc::new(flaky))),
        (FAILS.to_owned(), spec(Arc::new(hopeless))),
    ])
}

/// Counts its items page by page, as a real sync would.
async fn sync_pages(job: Job<Sync>, ctx: Context) -> Result<Value, JobError> {
    let total = job.data.items;
    let mut processed = 0;
    while processed < total {
        tokio::time::sleep(PAGE).await;
        processed = total.min(processed + 50);
        let progress = u64::from(processed) * 100 / u64::from(total.max(1));
        ctx.progress(&json!({ "total": total, "processed": processed, "progress": progress }))
            .await
            .map_err(|error| JobError::retry(error.to_string()))?;
    }
    Ok(json!({ "synced": total }))
}

/// The jobs: (name, data, options) each.
fn jobs() -> Vec<(String, Value, Value)> {
    let mut jobs = vec![("catalogue".to_owned(), json!({ "items": 1000 }), json!({}))];
    for n in 1..=12 {
        jobs.push(("customers".to_owned(), json!({ "items": 40 * n }), json!({})));
    }
    for n in 1..=4 {
        let opts = json!({ "attempts": 3, "backoff": { "type": "fixed", "delay": 1000 } });
        jobs.push(("orders".to_owned(), json!({ "items": 50 * n }), opts));
    }
    jobs.push((FAILS.to_owned(), json!({ "items": 10 }), json!({ "attempts": 3 })));
    jobs.push((FAILS.to_owned(), json!({ "items": 10 }), json!({})));
    jobs.push(("stock".to_owned(), json!({ "items": 30 }), json!({ "delay": 2000 })));
    // Short ids, for people to read.
    for (n, (_, _, opts)) in jobs.iter_mut().enumerate() {
        opts["jobId"] = json!(demo_id(n));
    }
    jobs
}

fn demo_id(n: usize) -> String {
    format!("demo-{}", n + 1)
}

/// Adds the jobs, prints each as it ends, and says whether every one ended as it should.
async fn show(started: &Started, out: &super::output::Output, once: bool) -> Result<(), CliError> {
    let failed = |error: StoreError| CliError::new(Exit::Failed, error.to_string());
    let queue = Queue::open(&started.redis_url, "bull", QUEUE).map_err(failed)?;
    let mut events = Events::subscribe(queue.store()).await.map_err(failed)?;
    let jobs = jobs();
    let mut open: BTreeMap<String, String> =
        jobs.iter().enumerate().map(|(n, (name, ..))| (demo_id(n), name.clone())).collect();
    let all = open.len();
    queue.add_bulk(jobs).await.map_err(failed)?;
    eprintln!("  demo       {all} jobs added; two will fail for good, four need a second attempt");
    eprintln!("  Ctrl-C stops everything and removes it.\n");
    let mut wrong = 0;
    while !open.is_empty() {
        let ended = tokio::select! {
            event = events.next() => match event {
                JobEvent::Progress { .. } => continue,
                JobEvent::Completed { id, .. } | JobEvent::Failed { id, .. } => vec![id],
            },
            // An event may be lost; the job's hash is not.
            () = tokio::time::sleep(LOOK_AGAIN) => open.keys().cloned().collect(),
        };
        for id in ended {
            let Some((job, state)) = queue.store().job(&id).await.map_err(failed)? else { continue };
            if !matches!(state, "completed" | "failed") {
                continue;
            }
            let Some(name) = open.remove(&id) else { continue };
            wrong += u32::from((state == "failed") != (name == FAILS));
            out.line(&line(&id, &name, state, &job))?;
        }
    }
    if wrong > 0 {
        return Err(CliError::new(Exit::Failed, format!("{wrong} of {all} jobs did not end as they should")));
    }
    if !once {
        eprintln!("\n  all {all} jobs ended as they should; add your own with REDIS_URL, or press Ctrl-C");
    }
    Ok(())
}

fn line(id: &str, name: &str, state: &str, job: &crate::wire::hash::JobView) -> String {
    // Bull counts the attempts that failed.
    let attempts = job.attempts_made + i64::from(state == "completed");
    let attempts = if attempts > 1 { format!("  (attempt {attempts})") } else { String::new() };
    let what = match state {
        "completed" => job.returnvalue.to_string(),
        _ => job.failed_reason.clone().unwrap_or_default(),
    };
    format!("{state:<9}  {id:<7}  {name:<9}  {what}{attempts}")
}
