//! A TCP proxy in front of a Redis that does what networks do: cuts, goes silent, is slow, loses a request or a reply.
//!
//! ```ignore
//! let proxy = Proxy::to(redis.port()).await;
//! let worker = start(&proxy.url());
//! proxy.lose(Lose::next("EVALSHA")); // executed, and nobody hears of it
//! proxy.blackhole_existing();              // half-open: open sockets fall silent, new ones work
//! ```

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::requests::Requests;

/// A proxy on a free loopback port. Dropping it closes everything.
pub struct Proxy {
    shared: Arc<Shared>,
    port: u16,
    listener: tokio::task::JoinHandle<()>,
}

struct Shared {
    target: AtomicU16,
    /// Connections so far; each has its number.
    opened: AtomicU64,
    /// Requests that were seen, and that were lost with or without their reply.
    requests: AtomicU64,
    lost: AtomicU64,
    weather: watch::Sender<Weather>,
    lose: Mutex<Option<Lose>>,
}

/// What holds for connections now.
#[derive(Clone, Copy, Default)]
struct Weather {
    /// Connections with a smaller number are closed.
    cut_below: u64,
    /// What comes from or for connections with a smaller number is thrown away.
    silent_below: u64,
    /// Nothing moves, on any connection; it goes on afterwards.
    held: bool,
    /// New connections are closed at once.
    refused: bool,
    /// Each byte takes so much longer, in each direction.
    delay: Duration,
}

/// Which request meets its fate, and which fate.
#[derive(Clone, Debug)]
pub struct Lose {
    needle: Vec<u8>,
    skip: u64,
    request_too: bool,
    silent: bool,
    always: bool,
}

impl Lose {
    /// The next request that contains this text (a command, a script's hash, a job's id) is executed; its reply is lost,
    /// and the connection closed. An empty text is in every request.
    pub fn next(needle: &str) -> Lose {
        Lose { needle: needle.as_bytes().to_vec(), skip: 0, request_too: false, silent: false, always: false }
    }

    /// Lets so many such requests pass before.
    #[must_use]
    pub fn after(mut self, requests: u64) -> Lose {
        self.skip = requests;
        self
    }

    /// The request itself is lost too: it is not executed.
    #[must_use]
    pub fn request_too(mut self) -> Lose {
        self.request_too = true;
        self
    }

    /// The connection is not closed: it stays open and silent.
    #[must_use]
    pub fn silently(mut self) -> Lose {
        self.silent = true;
        self
    }

    /// Not one such request but all of them.
    #[must_use]
    pub fn always(mut self) -> Lose {
        self.always = true;
        self
    }
}

impl Proxy {
    /// Stands in front of a server on this loopback port, and lets everything pass.
    pub async fn to(port: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a loopback port");
        let own = listener.local_addr().expect("a bound address").port();
        let shared = Arc::new(Shared {
            target: AtomicU16::new(port),
            opened: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            weather: watch::Sender::default(),
            lose: Mutex::default(),
        });
        let listener = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Proxy { shared, port: own, listener }
    }

    /// `redis://127.0.0.1:<port>` of the proxy.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The proxy's own port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// New connections go to another server.
    pub fn turn_to(&self, port: u16) {
        self.shared.target.store(port, Ordering::SeqCst);
    }

    /// Good weather again. Connections that were cut or fell silent for good stay so.
    pub fn pass(&self) {
        self.change(|now, _| (now.held, now.refused, now.delay) = (false, false, Duration::ZERO));
    }

    /// Closes all open connections; new ones pass.
    pub fn cut(&self) {
        self.change(|now, opened| now.cut_below = opened);
    }

    /// Closes all open connections, and new ones as soon as they are made.
    pub fn refuse(&self) {
        self.change(|now, opened| (now.cut_below, now.refused) = (opened, true));
    }

    /// Half-open sockets: the connections of now stay open and nothing comes or goes on them any more; new ones pass.
    pub fn blackhole_existing(&self) {
        self.change(|now, opened| now.silent_below = opened);
    }

    /// Nothing moves, on old connections and on new ones, until [`Proxy::pass`]; then all of it arrives.
    pub fn hold(&self) {
        self.change(|now, _| now.held = true);
    }

    /// Everything arrives so much later, in each direction.
    pub fn delay(&self, by: Duration) {
        self.change(|now, _| now.delay = by);
    }

    /// One request, or all of a kind, is executed and nobody hears of it, or is not even executed. It replaces one that was not met yet.
    pub fn lose(&self, which: Lose) {
        *self.shared.lose.lock().unwrap() = Some(which);
    }

    /// So many requests met that fate.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::SeqCst)
    }

    /// So many requests came.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// So many connections were made.
    pub fn opened(&self) -> u64 {
        self.shared.opened.load(Ordering::SeqCst)
    }

    fn change(&self, change: impl FnOnce(&mut Weather, u64)) {
        let opened = self.opened();
        self.shared.weather.send_modify(|now| change(now, opened));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
        // Connections outlive the listener's task: they are told.
        self.change(|now, _| now.cut_below = u64::MAX);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((inside, _)) = listener.accept().await {
        let number = shared.opened.fetch_add(1, Ordering::SeqCst);
        if shared.weather.borrow().refused {
            continue;
        }
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let target = shared.target.load(Ordering::SeqCst);
            let mut weather = shared.weather.subscribe();
            let work = async {
                // Nobody there: the connection is closed, as the server's own would be refused.
                let Ok(outside) = TcpStream::connect(("127.0.0.1", target)).await else { return };
                serve(inside, outside, number, &shared).await;
            };
            tokio::select! {
                () = work => {}
                _ = weather.wait_for(|now| number < now.cut_below) => {}
            }
        });
    }
}

/// Carries bytes both ways until one side ends.
async fn serve(inside: TcpStream, outside: TcpStream, number: u64, shared: &Arc<Shared>) {
    let _ = (inside.set_nodelay(true), outside.set_nodelay(true));
    let (from_client, to_client) = inside.into_split();
    let (from_server, to_server) = outside.into_split();
    let (requests, sent) = mpsc::unbounded_channel();
    let (replies, heard) = mpsc::unbounded_channel();
    // Set when the reply to what was sent is to be lost; with it, whether the connection stays open.
    let (doom, doomed) = watch::channel(None::<bool>);
    tokio::join!(
        read_requests(from_client, requests, number, shared, &doom),
        write(sent, to_server, shared),
        read_replies(from_server, replies, number, shared, doomed),
        write(heard, to_client, shared),
    );
}

type Later = (Instant, Vec<u8>);

fn is_silent(shared: &Shared, number: u64) -> bool {
    number < shared.weather.borrow().silent_below
}

async fn read_requests(
    mut from: OwnedReadHalf,
    to: mpsc::UnboundedSender<Later>,
    number: u64,
    shared: &Shared,
    doom: &watch::Sender<Option<bool>>,
) {
    let (mut chunk, mut requests) = (vec![0; 64 * 1024], Requests::default());
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        if is_silent(shared, number) {
            continue;
        }
        let mut passed = read;
        for request in requests.feed(&chunk[..read]) {
            shared.requests.fetch_add(1, Ordering::SeqCst);
            if let Some(lose) = take_fate(shared, &request.bytes) {
                shared.lost.fetch_add(1, Ordering::SeqCst);
                passed = if lose.request_too { request.begins } else { request.ends };
                doom.send_replace(Some(lose.silent));
                break;
            }
        }
        let due = Instant::now() + shared.weather.borrow().delay;
        let _ = to.send((due, chunk[..passed].to_vec()));
        if doom.borrow().is_some() {
            // The end of our sending makes the server execute what it has and close, which ends the wait for its reply.
            drop(to);
            while let Ok(1..) = from.read(&mut chunk).await {}
            return;
        }
    }
}

fn take_fate(shared: &Shared, request: &[u8]) -> Option<Lose> {
    let mut lose = shared.lose.lock().unwrap();
    let wanted = lose.as_mut()?;
    let needle = &wanted.needle;
    if !needle.is_empty() && !request.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
    {
        return None;
    }
    if wanted.skip > 0 {
        wanted.skip -= 1;
        return None;
    }
    if wanted.always { lose.clone() } else { lose.take() }
}

async fn read_replies(
    mut from: OwnedReadHalf,
    to: mpsc::UnboundedSender<Later>,
    number: u64,
    shared: &Shared,
    doomed: watch::Receiver<Option<bool>>,
) {
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        if is_silent(shared, number) || doomed.borrow().is_some() {
            continue;
        }
        let due = Instant::now() + shared.weather.borrow().delay;
        let _ = to.send((due, chunk[..read].to_vec()));
    }
    let silent = is_silent(shared, number) || *doomed.borrow() == Some(true);
    if silent {
        // Open, until the proxy cuts it.
        std::future::pending::<()>().await;
    }
}

async fn write(mut from: mpsc::UnboundedReceiver<Later>, mut to: OwnedWriteHalf, shared: &Shared) {
    let mut weather = shared.weather.subscribe();
    while let Some((due, bytes)) = from.recv().await {
        tokio::time::sleep_until(due).await;
        if weather.wait_for(|now| !now.held).await.is_err() || to.write_all(&bytes).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
