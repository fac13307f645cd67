//! Jobs that go on elsewhere after a 202: their signs of life come by callbacks, to any instance.
//!
//! Owns: the watch over them. Must never know: where callbacks are kept. Called by `answered`; how the job ended
//! is written by whoever takes the callback.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::shown;
use crate::handler::{Context, WriteError};
use crate::job::outcome::{Failure, Outcome, ReasonClass};

/// Bounds of the time between two looks. It begins with the least, so that a short job does not hold its slot for
/// long after its end, and doubles up to a quarter of the heartbeat.
const LOOK_MIN: Duration = Duration::from_millis(250);
const LOOK_MAX: Duration = Duration::from_secs(5);

/// Waits until the job was ended by a callback, or nothing was heard for `heartbeat`.
pub(super) async fn wait(heartbeat: Duration, ctx: &Context) -> Outcome {
    let pause_max = (heartbeat / 4).clamp(LOOK_MIN, LOOK_MAX);
    let mut pause = LOOK_MIN;
    let mut heard = Instant::now();
    loop {
        sleep(pause).await;
        pause = (pause * 2).min(pause_max);
        match ctx.last_callback().await {
            Ok(Some(ago)) => {
                let at = Instant::now().checked_sub(ago).unwrap_or(heard);
                if at > heard {
                    heard = at;
                    ctx.pulse.beat();
                }
            }
            Ok(None) => {}
            Err(WriteError::LeaseLost) => return Outcome::EndedElsewhere,
            // While Redis is away no callback can land, so their absence says nothing.
            Err(error) => {
                tracing::warn!(%error, "cannot look for callbacks");
                heard = Instant::now();
            }
        }
        if heard.elapsed() > heartbeat {
            let text = format!("no heartbeat for {}", shown(heartbeat));
            return Outcome::Failed(Failure::new(ReasonClass::NoProgress, text));
        }
    }
}
