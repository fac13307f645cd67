//! `bullock demo`.

use nix::sys::signal::Signal;

use crate::program::{Program, run};

#[tokio::test]
async fn once_every_job_has_ended_as_it_should_it_exits_with_0() {
    let ended = run("", &["demo", "--once", "--port", "0"], &[]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    assert!(ended.output.contains("REDIS_URL=redis://"), "{}", ended.output);
    let lines = |state: &str| ended.output.lines().filter(|line| line.starts_with(state)).count();
    assert_eq!((lines("completed"), lines("failed")), (18, 2), "{}", ended.output);
    assert!(ended.output.contains("(attempt 2)"), "{}", ended.output);
}

#[tokio::test]
async fn ctrl_c_ends_it_and_leaves_nothing() {
    let mut program = Program::start("", &["demo", "--port", "0"], &[]);
    program.says("customers").await;
    program.signal(Signal::SIGINT);
    program.signal(Signal::SIGINT);
    let ended = program.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    assert_eq!(std::fs::read_dir(program.dir()).unwrap().count(), 0);
}
