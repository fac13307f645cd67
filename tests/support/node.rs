//! Real Node and Python programs with the real packages: tests/node/*.mjs and tests/python/*.py, spoken to in JSON lines.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::process::{Output, Process};
use super::wait::DEADLINE;

/// Longest wait for the status and the last lines of a program whose pipes are closed.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A running Node or Python program. One JSON value a line in both directions; standard error is gathered for messages.
pub struct Node {
    name: String,
    process: Process,
    stdin: Option<ChildStdin>,
    lines: mpsc::UnboundedReceiver<Value>,
    errors: Output,
}

impl Node {
    /// Starts `tests/node/<program>` with `arguments`.
    pub fn start(program: &str, arguments: &[&str]) -> Node {
        let directory = directory();
        assert!(
            directory.join("node_modules/bull/package.json").is_file(),
            "the npm packages of the tests are not installed. Run: script/setup"
        );
        Node::start_in(&directory, program, arguments)
    }

    /// Starts `node <program>` with `arguments` in a directory of its own packages.
    pub fn start_in(directory: &Path, program: &str, arguments: &[&str]) -> Node {
        assert!(
            directory.join("node_modules/.installed-from").is_file(),
            "the npm packages of {} are not installed. Run: script/setup",
            directory.display()
        );
        let mut command = Command::new("node");
        command.arg(program).args(arguments).current_dir(directory);
        Node::spawn(program, command)
    }

    /// [`Node::start`] with further environment variables. The program may be named by its whole path.
    pub fn start_with(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Node {
        let mut command = Command::new("node");
        command.arg(program).args(arguments).envs(environment.iter().copied());
        Node::spawn(program, command)
    }

    /// Starts `tests/python/<program>` with `arguments`.
    pub fn start_python(program: &str, arguments: &[&str]) -> Node {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python");
        let python = directory.join("venv/bin/python");
        assert!(python.exists(), "the Python packages of the tests are not installed. Run: script/setup");
        let mut command = Command::new(python);
        command.arg(program).args(arguments).current_dir(&directory);
        Node::spawn(program, command)
    }

    fn spawn(program: &str, mut command: Command) -> Node {
        command.env("TZ", "UTC");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::spawn(&mut command)
            .unwrap_or_else(|error| panic!("{program} could not be started ({error}). Run: script/setup"));
        let errors = Output::default();
        errors.follow_stderr(process.child().stderr.take().expect("piped"));
        let stdout = process.child().stdout.take().expect("piped");
        let (sender, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        let stdin = process.child().stdin.take();
        Node { name: program.to_owned(), process, stdin, lines, errors }
    }

    /// Runs a program to its end, which must be exit code 0, and gives the lines that it printed.
    pub async fn run(program: &str, arguments: &[&str]) -> Vec<Value> {
        Node::start(program, arguments).finish().await
    }

    /// Sends one line.
    pub fn send(&mut self, value: &Value) {
        if let Err(error) = self.write(value) {
            panic!("{}", self.told_end(&format!("reads no more ({error})")));
        }
    }

    fn write(&mut self, value: &Value) -> std::io::Result<()> {
        writeln!(self.stdin.as_mut().expect("standard input is open"), "{value}")
    }

    /// The next line. Panics after a safety net of 20 s, or when the program ends first.
    pub async fn next(&mut self) -> Value {
        match self.next_or_end().await {
            Some(line) => line,
            None => panic!("{}", self.told_end("ended early")),
        }
    }

    /// The next line; `None` when the program has ended. Panics after a safety net of 20 s.
    async fn next_or_end(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(DEADLINE, self.lines.recv()).await;
        line.unwrap_or_else(|_late| {
            panic!("{} said nothing for {DEADLINE:?}:\n{}", self.name, self.errors.text())
        })
    }

    /// What became of a program that is ending: its status, and all that it said on standard error.
    fn told_end(&mut self, what: &str) -> String {
        let limit = Instant::now() + LAST_WORDS;
        let status = loop {
            match self.process.ended() {
                Some(status) => break status.to_string(),
                None if Instant::now() > limit => break "it is still there".to_owned(),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        // The thread that reads them may be a moment behind.
        while !self.errors.is_complete() && Instant::now() < limit {
            std::thread::sleep(Duration::from_millis(5));
        }
        format!("{} {what}: {status}; standard error:\n{}", self.name, self.errors.text())
    }

    /// The next line that `wanted` accepts; others are passed over. The 20 s count for the whole wait.
    pub async fn next_where(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let value = self.next().await;
            if wanted(&value) {
                return value;
            }
            assert!(started.elapsed() < DEADLINE, "{}: waited {DEADLINE:?} for {what}", self.name);
        }
    }

    /// Closes its standard input, waits for exit code 0 and gives the lines not yet read.
    pub async fn finish(mut self) -> Vec<Value> {
        drop(self.stdin.take());
        let mut rest = Vec::new();
        let reading = async {
            while let Some(value) = self.lines.recv().await {
                rest.push(value);
            }
        };
        let ended = tokio::time::timeout(3 * DEADLINE, reading).await.is_ok();
        assert!(ended, "{} did not end:\n{}", self.name, self.errors.text());
        let status = self.process.wait(DEADLINE).await;
        assert!(status.success(), "{}: {status}\n{}", self.name, self.errors.text());
        rest
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Sends a signal, such as SIGKILL for a worker that must die in mid-job.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// What it wrote to standard error so far.
    pub fn errors(&self) -> String {
        self.errors.text()
    }
}

/// One queue as npm `bull` or npm `bullmq` sees it, worked by remote control (tests/node/bull.mjs, bullmq.mjs).
///
/// ```ignore
/// let mut queue = BullQueue::open(&redis.url(), "mail").await;
/// let id = queue.add("welcome", json!({"to": "ada"}), json!({"attempts": 3})).await;
/// let result = queue.finished(&id).await.expect("the job succeeds");
/// assert_eq!(queue.job(&id, "getState").await, "completed");
/// ```
pub struct BullQueue {
    node: Node,
    requests: u64,
    /// Events and other unasked lines that came while an answer was awaited, oldest first.
    pub heard: Vec<Value>,
}

impl BullQueue {
    /// Opens the queue with Bull's default prefix.
    pub async fn open(redis_url: &str, queue: &str) -> BullQueue {
        BullQueue::open_with(redis_url, queue, &json!({})).await
    }

    /// Opens it with Bull's own queue options (`prefix`, `limiter`, `settings`, `defaultJobOptions`).
    pub async fn open_with(redis_url: &str, queue: &str, options: &Value) -> BullQueue {
        BullQueue::at(Node::start("bull.mjs", &[redis_url, queue, &options.to_string()])).await
    }

    /// Opens the queue with npm `bullmq` of this major version (5 or 6) and `BullMQ`'s queue options.
    pub async fn open_mq(major: u8, redis_url: &str, queue: &str, options: &Value) -> BullQueue {
        let arguments = [&major.to_string(), redis_url, queue, &options.to_string()];
        BullQueue::at(Node::start("bullmq.mjs", &arguments)).await
    }

    /// Opens the queue with the Python package `bullmq` (`tests/python/bullmq_queue.py`).
    pub async fn open_python(redis_url: &str, queue: &str) -> BullQueue {
        BullQueue::at(Node::start_python("bullmq_queue.py", &[redis_url, queue])).await
    }

    async fn at(mut node: Node) -> BullQueue {
        let first = node.next().await;
        assert_eq!(first, json!({"ready": true}), "{first}\n{}", node.errors());
        BullQueue { node, requests: 0, heard: Vec::new() }
    }

    /// `FlowProducer.add`: the tree of jobs.
    pub async fn flow(&mut self, tree: Value) -> Value {
        self.ask(json!({"do": "flow", "args": [tree]})).await.expect("flow.add")
    }

    /// `FlowProducer.addBulk`: several trees at once.
    pub async fn flows(&mut self, trees: Vec<Value>) -> Value {
        self.ask(json!({"do": "flow", "method": "addBulk", "args": [trees]})).await.expect("flow.addBulk")
    }

    /// `queue.add(name, data, opts)`: the job's id.
    pub async fn add(&mut self, name: &str, data: Value, opts: Value) -> String {
        let job = self.ask(json!({"do": "add", "args": [name, data, opts]})).await.expect("queue.add");
        job["id"].as_str().map_or_else(|| job["id"].to_string(), str::to_owned)
    }

    /// The spans that a producer opened with `{"telemetry": true}` has ended: `name`, `kind`, `traceId`, `spanId`.
    pub async fn spans(&mut self) -> Value {
        self.ask(json!({"do": "spans"})).await.expect("spans")
    }

    /// Any method of Bull's `Queue`, by name. Jobs come back as their `toJSON()`. `Err` is the message thrown.
    pub async fn call(&mut self, method: &str, args: Value) -> Result<Value, String> {
        self.ask(json!({"do": "queue", "method": method, "args": args})).await
    }

    /// `queue.add`, or what the program was told to add with (`do`). `Err(how)` when it has ended.
    pub async fn try_add(&mut self, how: &str, args: Value) -> Result<Result<Value, String>, String> {
        self.try_ask(json!({"do": how, "args": args})).await
    }

    /// A method without arguments, or else a field, of the job with this id, freshly read.
    pub async fn job(&mut self, id: &str, method: &str) -> Value {
        self.job_call(id, method, json!([])).await.unwrap_or_else(|error| panic!("job.{method}: {error}"))
    }

    /// A method of Bull's `Job`.
    pub async fn job_call(&mut self, id: &str, method: &str, args: Value) -> Result<Value, String> {
        self.ask(json!({"do": "job", "id": id, "method": method, "args": args})).await
    }

    /// `job.finished()`, or `job.waitUntilFinished(events)`: the result, or the text that it rejects with.
    pub async fn finished(&mut self, id: &str) -> Result<Value, String> {
        match self.node.name.as_str() {
            "bullmq.mjs" | "bullmq_queue.py" => self.ask(json!({"do": "finished", "id": id})).await,
            _ => self.job_call(id, "finished", json!([])).await,
        }
    }

    /// From here on every `global:*` event is put into [`BullQueue::heard`] as `{"event": …, "args": […]}`.
    pub async fn listen(&mut self) {
        self.ask(json!({"do": "listen"})).await.expect("queue.on");
    }

    /// Starts Bull's own worker in the same Node process. Each job takes `run_ms` and returns `{"by": "node"}`.
    pub async fn work(&mut self, concurrency: u32, run_ms: u64) {
        self.ask(json!({"do": "work", "concurrency": concurrency, "runMs": run_ms}))
            .await
            .expect("queue.process");
    }

    /// The same with options of `BullMQ`'s worker, such as `{"stalledInterval": 300}`.
    pub async fn work_with(&mut self, concurrency: u32, run_ms: u64, options: Value) {
        let work = json!({"do": "work", "concurrency": concurrency, "runMs": run_ms, "options": options});
        self.ask(work).await.expect("new Worker");
    }

    /// Waits for an unasked line, such as an event, that `wanted` accepts, among those heard already and those to come.
    pub async fn hear(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.heard.iter().position(&wanted) {
            return self.heard.remove(at);
        }
        self.node.next_where(what, wanted).await
    }

    /// Closes the queue and ends the program.
    pub async fn close(self) {
        self.node.finish().await;
    }

    /// The Node process, for signals.
    pub fn node(&self) -> &Node {
        &self.node
    }

    async fn ask(&mut self, request: Value) -> Result<Value, String> {
        self.try_ask(request).await.unwrap_or_else(|gone| panic!("{gone}"))
    }

    /// The same; `Err` = the program has ended, and how.
    async fn try_ask(&mut self, mut request: Value) -> Result<Result<Value, String>, String> {
        self.requests += 1;
        request["request"] = self.requests.into();
        if self.node.write(&request).is_err() {
            return Err(self.node.told_end("ended between two requests"));
        }
        let limit = Instant::now() + 3 * DEADLINE;
        loop {
            assert!(Instant::now() < limit, "{} gave no answer to {request}", self.node.name);
            let Some(mut line) = self.node.next_or_end().await else {
                return Err(self.node.told_end("ended in mid-request"));
            };
            if line["request"] != request["request"] {
                self.heard.push(line);
                continue;
            }
            return Ok(match line.get("error") {
                Some(error) => Err(error.as_str().unwrap_or_default().to_owned()),
                None => Ok(line["ok"].take()),
            });
        }
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node")
}
