//! Jobs as Rust functions.

use std::sync::Arc;
use std::time::Duration;

use bullock::handler::native::{self, JobError};
use bullock::handler::{Context, Handler as _, WriteError};
use bullock::job::outcome::{Outcome, ReasonClass};
use bullock::job::{Data, Job};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::support::{Write, failure, finish, job, job_with, result, run};

#[derive(Deserialize)]
struct Page {
    store: String,
    page: u32,
}

#[derive(Serialize)]
struct Done {
    next: u32,
}

async fn sync(job: Job<Page>, ctx: Context) -> Result<Done, JobError> {
    ctx.progress(&50).await?;
    ctx.log(format!("{} attempt {}", job.data.store, job.attempt())).await?;
    ctx.checkpoint(&json!({ "page": job.data.page })).await?;
    Ok(Done { next: job.data.page + 1 })
}

#[tokio::test]
async fn a_function_gets_its_type_and_returns_its_own() {
    let run = run();
    let handler = native::handler(sync);
    assert_eq!(result(finish(&handler, job(), &run).await), json!({ "next": 2 }));
    assert_eq!(
        run.record.writes(),
        [
            Write::Progress("50".into()),
            Write::Log("big.example.com attempt 1".into()),
            Write::Checkpoint(r#"{"page":1}"#.into()),
        ]
    );
    assert_eq!(handler.label(), "rust handler::native::sync");
}

#[tokio::test]
async fn data_of_another_shape_fails_the_job_for_good() {
    let told = failure(finish(&native::handler(sync), job_with(r#"{"store":1}"#), &run()).await);
    assert_eq!((told.class, told.retryable), (ReasonClass::Undecodable, false));
    assert!(told.message.contains("invalid type: integer `1`, expected a string"), "{}", told.message);
}

#[tokio::test]
async fn raw_text_reaches_a_function_that_takes_text() {
    let handler =
        native::handler(|job: Job<String>, _: Context| async move { Ok::<_, String>(job.data.len()) });
    let mut job = job();
    job.data = Data::Text("{not json".into());
    assert_eq!(result(finish(&handler, job, &run()).await), 9);
}

#[tokio::test]
async fn raw_json_is_handed_on_untouched() {
    let handler =
        native::handler(|job: Job<Box<RawValue>>, _: Context| async move { Ok::<_, String>(job.data) });
    match finish(&handler, job(), &run()).await {
        Outcome::Completed(Some(value)) => assert_eq!(value.as_str(), job().data.as_str()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nothing_to_return_is_null() {
    let handler = native::handler(|_: Job<Value>, _: Context| async { Ok::<(), String>(()) });
    assert_eq!(result(finish(&handler, job(), &run()).await), Value::Null);
}

#[tokio::test]
async fn a_panic_is_a_failure_with_its_text() {
    async fn bad(job: Job<Value>, _: Context) -> Result<(), String> {
        assert!(job.data["page"] == 2, "page was {}", job.data["page"]);
        Ok(())
    }
    let told = failure(finish(&native::handler(bad), job(), &run()).await);
    assert_eq!((told.message.as_str(), told.retryable), ("panicked: page was 1", true));
}

#[tokio::test]
async fn a_panic_before_the_future_is_a_failure_too() {
    fn bad(_: Job<Value>, _: Context) -> std::future::Ready<Result<(), String>> {
        panic!("at once")
    }
    assert_eq!(failure(finish(&native::handler(bad), job(), &run()).await).message, "panicked: at once");
}

#[tokio::test]
async fn an_error_of_any_kind_is_its_text() {
    let text = native::handler(|_: Job<Value>, _: Context| async { Err::<(), _>("plain") });
    assert_eq!(failure(finish(&text, job(), &run()).await).message, "plain");
    let chain = native::handler(|_: Job<Value>, _: Context| async {
        Err::<(), _>(anyhow::anyhow!("refused").context("page 3"))
    });
    let told = failure(finish(&chain, job(), &run()).await);
    assert_eq!(told.message, "page 3: refused");
    assert!(told.stack.unwrap().starts_with("Error: page 3"));
    let io = native::handler(|_: Job<Value>, _: Context| async {
        std::fs::read("/no/such/file").map(|bytes| bytes.len())
    });
    assert!(failure(finish(&io, job(), &run()).await).message.contains("No such file"));
}

async fn fails_with(error: JobError) -> Outcome {
    let handler =
        native::handler(move |_: Job<Value>, _: Context| std::future::ready(Err::<(), _>(error.clone())));
    finish(&handler, job(), &run()).await
}

#[tokio::test]
async fn a_job_error_says_what_is_to_become_of_the_job() {
    let minute = Duration::from_mins(1);
    let told = failure(fails_with(JobError::permanent("no such shop")).await);
    assert_eq!((told.message.as_str(), told.retryable), ("no such shop", false));
    let told = failure(fails_with(JobError::retry("busy").after(minute)).await);
    assert_eq!((told.retryable, told.retry_after), (true, Some(minute)));
    let deferred = fails_with(JobError::defer(minute, "night")).await;
    assert_eq!(deferred, Outcome::Deferred { after: minute, why: "night".into() });
    let throttled = fails_with(JobError::throttle(minute, "slow down")).await;
    assert_eq!(throttled, Outcome::Throttled { after: minute, why: "slow down".into() });
}

#[tokio::test]
async fn a_job_error_is_found_within_other_errors() {
    let handler = native::handler(|_: Job<Value>, _: Context| async {
        Err::<(), anyhow::Error>(JobError::permanent("gone").into())
    });
    assert!(!failure(finish(&handler, job(), &run()).await).retryable);
    let handler = native::handler(|_: Job<Value>, _: Context| async {
        Err::<(), Box<dyn std::error::Error + Send + Sync>>(JobError::permanent("gone").into())
    });
    assert!(!failure(finish(&handler, job(), &run()).await).retryable);
    let wrapped = JobError::from(anyhow::Error::from(JobError::permanent("gone")));
    assert!(!failure(fails_with(wrapped).await).retryable);
}

#[tokio::test]
async fn a_lost_lease_is_no_failure() {
    let run = run();
    run.record.refuse(WriteError::LeaseLost);
    assert_eq!(finish(&native::handler(sync), job(), &run).await, Outcome::EndedElsewhere);
    let handler = native::handler(|_: Job<Value>, ctx: Context| async move { ctx.progress(&1).await });
    assert_eq!(finish(&handler, job(), &run).await, Outcome::EndedElsewhere);
    let handler = native::handler(|_: Job<Value>, ctx: Context| async move {
        Ok::<_, anyhow::Error>(ctx.progress(&1).await?)
    });
    assert_eq!(finish(&handler, job(), &run).await, Outcome::EndedElsewhere);
}

#[tokio::test]
async fn one_function_serves_many_jobs_at_once() {
    let barrier = Arc::new(tokio::sync::Barrier::new(3));
    let handler = native::handler(move |_: Job<Value>, _: Context| {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            Ok::<_, String>(1)
        }
    });
    let runs = [run(), run(), run()];
    let (a, b, c) = tokio::join!(
        finish(&handler, job(), &runs[0]),
        finish(&handler, job(), &runs[1]),
        finish(&handler, job(), &runs[2])
    );
    assert_eq!(result(a).as_u64().unwrap() + result(b).as_u64().unwrap() + result(c).as_u64().unwrap(), 3);
}
