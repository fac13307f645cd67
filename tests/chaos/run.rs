//! One run of chaos, from the first process to the judgement.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bullock::wire::Dialect;
use tokio::time::Instant;

use crate::backend::Backend;
use crate::faults;
use crate::fleet::{LEASE_MS, Place};
use crate::guards::Guard;
use crate::job::Design;
use crate::judge::{Added, History, judge};
use crate::producers::Producer;
use crate::recorder::{Recorder, now_ms};
use crate::report::Verdict;
use crate::scan;
use crate::schedule::{Frame, Planned, schedule};
use crate::world::{World, world};

/// The queue of every run.
pub(crate) const QUEUE: &str = "chaos";
/// Jobs a second, unless the number of jobs is given.
const JOBS_PER_SECOND: u64 = 12;
/// After the last fault everything must have come to its end by then.
const DRAIN_LIMIT: Duration = Duration::from_secs(90);
/// The same without a guard: its jobs need not all come to an end, and then are found as lost.
const DRAIN_LIMIT_CUT: Duration = Duration::from_secs(15);
const SUPERVISOR_LOOKS: Duration = Duration::from_millis(250);
/// With workers of npm `bull` or `bullmq`, whose stalled check our own 30 s keep back: lifted this often.
const LIFT_GUARD: Duration = Duration::from_secs(1);

/// What a run is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub seed: u64,
    /// How long faults happen and jobs are added.
    pub ms: u64,
    pub dialect: Dialect,
    /// Every other worker is Node's.
    pub mixed: bool,
    pub workers: usize,
    /// 0 = so many a second.
    pub jobs: u64,
    /// Our workers are of this build instead of the one that was just made.
    pub binary: Option<PathBuf>,
    /// Another Bullock, which half of our workers are of: a rolling upgrade.
    pub other_binary: Option<PathBuf>,
    /// The server is a master with a replica, watched by sentinels, and failovers are among the faults.
    pub sentinel: bool,
    /// Adds and ends wait for so many replicas.
    pub wait_replicas: u32,
    /// Our workers bury a job that crashed so often as they do by default; else hardly ever.
    pub default_crash_limit: bool,
    /// Cut out of the scripts of all workers.
    pub cut: Option<Guard>,
    /// Where the files go; else into a temporary directory.
    pub keep: Option<PathBuf>,
}

impl Options {
    /// Four workers of ours for half a minute.
    pub(crate) fn of(seed: u64, dialect: Dialect) -> Options {
        Options {
            seed,
            ms: 30_000,
            dialect,
            mixed: false,
            workers: 4,
            jobs: 0,
            binary: None,
            other_binary: None,
            sentinel: false,
            wait_replicas: 0,
            default_crash_limit: false,
            cut: None,
            keep: None,
        }
    }

    /// The same with a master that dies and is replaced.
    pub(crate) fn watched(self) -> Options {
        Options { sentinel: true, wait_replicas: 1, ..self }
    }

    fn jobs(&self) -> u64 {
        if self.jobs > 0 { self.jobs } else { self.ms * JOBS_PER_SECOND / 1000 }
    }

    pub(crate) fn schedule(&self) -> Vec<Planned> {
        // Behind the workers' networks, that of our producer.
        let networks = self.workers + 1;
        schedule(Frame {
            seed: self.seed,
            ms: self.ms,
            lease_ms: LEASE_MS,
            workers: self.workers,
            networks,
            is_watched: self.sentinel,
        })
    }
}

/// A run under way: the processes, and what is written down about them.
pub(crate) struct Scene {
    pub world: Arc<World>,
    pub recorder: Recorder,
    options: Options,
    _temporary: tempfile::TempDir,
}

/// Runs and judges.
pub(crate) async fn run(options: Options) -> Verdict {
    let scene = Scene::begin(options).await;
    let (world, options) = (&scene.world, &scene.options);
    let began = Instant::now();
    let added = Arc::default();
    let producers = producers(options, world, began, &added).await;
    let supervisor = tokio::spawn(supervise(Arc::clone(world)));
    happen_all(world, &options.schedule(), began).await;
    tokio::time::sleep_until(began + Duration::from_millis(options.ms)).await;
    let mut ended = Vec::new();
    for producer in producers {
        ended.extend(producer.await.unwrap());
    }
    supervisor.abort();
    let added = std::mem::take(&mut *added.lock().unwrap());
    Verdict { producers_ended: ended, ..scene.end(added).await }
}

impl Scene {
    /// Starts everything.
    pub(crate) async fn begin(options: Options) -> Scene {
        let temporary = tempfile::tempdir().unwrap();
        let dir = options.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
        std::fs::create_dir_all(&dir).unwrap();
        let recorder = Recorder::create(&dir.join("record.jsonl"));
        let backend = Backend::start(&recorder).await;
        let place = Place { dir, record: recorder.path().to_owned(), backend: backend.url.clone() };
        let world = Arc::new(world(&options, &place).await);
        Scene { world, recorder, options, _temporary: temporary }
    }

    /// Waits until nothing moves, stops everything and judges.
    pub(crate) async fn end(self, added: Vec<Added>) -> Verdict {
        let Scene { world, recorder, options, _temporary } = self;
        let over = Instant::now();
        drain(&world, &options).await;
        let drained = over.elapsed();
        let ended = stop(&world).await;
        world.is_as_planned().await;
        let mut db = world.own_connection().await;
        let now = now_ms() as f64;
        crate::support::wait::until("MONITOR to have told all", async || {
            let _: String = redis::cmd("PING").query_async(&mut db.clone()).await.unwrap();
            world.monitor.has_read_to(now)
        })
        .await;
        let standing = scan::scan(&mut db, options.dialect, QUEUE).await;
        let history = History {
            dialect: options.dialect,
            added,
            runs: recorder.runs(),
            seen: world.monitor.seen(),
            faults: std::mem::take(&mut *world.happened.lock().unwrap()),
            standing,
        };
        Verdict { judgement: judge(&history), history, options, drained, ended, producers_ended: Vec::new() }
    }
}

/// Half of the jobs by npm `bull` or `bullmq`, half by us.
async fn producers(
    options: &Options,
    world: &World,
    began: Instant,
    added: &Arc<std::sync::Mutex<Vec<Added>>>,
) -> Vec<tokio::task::JoinHandle<Vec<String>>> {
    let count = options.jobs();
    let jobs = |which: u64| -> Vec<(Duration, Design)> {
        (0..count)
            .filter(|n| n % 2 == which)
            .map(|n| (Duration::from_millis(n * options.ms / count), Design::of(options.seed, n, LEASE_MS)))
            .collect()
    };
    // No fault of a process happens to Node's network, which comes last.
    let node = Producer::node(options, &world.networks[options.workers + 1].url()).await;
    let ours = Producer::ours(options, &world.networks[options.workers].url());
    [(node, jobs(0)), (ours, jobs(1))]
        .into_iter()
        .map(|(producer, jobs)| tokio::spawn(producer.produce(jobs, began, Arc::clone(added))))
        .collect()
}

/// All faults, each at its time.
async fn happen_all(world: &Arc<World>, planned: &[Planned], began: Instant) {
    let mut under_way = tokio::task::JoinSet::new();
    for fault in planned {
        tokio::time::sleep_until(began + Duration::from_millis(fault.at)).await;
        under_way.spawn(faults::happen(Arc::clone(world), fault.clone()));
    }
    under_way.join_all().await;
    for network in &world.networks {
        network.pass();
    }
}

/// Starts workers again that ended by themselves, as an init system does.
async fn supervise(world: Arc<World>) {
    loop {
        for worker in &world.workers {
            worker.lock().await.look_after();
        }
        tokio::time::sleep(SUPERVISOR_LOOKS).await;
    }
}

/// Until every job has ended, or the limit is reached: the judge will say what was left.
async fn drain(world: &World, options: &Options) {
    let limit = Instant::now() + if options.cut.is_some() { DRAIN_LIMIT_CUT } else { DRAIN_LIMIT };
    let mut lifted = Instant::now();
    let mut db = world.own_connection().await;
    while Instant::now() < limit {
        for worker in &world.workers {
            worker.lock().await.look_after();
        }
        if scan::unfinished(&mut db, options.dialect, QUEUE).await == Ok(0) {
            return;
        }
        if options.mixed && lifted.elapsed() > LIFT_GUARD {
            lifted = Instant::now();
            let guard = format!("bull:{QUEUE}:stalled-check");
            let _: usize = redis::cmd("DEL").arg(guard).query_async(&mut db).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Stops all workers. Which of ours ended by themselves, also while starting, or not as they should.
async fn stop(world: &World) -> Vec<String> {
    let mut ended = Vec::new();
    for (number, worker) in world.workers.iter().enumerate() {
        let mut worker = worker.lock().await;
        worker.stop().await;
        let is_ours = worker.is_ours();
        ended
            .extend(worker.ended.drain(..).filter(|_| is_ours).map(|what| format!("worker {number} {what}")));
    }
    ended
}
