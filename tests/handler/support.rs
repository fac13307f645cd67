//! Backends, jobs, and a record of what a run wrote.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bullock::handler::http::{HttpHandler, HttpOptions};
use bullock::handler::{BoxFuture, Context, Handler, RunInfo, RunWriter, WriteError};
use bullock::http::Clients;
use bullock::job::outcome::{Failure, Outcome};
use bullock::job::{Data, Job, JobId, Options};
use serde_json::value::RawValue;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Nothing here takes long; whoever waits longer than this hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// What a run wrote, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Write {
    Progress(String),
    Log(String),
    Data(String),
    Checkpoint(String),
}

/// The other side of a [`Context`]: keeps what is written, and refuses when it is told to.
#[derive(Default)]
pub(crate) struct Record {
    writes: Mutex<Vec<Write>>,
    refuse: Mutex<Option<WriteError>>,
    callback: Mutex<Option<Instant>>,
}

impl Record {
    pub(crate) fn writes(&self) -> Vec<Write> {
        self.writes.lock().unwrap().clone()
    }

    pub(crate) fn logs(&self) -> Vec<String> {
        let log = |write| if let Write::Log(line) = write { Some(line) } else { None };
        self.writes().into_iter().filter_map(log).collect()
    }

    /// Every later write is refused.
    pub(crate) fn refuse(&self, error: WriteError) {
        *self.refuse.lock().unwrap() = Some(error);
    }

    pub(crate) fn accept(&self) {
        *self.refuse.lock().unwrap() = None;
    }

    /// A callback came in just now.
    pub(crate) fn call_back(&self) {
        *self.callback.lock().unwrap() = Some(Instant::now());
    }

    fn write(&self, write: Write) -> BoxFuture<'_, Result<(), WriteError>> {
        let refused = self.refuse.lock().unwrap().clone();
        if refused.is_none() {
            self.writes.lock().unwrap().push(write);
        }
        Box::pin(async move { refused.map_or(Ok(()), Err) })
    }
}

impl RunWriter for Record {
    fn progress(&self, value: Box<RawValue>) -> BoxFuture<'_, Result<(), WriteError>> {
        self.write(Write::Progress(value.get().into()))
    }
    fn log(&self, line: String) -> BoxFuture<'_, Result<(), WriteError>> {
        self.write(Write::Log(line))
    }
    fn update_data(&self, value: Box<RawValue>) -> BoxFuture<'_, Result<(), WriteError>> {
        self.write(Write::Data(value.get().into()))
    }
    fn checkpoint(&self, value: Box<RawValue>) -> BoxFuture<'_, Result<(), WriteError>> {
        self.write(Write::Checkpoint(value.get().into()))
    }
    fn last_callback(&self) -> BoxFuture<'_, Result<Option<Duration>, WriteError>> {
        let refused = self.refuse.lock().unwrap().clone();
        let last = self.callback.lock().unwrap().map(|at| at.elapsed());
        Box::pin(async move { refused.map_or(Ok(last), Err) })
    }
}

/// One run: a context, what it writes, and the switch that cancels it.
pub(crate) struct Run {
    pub(crate) ctx: Context,
    pub(crate) record: Arc<Record>,
    pub(crate) cancel: CancellationToken,
}

pub(crate) fn run() -> Run {
    let record = Arc::new(Record::default());
    let cancel = CancellationToken::new();
    let info = RunInfo {
        key: None,
        trace: None,
        token: "w-1:0123456789abcdef".into(),
        fence: 7,
        worker: "w-1".into(),
        prefix: "bull".into(),
        deadline_ms: Some(1_795_331_617_000),
        callback: Some("http://127.0.0.1:7979/api/v1/queues/woo%3Acustomers/jobs/20".into()),
    };
    let ctx = Context::new(info, cancel.clone(), Arc::clone(&record) as Arc<dyn RunWriter>);
    Run { ctx, record, cancel }
}

/// The job of the handler contract's example.
pub(crate) fn job_with(data: &str) -> Job<Data> {
    let opts = r#"{"attempts":3,"backoff":1000,"mine":[]}"#;
    Job {
        queue: "woo:customers".into(),
        id: JobId::from("20"),
        name: "sync".into(),
        data: Data::Json(RawValue::from_string(data.to_owned()).unwrap().into()),
        opts: Options::parse(opts).unwrap(),
        opts_text: opts.into(),
        timestamp: 1_795_320_817_201,
        attempts_made: 0,
        stacktrace: None,
        progress: None,
        checkpoint: None,
        attempts_started: 0,
        deferred: None,
        scheduler: None,
        parent_key: None,
    }
}

pub(crate) fn job() -> Job<Data> {
    job_with(r#"{"store":"big.example.com","page":1,"big":12345678901234567890,"list":[]}"#)
}

/// Runs one attempt to its end.
pub(crate) async fn finish(handler: &impl Handler, job: Job<Data>, run: &Run) -> Outcome {
    let running = handler.run(Arc::new(job), run.ctx.clone());
    tokio::time::timeout(DEADLINE, running).await.expect("the run did not end")
}

/// Runs one attempt of the usual job against a URL.
pub(crate) async fn call(options: HttpOptions) -> Outcome {
    finish(&http(options), job(), &run()).await
}

pub(crate) fn http(options: HttpOptions) -> HttpHandler {
    HttpHandler::new(options, &Clients::default()).unwrap()
}

#[track_caller]
pub(crate) fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Failed(failure) => failure,
        other => panic!("not a failure: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn result(outcome: Outcome) -> serde_json::Value {
    match outcome {
        Outcome::Completed(Some(value)) => serde_json::from_str(value.as_str()).unwrap(),
        other => panic!("not completed: {other:?}"),
    }
}

/// A server on a free port, gone when the value is.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn options(&self, path: &str) -> HttpOptions {
        HttpOptions::new(self.url(path))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A backend with these routes.
pub(crate) async fn serve(routes: axum::Router) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    Server { address, task }
}

/// A server that speaks whatever it likes: called with each connection.
pub(crate) async fn raw<F, Fut>(speak: F) -> Server
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((socket, _)) = listener.accept().await {
            connections.spawn(speak(socket));
        }
    });
    Server { address, task }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
