//! Jobs as subprocesses: what they are told, and what their end means.

use std::time::Duration;

use bullock::handler::Handler as _;
use bullock::handler::exec::{ExecHandler, ExecOptions};
use bullock::handler::idempotency;
use bullock::job::JobId;
use bullock::job::outcome::{Outcome, ReasonClass};
use serde_json::{Value, json, value::RawValue};

use super::support::{Write, failure, finish, job, job_with, result, run};

pub(crate) fn exec(options: ExecOptions) -> ExecHandler {
    ExecHandler::new(options).unwrap()
}

/// A shell script as the handler. The shell is ours here, as a program like any other.
pub(crate) fn sh(script: &str) -> ExecOptions {
    ExecOptions::new(["sh", "-c", script])
}

async fn outcome(script: &str) -> Outcome {
    finish(&exec(sh(script)), job(), &run()).await
}

#[tokio::test]
async fn the_job_comes_as_one_line_of_json_on_stdin() {
    let mut job = job();
    job.checkpoint = Some(RawValue::from_string(r#"{"page":4}"#.into()).unwrap());
    let data = job.data.as_str().to_owned();
    let handler =
        exec(sh(r#"IFS= read -r line; printf '{"result":%s}\n' "$line"; if read -r more; then exit 9; fi"#));
    match finish(&handler, job, &run()).await {
        Outcome::Completed(Some(value)) => {
            assert!(value.as_str().contains(&format!("\"data\":{data}")), "{value:?}");
            let value: Value = serde_json::from_str(value.as_str()).unwrap();
            assert_eq!(
                (&value["queue"], &value["id"], &value["name"]),
                (&json!("woo:customers"), &json!("20"), &json!("sync"))
            );
            assert_eq!((&value["attempt"], &value["progress"]), (&json!(1), &Value::Null));
            assert_eq!(value["opts"]["attempts"], 3);
            assert_eq!(value["checkpoint"]["page"], 4);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn data_that_was_written_over_several_lines_still_comes_as_one() {
    let data = "{\r\n  \"text\": \"a\\nb\"\n}\n";
    let handler = exec(sh(r#"IFS= read -r line; printf '{"result":%s}\n' "$line""#));
    let told = result(finish(&handler, job_with(data.trim()), &run()).await);
    assert_eq!(told["data"]["text"], "a\nb");
}

#[tokio::test]
async fn a_node_script_tells_progress_and_its_result() {
    let script = "
        let text = '';
        process.stdin.on('data', (part) => { text += part; }).on('end', () => {
            const job = JSON.parse(text);
            const say = (line) => console.log(JSON.stringify(line));
            say({ progress: 50 });
            say({ log: `page ${job.data.page}` });
            say({ checkpoint: { page: 2 } });
            console.error('to stderr');
            say({ result: { store: job.data.store } });
        });";
    let run = run();
    let told = finish(&exec(ExecOptions::new(["node", "-e", script])), job(), &run).await;
    assert_eq!(result(told), json!({ "store": "big.example.com" }));
    let mut writes = run.record.writes();
    let stderr = Write::Log("to stderr".into());
    assert!(writes.contains(&stderr));
    writes.retain(|write| *write != stderr);
    let said = [
        Write::Progress("50".into()),
        Write::Log("page 1".into()),
        Write::Checkpoint(r#"{"page":2}"#.into()),
    ];
    assert_eq!(writes, said);
}

#[tokio::test]
async fn the_environment_is_cleared() {
    let run = run();
    let handler = exec(ExecOptions { env: vec!["PATH".into()], ..sh("env >&2; cat >/dev/null") });
    result(finish(&handler, job(), &run).await);
    let key = idempotency::key(&run.ctx.run, &job());
    let mut seen = run.record.logs();
    // The shell's own.
    seen.retain(|line| !["PWD=", "SHLVL=", "_=", "OLDPWD="].iter().any(|own| line.starts_with(own)));
    seen.sort();
    let mut expected = vec![
        format!("IDEMPOTENCY_KEY={key}"),
        "JOB_ATTEMPT=1".into(),
        "JOB_ID=20".into(),
        "JOB_NAME=sync".into(),
        "JOB_QUEUE=woo:customers".into(),
        format!("PATH={}", std::env::var("PATH").unwrap()),
    ];
    expected.sort();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn no_result_line_is_null() {
    assert_eq!(result(outcome("exit 0").await), Value::Null);
    assert_eq!(result(outcome(r#"echo '{"progress":1}'"#).await), Value::Null);
    assert_eq!(result(outcome(r#"printf '{"result":7}'"#).await), 7);
}

#[tokio::test]
async fn the_exit_status_says_whether_to_try_again() {
    for (script, message, retryable) in [
        ("exit 1", "exit status 1", true),
        ("exit 65", "exit status 65", false),
        ("exit 75", "exit status 75", true),
        ("echo oh no >&2; exit 3", "exit status 3: oh no", true),
        (r#"echo '{"result":1}'; exit 2"#, "exit status 2", true),
        (r#"echo '{"error":"bad shop"}'; exit 1"#, "bad shop", true),
        (r#"echo '{"error":{"message":"bad shop"}}'; exit 65"#, "bad shop", false),
        (r#"echo '{"error":{"message":"bad shop","retryable":false}}'; exit 1"#, "bad shop", false),
        (r#"echo '{"error":"bad shop"}'"#, "bad shop", true),
        ("kill -9 $$", "killed by SIGKILL", true),
        ("kill -SEGV $$", "killed by SIGSEGV", true),
    ] {
        let told = failure(outcome(script).await);
        assert_eq!((told.message.as_str(), told.retryable), (message, retryable), "{script}");
        assert_eq!(told.class, ReasonClass::Error);
        assert!(told.stack.unwrap().starts_with(&format!("Error: {message}")), "{script}");
    }
}

#[tokio::test]
async fn an_exception_in_node_is_told_by_its_own_words() {
    let handler = exec(ExecOptions::new(["node", "-e", "throw new TypeError('no such shop')"]));
    let told = failure(finish(&handler, job(), &run()).await);
    assert_eq!(told.message, "exit status 1: TypeError: no such shop");
    assert!(told.stack.unwrap().contains("    at "), "the stack is the process's own");
}

#[tokio::test]
async fn stdout_that_is_not_ndjson_is_a_retryable_failure() {
    let told = failure(outcome("echo hello; sleep 60").await);
    assert!(told.retryable);
    assert!(
        told.message.starts_with("bad NDJSON from stdout: line 1 is not a JSON object"),
        "{}",
        told.message
    );
    assert!(failure(outcome("printf '{\"result\":'").await).message.starts_with("bad NDJSON"));
}

#[tokio::test]
async fn half_a_line_of_a_killed_process_is_not_the_story() {
    assert_eq!(failure(outcome("printf '{\"result\":'; kill -9 $$").await).message, "killed by SIGKILL");
}

#[tokio::test]
async fn stderr_is_bounded_and_its_end_is_kept() {
    let run = run();
    let script = "i=0; while [ $i -lt 1500 ]; do echo line $i >&2; i=$((i+1)); done; exit 1";
    let told = failure(finish(&exec(sh(script)), job(), &run).await);
    let logs = run.record.logs();
    assert_eq!(logs.len(), 1001);
    assert_eq!(
        (logs[999].as_str(), logs[1000].as_str()),
        ("line 999", "stderr has more than 1000 lines: no more are kept")
    );
    assert_eq!(told.message, "exit status 1: line 1499");
    assert!(told.stack.unwrap().ends_with("line 1498\nline 1499"));
}

#[tokio::test]
async fn a_long_line_of_stderr_is_cut() {
    let run = run();
    let script = "head -c 100000 /dev/zero | tr '\\0' x >&2; echo >&2; echo next >&2";
    result(finish(&exec(sh(script)), job(), &run).await);
    let logs = run.record.logs();
    assert_eq!((logs[0].chars().count(), logs[0].ends_with('…'), logs[1].as_str()), (4097, true, "next"));
}

#[tokio::test]
async fn a_process_that_does_not_read_its_job_is_no_error() {
    let data = format!("\"{}\"", "x".repeat(1 << 20));
    let handler = exec(sh("exec <&-; echo '{\"result\":1}'"));
    assert_eq!(result(finish(&handler, job_with(&data), &run()).await), 1);
}

#[tokio::test]
async fn a_large_job_and_a_large_answer_do_not_wait_for_each_other() {
    let data = format!("\"{}\"", "x".repeat(900_000));
    let handler = exec(sh(r#"printf '{"result":'; cat | tr -d '\n'; echo '}'"#));
    let told = result(finish(&handler, job_with(&data), &run()).await);
    assert_eq!(told["data"].as_str().unwrap().len(), 900_000);
}

#[tokio::test]
async fn nothing_of_a_job_is_read_by_a_shell() {
    let dir = tempfile::tempdir().unwrap();
    let mut job = job_with(r#"{"x":"; touch pwned; $(touch pwned) `touch pwned` \n -rf"}"#);
    let nasty = "--help; touch pwned $(touch pwned) `touch pwned`";
    job.id = JobId::from(nasty);
    let script = r#"cat >/dev/null; printf '{"log":"%s"}\n' "$#"; printf '%s' "$2" >&2; echo "$JOB_ID" >&2"#;
    let options = ExecOptions {
        cwd: Some(dir.path().to_owned()),
        ..ExecOptions::new(["sh", "-c", script, "sh", "--", "{{id}}"])
    };
    let run = run();
    result(finish(&exec(options), job, &run).await);
    let logs = run.record.logs();
    assert!(logs.contains(&"2".to_owned()), "{logs:?}");
    assert!(logs.contains(&format!("{nasty}{nasty}")), "{logs:?}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn an_id_with_line_breaks_cannot_be_an_argument() {
    let mut job = job();
    job.id = JobId::from("a\nb");
    let handler = exec(ExecOptions::new(["sh", "-c", "exit 0", "--", "{{id}}"]));
    let told = failure(finish(&handler, job, &run()).await);
    assert!(!told.retryable && told.message.contains("cannot be an argument"), "{}", told.message);
}

#[tokio::test]
async fn a_program_that_is_gone_is_tried_again_later() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("job.sh");
    std::fs::write(&file, "#!/bin/sh\nexit 0\n").unwrap();
    let mut permissions = std::fs::metadata(&file).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
    std::fs::set_permissions(&file, permissions).unwrap();
    let handler = exec(ExecOptions { cwd: Some(dir.path().to_owned()), ..ExecOptions::new(["./job.sh"]) });
    assert_eq!(handler.label(), "exec job.sh");
    assert_eq!(result(finish(&handler, job(), &run()).await), Value::Null);
    std::fs::remove_file(&file).unwrap();
    let told = failure(finish(&handler, job(), &run()).await);
    assert!(told.retryable && told.message.contains("job.sh does not exist"), "{}", told.message);
}

#[tokio::test]
async fn a_silent_process_ends_only_where_a_heartbeat_is_configured() {
    let options = ExecOptions { heartbeat: Some(Duration::from_millis(300)), ..sh("sleep 60") };
    let told = failure(finish(&exec(options), job(), &run()).await);
    assert_eq!((told.message.as_str(), told.class), ("no heartbeat for 0.3 s", ReasonClass::NoProgress));
    let talking = ExecOptions {
        heartbeat: Some(Duration::from_secs(2)),
        ..sh("for i in 1 2 3 4 5 6; do sleep 0.5; echo; done")
    };
    assert_eq!(result(finish(&exec(talking), job(), &run()).await), Value::Null);
}
