//! Guards cut out, one at a time, each in a scene of its own: the judge must find it. With the guard in place the same
//! scene must pass, or it would prove nothing.

use std::sync::Arc;
use std::time::Duration;

use bullock::wire::Dialect;
use tokio::time::Instant;

use crate::fleet::LEASE_MS;
use crate::guards::Guard;
use crate::job::Design;
use crate::judge::{Added, Class};
use crate::producers::Producer;
use crate::recorder::now_ms;
use crate::report::Verdict;
use crate::run::{Options, Scene};
use crate::support::wait;

/// Longer than a lease, so that a peer is at work on the job when what was held up arrives.
const WORK_MS: u64 = LEASE_MS * 2;

/// The network of one worker stands still from `hold_ms` of the handler's time on; what the worker says then arrives after
/// its lease, when the other worker runs the job. Both workers are alive all the time.
async fn a_late_word(guard: Option<Guard>, dialect: Dialect, name: &'static str, hold_ms: u64) -> Verdict {
    let options = Options { workers: 2, cut: guard, ..Options::of(1, dialect) };
    let scene = Scene::begin(options.clone()).await;
    let design = Design {
        id: "late".into(),
        name,
        ms: WORK_MS,
        fails: 0,
        attempts: 3,
        backoff_ms: 100,
        delay_ms: 0,
        priority: 0,
    };
    let added: Arc<std::sync::Mutex<Vec<Added>>> = Arc::default();
    let jobs = vec![(Duration::ZERO, design)];
    Producer::ours(&options, &scene.world.networks[options.workers].url())
        .produce(jobs, Instant::now(), Arc::clone(&added))
        .await;
    let first = wait::value("the first run", async || scene.recorder.runs().into_iter().next()).await;
    let token = first.token.unwrap();
    let holder = usize::from(token.starts_with("w1:"));
    let until = first.start + hold_ms.cast_signed();
    tokio::time::sleep(Duration::from_millis((until - now_ms()).max(0) as u64)).await;
    scene.world.networks[holder].hold();
    wait::until("the other worker's run", async || scene.recorder.runs().len() > 1).await;
    scene.world.networks[holder].pass();
    let added = std::mem::take(&mut *added.lock().unwrap());
    scene.end(added).await
}

async fn is_found(guard: Guard, name: &'static str, hold_ms: u64) {
    let found = async |dialect| {
        let (whole, cut) = tokio::join!(
            Box::pin(a_late_word(None, dialect, name, hold_ms)),
            Box::pin(a_late_word(Some(guard), dialect, name, hold_ms)),
        );
        assert!(whole.is_passed(), "{dialect:?}, nothing cut out: {}", whole.summary());
        assert_eq!(
            whole.judgement.rerun,
            1,
            "{dialect:?}: the scene is not what it should be: {}",
            whole.summary()
        );
        assert!(
            cut.judgement.count(Class::StaleWrite) > 0,
            "{dialect:?} without {guard:?} passed: {}",
            cut.summary()
        );
    };
    tokio::join!(found(Dialect::Bull), found(Dialect::BullMq));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_check_cut_out_of_complete_is_found() {
    // Renewed until just before its end: the last word is on its way within the lease.
    is_found(Guard::CompletesByToken, "plain", WORK_MS - 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_check_cut_out_of_progress_is_found() {
    // Progress comes when two thirds are done.
    is_found(Guard::ProgressByToken, "stream", WORK_MS * 2 / 3 - 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_that_does_not_wait_for_the_lease_is_found() {
    let found = async |dialect| {
        let options = Options { ms: 5_000, cut: Some(Guard::OneLease), ..Options::of(3, dialect) };
        let verdict = crate::run::run(options).await;
        let judgement = &verdict.judgement;
        let found = judgement.count(Class::DoubleLease) + judgement.count(Class::Unexplained);
        assert!(found > 0, "{dialect:?} passed: {}", verdict.summary());
    };
    tokio::join!(found(Dialect::Bull), found(Dialect::BullMq));
}
