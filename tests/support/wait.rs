//! Waiting for a condition, with a deadline, telling what was waited for.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// A safety net against hangs on a busy machine, not a statement about speed.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Time between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Waits until `probe` says true. Panics with `what` after [`DEADLINE`].
///
/// ```ignore
/// wait::until("the queue to be empty", async || redis.llen("bull:q:wait") == 0).await;
/// ```
pub async fn until<F, Fut>(what: &str, mut probe: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    value_within(DEADLINE, what, || {
        let answer = probe();
        async move { answer.await.then_some(()) }
    })
    .await;
}

/// Waits until `probe` gives a value. Panics with `what` after [`DEADLINE`].
pub async fn value<T, F, Fut>(what: &str, probe: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    value_within(DEADLINE, what, probe).await
}

/// [`value`] with a limit of the caller's.
pub async fn value_within<T, F, Fut>(limit: Duration, what: &str, mut probe: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let started = Instant::now();
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(started.elapsed() < limit, "waited {limit:?} for {what}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
