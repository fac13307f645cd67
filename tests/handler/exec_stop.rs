//! No process outlives its run.

use std::sync::Arc;
use std::time::Duration;

use bullock::handler::exec::ExecOptions;
use bullock::handler::{Handler as _, WriteError};
use bullock::job::outcome::{Outcome, ReasonClass};

use super::exec::{exec, sh};
use super::support::{Run, Write, failure, finish, job, result, run, until};

/// Tells its own pid and a grandchild's, then works for ever.
const FAMILY: &str = r#"sleep 1000 & echo "{\"log\":\"$$ $!\"}"; wait; sleep 1000"#;

/// Does a process with this pid run (and is no zombie that waits for its parent)?
fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

/// The pids that a process of this run has told, once there are `count`.
async fn pids(run: &Run, count: usize) -> Vec<u32> {
    let told = || -> Vec<u32> {
        let logs = run.record.logs().join(" ");
        logs.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    };
    until("the processes have started", || told().len() == count).await;
    let pids = told();
    assert!(pids.iter().all(|pid| runs(*pid)));
    pids
}

async fn all_gone(pids: &[u32]) {
    until("all processes are gone", || pids.iter().all(|pid| !runs(*pid))).await;
}

fn start(options: ExecOptions, run: &Run) -> tokio::task::JoinHandle<Outcome> {
    tokio::spawn(exec(options).run(Arc::new(job()), run.ctx.clone()))
}

#[tokio::test]
async fn cancelling_ends_the_process_and_its_children() {
    let run = run();
    let running = start(sh(FAMILY), &run);
    let pids = pids(&run, 2).await;
    run.cancel.cancel();
    assert_eq!(failure(running.await.unwrap()).class, ReasonClass::Cancelled);
    assert!(pids.iter().all(|pid| !runs(*pid)), "they are gone before the run has ended");
}

#[tokio::test]
async fn dropping_the_run_ends_the_process_and_its_children() {
    let run = run();
    let running = start(sh(FAMILY), &run);
    let pids = pids(&run, 2).await;
    running.abort();
    all_gone(&pids).await;
}

#[tokio::test]
async fn who_ignores_sigterm_is_killed_after_the_grace() {
    let run = run();
    let stubborn = format!("trap '' TERM; {FAMILY}");
    let options = ExecOptions { kill_grace: Duration::from_millis(300), ..sh(&stubborn) };
    let running = start(options, &run);
    let pids = pids(&run, 2).await;
    run.cancel.cancel();
    failure(running.await.unwrap());
    all_gone(&pids).await;
}

#[tokio::test]
async fn who_ignores_sigterm_is_killed_after_a_dropped_run_too() {
    let run = run();
    let stubborn = format!("trap '' TERM; {FAMILY}");
    let options = ExecOptions { kill_grace: Duration::from_millis(300), ..sh(&stubborn) };
    let running = start(options, &run);
    let pids = pids(&run, 2).await;
    running.abort();
    all_gone(&pids).await;
}

#[tokio::test]
async fn a_process_may_use_its_grace_to_leave_a_checkpoint() {
    let run = run();
    let script = r#"trap 'echo "{\"checkpoint\":{\"page\":9}}"; exit 0' TERM; echo "{\"log\":\"$$\"}"; while :; do sleep 0.05; done"#;
    let running = start(sh(script), &run);
    pids(&run, 1).await;
    run.cancel.cancel();
    failure(running.await.unwrap());
    assert!(
        run.record.writes().contains(&Write::Checkpoint(r#"{"page":9}"#.into())),
        "{:?}",
        run.record.writes()
    );
}

#[tokio::test]
async fn what_a_process_leaves_behind_when_it_ends_is_killed() {
    let run = run();
    let script = r#"sleep 1000 & echo "{\"log\":\"$!\"}"; echo '{"result":1}'"#;
    let outcome = finish(&exec(sh(script)), job(), &run).await;
    assert_eq!(result(outcome), 1);
    let told: Vec<u32> = run.record.logs().iter().map(|line| line.parse().unwrap()).collect();
    assert_eq!(told.len(), 1);
    all_gone(&told).await;
}

#[tokio::test]
async fn a_double_fork_does_not_escape() {
    let run = run();
    let script = r#"(sleep 1000 & echo "{\"log\":\"$!\"}") & wait; echo "{\"log\":\"$$\"}"; sleep 1000"#;
    let running = start(sh(script), &run);
    let pids = pids(&run, 2).await;
    run.cancel.cancel();
    failure(running.await.unwrap());
    all_gone(&pids).await;
}

#[tokio::test]
async fn a_lost_lease_ends_the_process() {
    let run = run();
    run.record.refuse(WriteError::LeaseLost);
    let dir = tempfile::tempdir().unwrap();
    let script = r#"echo $$ > pid; echo '{"progress":1}'; sleep 1000"#;
    let options = ExecOptions { cwd: Some(dir.path().to_owned()), ..sh(script) };
    assert_eq!(finish(&exec(options), job(), &run).await, Outcome::EndedElsewhere);
    let pid = std::fs::read_to_string(dir.path().join("pid")).unwrap().trim().parse().unwrap();
    all_gone(&[pid]).await;
}

#[tokio::test]
async fn an_ended_process_leaves_no_zombie() {
    let run = run();
    let script = r#"echo "{\"log\":\"$$\"}"; exit 1"#;
    failure(finish(&exec(sh(script)), job(), &run).await);
    let pid = &run.record.logs()[0];
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}
