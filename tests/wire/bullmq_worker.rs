//! What the vectors' workers call, done with our store.

use bullock::job::backoff::Strategies;
use bullock::job::options::Keep;
use bullock::job::outcome::{Failure, Fate, ReasonClass, fate};
use bullock::job::{Job, Options};
use bullock::store::claim::{ClaimRequest, Claimed, Limiter};
use bullock::store::finish::{Completion, FailedRun, HandedBack, Verdict, WaitForChildren};
use bullock::store::run::OPERATOR;
use bullock::wire::{Dialect, bull};
use serde_json::{Value, json};

use super::bullmq::{Step, lane};

const LOCK_MS: u64 = 30_000;
const STALLED_MS: u64 = 30_000;

/// Calls that are not replayed yet: scenario and call.
pub const OPEN: &[(&str, &str)] = &[];

/// Does one step. The answer is compared with the library's unless it is `null`; `None` = no call of this file.
pub async fn act(step: &mut Step<'_>) -> Option<Value> {
    if step.scenario.starts_with("scheduler") && step.call != "complete iteration 1"
        || step.scenario == "legacy-repeatable"
    {
        return None;
    }
    Some(match step.call {
        call if call.starts_with("claim") || call == "parent claimed" || call.starts_with("moveToActive") => {
            claim(step).await
        }
        call if call.starts_with("job.moveToFailed") => fail(step).await,
        call if call.starts_with("job.moveToCompleted") => complete(step).await,
        call if call.contains("fails") || call.contains("failure") || call.starts_with("fail it") => {
            fail(step).await
        }
        "parent is failed with its deferred reason" => fail(step).await,
        call if step.scenario == "complete-errors"
            || step.scenario == "metrics"
            || call.contains("complet") =>
        {
            if call.starts_with("clean") {
                return None;
            }
            complete(step).await
        }
        call if step.scenario.starts_with("stalled") => {
            let _ = call;
            stalled(step).await
        }
        call if step.scenario == "extend-locks" => extend(step, call).await,
        call if call.starts_with("job.moveTo") => hand_back(step, call).await,
        call if call.starts_with("moveToWaitingChildren") => wait_for_children(step).await,
        call if step.scenario == "job-mutations" => mutate(step, call).await,
        _ => return None,
    })
}

/// The queue that a step is about.
fn queue(step: &Step<'_>) -> &'static str {
    if step.scenario.starts_with("flow")
        && step.call.contains("parent")
        && !step.call.contains("goes to wait")
        && !step.call.contains("released")
    {
        "p"
    } else {
        "q"
    }
}

/// The one job that runs in a queue, and its token.
fn running(step: &Step<'_>) -> (String, String) {
    let base = format!("vec:{}:", queue(step));
    let id = step.before[format!("{base}active")]["value"][0].as_str().unwrap_or("1").to_owned();
    let lock = step.before[format!("{base}{id}:lock")]["value"].as_str();
    let token = match step.call {
        call if call.starts_with("wrong token") => "bad",
        _ => lock.unwrap_or("tok"),
    };
    (id, token.to_owned())
}

fn options(step: &Step<'_>, id: &str) -> Options {
    let stored = step.field(&format!("vec:{}:{id}", queue(step)), "opts").unwrap_or("{}");
    Options::parse_bullmq(stored).expect("opts")
}

fn limiter(step: &Step<'_>) -> Option<Limiter> {
    let (max, duration_ms) = match step.scenario {
        "claim-limiter" => (1, 5000),
        "rate-limit-manual" => (10, 1000),
        "limit-precedence" => (5, 1000),
        _ => return None,
    };
    Some(Limiter { max, duration_ms, grouped: false })
}

async fn claim_one(step: &Step<'_>) -> (Claimed, String) {
    let token = step.returns["token"].as_str().unwrap_or("tok").to_owned();
    let tokens = [token.clone()];
    let worker = if step.scenario == "claim-standard" { "w1" } else { "" };
    let limiter = limiter(step);
    let request = ClaimRequest {
        lease_ms: LOCK_MS,
        busy: true,
        worker,
        limiter: limiter.as_ref(),
        tokens: &tokens,
        may_take_suspect: true,
    };
    let claimed = step.store(queue(step)).claim(&lane("claim"), &request).await.expect("claim");
    (claimed, token)
}

async fn claim(step: &Step<'_>) -> Value {
    let (mut claimed, token) = claim_one(step).await;
    let Some(one) = claimed.jobs.pop() else { return Value::Null };
    let job = Dialect::BullMq.decode(&queue(step).into(), one.id, one.fields).expect("a job");
    if step.major == 5
        && let Some(why) = &job.deferred
    {
        // The library's own call goes on to fail the job, and then answers that it got none.
        let opts = options(step, job.id.as_str());
        end_badly(step, &job, &token, &opts, unrecoverable(why)).await;
        return Value::Null;
    }
    json!({"job": job.id.as_str(), "token": token})
}

async fn complete(step: &Step<'_>) -> Value {
    let (id, token) = running(step);
    let opts = options(step, &id);
    let result = match (step.scenario, step.call) {
        ("dedup-simple", _) => Some("\"r\""),
        ("complete-fetch-next", _) => Some(r#"{"ok":true}"#),
        ("complete-drained", _) => None,
        (_, "child C1 completes") => Some(r#"{"r":1}"#),
        (_, "parent completes") => Some("null"),
        (_, call) if call.contains("C2 completes") => Some("\"two\""),
        _ => Some("1"),
    };
    let run = Completion {
        id: &id,
        token: &token,
        result,
        keep: opts.remove_on_complete.unwrap_or(Keep::All),
        debounce_id: None,
        plain_fields: None,
    };
    let points = if step.scenario == "metrics" { 5 } else { 0 };
    let verdicts =
        step.store(queue(step)).complete(&lane("complete"), LOCK_MS, points, &[run]).await.expect("complete");
    if step.scenario == "complete-fetch-next" {
        // The same two transitions; ours are never one script, so that a full memory cannot stop the first.
        let tokens = ["tok".to_owned()];
        let request = ClaimRequest {
            lease_ms: LOCK_MS,
            busy: true,
            worker: "",
            limiter: None,
            tokens: &tokens,
            may_take_suspect: true,
        };
        step.store("q").claim(&lane("claim"), &request).await.expect("claim");
    }
    expect_code(step, verdicts[0]);
    Value::Null
}

/// The verdict is the one that the library's code stands for.
fn expect_code(step: &Step<'_>, verdict: Verdict) {
    let expected = match step.returns["code"].as_i64().unwrap_or(0) {
        0 => Verdict::Done,
        -1 => Verdict::JobGone,
        -2 | -6 => Verdict::LeaseLost,
        -3 => Verdict::NotActive,
        -4 => Verdict::ChildrenPending,
        -9 => Verdict::ChildFailed,
        other => panic!("no verdict for {other}"),
    };
    assert_eq!(verdict, expected, "{}, {}", step.scenario, step.call);
}

fn unrecoverable(why: &str) -> Failure {
    let mut failure = Failure::new(ReasonClass::Error, why).permanent();
    failure.stack = Some(format!("UnrecoverableError: {why}\n    at test"));
    failure
}

async fn fail(step: &Step<'_>) -> Value {
    let (id, token) = running(step);
    let key = format!("vec:{}:{id}", queue(step));
    let opts = options(step, &id);
    let text = match step.call {
        "1st failure" => "one",
        "2nd failure" => "two",
        "3rd failure: final" => "three",
        call if call.starts_with("C1") => "c1",
        _ => "boom",
    };
    let failure = match (step.field(&key, "defa"), step.call) {
        (Some(why), _) => unrecoverable(why),
        (None, call) if call.contains("Unrecoverable") => unrecoverable("no"),
        _ => {
            let mut failure = Failure::new(ReasonClass::Error, text);
            failure.stack = Some(format!("Error: {text}\n    at test"));
            failure
        }
    };
    let told = bullock::wire::bull::ClaimedFields {
        attempts_made: step.field(&key, "atm").map(Into::into),
        stacktrace: step.field(&key, "stacktrace").map(Into::into),
        ..Default::default()
    };
    let job = Dialect::BullMq.decode(&queue(step).into(), id.as_str().into(), told).expect("a job");
    end_badly(step, &job, &token, &opts, failure).await;
    Value::Null
}

async fn end_badly(step: &Step<'_>, job: &Job, token: &str, opts: &Options, failure: Failure) {
    let fate = fate(opts, job.attempt(), &failure, &Strategies::new()).expect("fate");
    let trace = failure.stack_entry();
    let stacktrace = bull::stacktrace_with(job.stacktrace.as_deref(), &trace, opts.stack_trace_limit);
    let run = FailedRun {
        id: job.id.as_str(),
        token,
        fate,
        attempts_made: job.attempt(),
        attempts: opts.attempts,
        spends_attempt: true,
        opts: "{}",
        message: Some(&failure.message),
        stacktrace: &stacktrace,
        keep: if fate == Fate::Bury { opts.remove_on_fail.unwrap_or(Keep::All) } else { Keep::All },
        debounce_id: None,
        lifo: opts.lifo,
        class: "error",
        record: String::new(),
    };
    let verdicts = step.store(queue(step)).fail(&lane("fail"), LOCK_MS, 0, &[run]).await.expect("fail");
    assert_eq!(verdicts, [Verdict::Done], "{}, {}", step.scenario, step.call);
}

async fn hand_back(step: &Step<'_>, call: &str) -> Value {
    let (id, token) = running(step);
    let delay_ms = call.contains("moveToDelayed").then_some(5000);
    let run = HandedBack { id: &id, token: &token, delay_ms, held: false, max_deferrals: None };
    let verdicts = step.store("q").hand_back(&lane("back"), LOCK_MS, 0, &[run]).await.expect("hand back");
    assert_eq!(verdicts, [Verdict::Done]);
    Value::Null
}

async fn wait_for_children(step: &Step<'_>) -> Value {
    let (id, token) = running(step);
    match step.store("q").wait_for_children(&id, &token, None).await.expect("wait for children") {
        WaitForChildren::Moved => json!(true),
        WaitForChildren::NothingPending => json!(false),
        WaitForChildren::Refused(verdict) => panic!("refused: {verdict:?}"),
    }
}

async fn stalled(step: &Step<'_>) -> Value {
    let found = step.store("q").stalled(STALLED_MS, 1).await.expect("stalled");
    assert!(found.failed.is_empty());
    found.recovered.iter().map(|id| Value::String(id.as_str().to_owned())).collect()
}

async fn extend(step: &Step<'_>, call: &str) -> Value {
    let store = step.store("q");
    if call.contains("batch") {
        let ids = ["1", "nope"];
        let lost = store.renew(30_000, &[("1", "tok"), ("nope", "x")]).await.expect("renew").lost;
        return lost.into_iter().map(|at| Value::from(ids[at])).collect();
    }
    let token = if call.contains("wrong") { "wrong" } else { "tok" };
    let lost = store.renew(60_000, &[("1", token)]).await.expect("renew").lost;
    json!(1 - lost.len())
}

async fn mutate(step: &Step<'_>, call: &str) -> Value {
    let store = step.store("q");
    let verdict = match call {
        "updateData" => store.update_data("1", OPERATOR, r#"{"v":2}"#).await,
        "updateProgress(42)" => store.progress("1", OPERATOR, "42").await,
        "updateProgress({pct:50})" => store.progress("1", OPERATOR, r#"{"pct":50}"#).await,
        log => {
            let line = log.split(' ').nth(1).expect("the line").to_owned();
            let keep = options(step, "1").keep_logs.expect("keepLogs");
            store.log("1", OPERATOR, keep, &[line]).await
        }
    };
    assert_eq!(verdict.expect("write"), Verdict::Done);
    Value::Null
}
