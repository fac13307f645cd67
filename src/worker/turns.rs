//! Keeps the index of waiting jobs by organisation and by the keys of limits, on queues that have any of these.

use std::sync::Arc;
use std::time::Duration;

use super::Queue;
use super::trouble::{self, Trouble};

/// Between two calls while more is left: Redis has others to serve.
const BETWEEN: Duration = Duration::from_millis(1);
/// While nothing is left. Claims put in what is new themselves, up to some number.
const IDLE: Duration = Duration::from_millis(100);

pub(super) async fn run(queue: Arc<Queue>) {
    tokio::select! {
        () = queue.stop.asked() => return,
        () = queue.store.settled() => {}
    }
    let mut trouble = Trouble::of("index");
    let mut said = false;
    while !queue.stop.is_asked() {
        let step = queue.store.index_turns(!said).await;
        said |= step.is_ok();
        let step = step.map(|more| if more { BETWEEN } else { IDLE });
        trouble::rest(&queue, &mut trouble, step).await;
    }
}
