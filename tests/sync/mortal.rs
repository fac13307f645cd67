//! A worker that can die: one with a runtime of its own. Dropped, that is as dead as a process that was killed: nothing of it
//! runs on, nothing is handed back.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bullock::Worker;
use bullock::sync::{Sync, SyncOptions};
use bullock::worker::{Builder, HandlerSpec};
use tokio::sync::oneshot;

use crate::shop::Ground;

/// How it ends.
enum End {
    Killed,
    Stopped,
}

pub struct Mortal {
    end: oneshot::Sender<End>,
    thread: JoinHandle<()>,
}

impl Mortal {
    /// Starts it, with short leases.
    pub fn start(ground: &Ground, options: SyncOptions, with: impl FnOnce(Builder) -> Builder) -> Mortal {
        let builder = Worker::builder(ground.redis.url(), &*ground.name).dialect(ground.dialect);
        let builder = builder.lease(Duration::from_millis(600), Duration::from_millis(150));
        let sync = Arc::new(Sync::new(options).unwrap());
        let builder = with(builder.handler_spec("sync", HandlerSpec::new(sync)));
        let (end, ends) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(live(builder, ends));
            runtime.shutdown_background();
        });
        Mortal { end, thread }
    }

    /// `kill -9`.
    pub async fn kill(self) {
        self.end(End::Killed).await;
    }

    /// It hands back what it has, and stops.
    pub async fn stop(self) {
        self.end(End::Stopped).await;
    }

    async fn end(self, how: End) {
        let Mortal { end, thread } = self;
        drop(end.send(how));
        tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
    }
}

async fn live(builder: Builder, mut ends: oneshot::Receiver<End>) {
    let worker = tokio::select! {
        worker = builder.start() => worker.unwrap(),
        _ = &mut ends => return,
    };
    if matches!(ends.await, Ok(End::Stopped)) {
        worker.stop();
        worker.join().await;
    }
}
