//! `bullock board` with tokens, on a Redis of the test's own, and commands that go to it.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

use super::Place;
use super::support::bullock::{Answer, BINARY, cli};
use super::support::http;
use super::support::process::{Output, Process, free_port};
use super::support::wait;

/// The tokens, each with its own name as its text, what it may do, and for which organisations.
const TOKENS: [(&str, &str, &str); 4] = [
    ("see-viewer", "viewer", "*"),
    ("ops-operator", "operator", "*"),
    ("all-admin", "admin", "*"),
    ("acme-only", "operator", "acme"),
];

/// A server with an API, and the Redis that it shows.
pub(super) struct Served {
    pub(super) place: Place,
    pub(super) url: String,
    _process: Process,
    pub(super) log: Output,
}

/// The config of a server with [`TOKENS`].
pub(super) fn config(more: &str) -> String {
    let token = |(name, role, orgs): &(&str, &str, &str)| {
        use sha2::Digest as _;
        let digest = sha2::Sha256::digest(name.as_bytes());
        let hex: String = digest.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        format!(
            "[[admin.tokens]]\nname = \"{name}\"\nrole = \"{role}\"\nsha256 = \"{hex}\"\norgs = [\"{orgs}\"]\nqueues = [\"*\"]\n"
        )
    };
    format!("[admin]\n{more}\n{}", TOKENS.iter().map(token).collect::<String>())
}

impl Served {
    pub(super) async fn start() -> Served {
        Served::start_with("").await
    }

    /// With further lines of `[admin]`.
    pub(super) async fn start_with(more: &str) -> Served {
        let place = Place::start();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("bullock.toml"), config(more)).unwrap();
        let port = free_port().to_string();
        let mut command = Command::new(BINARY);
        command.args(["board", "-r", &place.redis.url(), "--port", &port]).current_dir(dir.path());
        for name in ["BULLOCK_REDIS_URL", "REDIS_URL", "BULLOCK_API", "BULLOCK_TOKEN"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = Process::spawn(&mut command).unwrap();
        let log = Output::default();
        log.follow_stderr(process.child().stderr.take().unwrap());
        let url = format!("http://127.0.0.1:{port}");
        wait::until("the board to serve", async || {
            http::get(&url, "/livez").await.is_ok_and(|(status, _)| status == 200)
        })
        .await;
        Served { place, url, _process: process, log }
    }

    /// Runs `bullock <arguments> --api <this server>` with a token in the environment.
    pub(super) async fn run_as(&self, token: &str, arguments: &[&str]) -> Answer {
        cli(arguments, &[("BULLOCK_API", &self.url), ("BULLOCK_TOKEN", token)]).await
    }

    /// The same as an admin.
    pub(super) async fn run(&self, arguments: &[&str]) -> Answer {
        self.run_as("all-admin", arguments).await
    }
}

/// A proxy before a server that does not bring back its first answer.
pub(super) struct Lossy {
    pub(super) url: String,
    lost: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Lossy {
    pub(super) async fn before(server: &str) -> Lossy {
        let server = server.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let lost = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lost);
        let task = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut server = TcpStream::connect(&server).await.unwrap();
                if counted.load(Ordering::SeqCst) > 0 {
                    tokio::spawn(
                        async move { tokio::io::copy_bidirectional(&mut client, &mut server).await },
                    );
                    continue;
                }
                let (mut from_client, _to_client) = client.split();
                let (mut from_server, mut to_server) = server.split();
                let mut answer = [0; 1];
                tokio::select! {
                    // An answer has begun: what was asked for is done.
                    read = from_server.read(&mut answer) => {
                        counted.fetch_add(read.unwrap(), Ordering::SeqCst);
                    }
                    _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
                }
            }
        });
        Lossy { url, lost, task }
    }

    /// Answers that were not brought back.
    pub(super) fn lost(&self) -> usize {
        self.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.task.abort();
    }
}
