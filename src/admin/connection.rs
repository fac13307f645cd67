//! One connection: time limits on its head, its idling and its answers, and its orderly end.
//!
//! hyper's own limit on the head also runs while a kept-alive connection idles, so both are kept here: a deadline that
//! moves with the phase of the connection.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::guard;
use super::server::Shared;

/// Longest time from the first byte of a request (or the connection) to the end of its headers.
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time between two requests, and for a client to take an answer.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Longest time for a client to take a part of an answer that goes on; at least every half of it something is sent.
const STREAM_STALL: Duration = Duration::from_secs(30);
/// Longest time for one request, its body included. Above the sum of what its parts may take.
const REQUEST_MAX: Duration = Duration::from_mins(1);
/// Room for the head of a request, bytes.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Most headers of a request.
pub(super) const HEADERS_MAX: usize = 100;

/// Serves one connection until it ends, its time is up, or `stop` fires (then the request under way is finished).
pub(super) async fn serve(
    stream: TcpStream,
    peer: IpAddr,
    shared: Arc<Shared>,
    router: Router,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    let clock = Arc::new(Clock::new());
    let router = TowerToHyperService::new(router);
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (shared, router, clock) = (Arc::clone(&shared), router.clone(), Arc::clone(&clock));
        async move {
            clock.allow(REQUEST_MAX);
            let answer = guard::answer(&shared, peer, &router, request.map(Body::new)).await;
            if answer.extensions().get::<guard::LongLived>().is_some() {
                clock.stream();
            } else {
                clock.idle();
            }
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .keep_alive(true)
        .half_close(false);
    let io = TokioIo::new(Watched { stream, clock: Arc::clone(&clock) });
    let connection = builder.serve_connection(io, service).with_upgrades();
    tokio::pin!(connection);
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended badly");
                }
                return;
            }
            () = clock.passed() => return,
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// When the connection will be dropped.
#[derive(Debug)]
struct Clock {
    start: Instant,
    /// Milliseconds after `start`.
    deadline_ms: AtomicU64,
    /// Between two requests: the next byte begins a head.
    idle: AtomicBool,
    /// The answer goes on: what the client takes moves the deadline.
    streaming: AtomicBool,
}

impl Clock {
    fn new() -> Self {
        let deadline_ms = AtomicU64::new(HEAD_TIMEOUT.as_millis() as u64);
        Self {
            start: Instant::now(),
            deadline_ms,
            idle: AtomicBool::new(false),
            streaming: AtomicBool::new(false),
        }
    }

    fn allow(&self, time: Duration) {
        self.idle.store(false, Ordering::Relaxed);
        self.streaming.store(false, Ordering::Relaxed);
        self.move_on(time);
    }

    fn move_on(&self, time: Duration) {
        let deadline = self.start.elapsed() + time;
        self.deadline_ms.store(deadline.as_millis() as u64, Ordering::Relaxed);
    }

    fn idle(&self) {
        self.allow(KEEP_ALIVE);
        self.idle.store(true, Ordering::Relaxed);
    }

    fn stream(&self) {
        self.allow(STREAM_STALL);
        self.streaming.store(true, Ordering::Relaxed);
    }

    fn bytes_went(&self) {
        if self.streaming.load(Ordering::Relaxed) {
            self.move_on(STREAM_STALL);
        }
    }

    fn bytes_came(&self) {
        if self.idle.swap(false, Ordering::Relaxed) {
            self.allow(HEAD_TIMEOUT);
        }
    }

    /// Resolves once the deadline has come without being moved. Looks at it only when it would come.
    async fn passed(&self) {
        loop {
            let at = self.start + Duration::from_millis(self.deadline_ms.load(Ordering::Relaxed));
            // A deadline that moves nearer (a head after a long idle time) is noticed within one HEAD_TIMEOUT.
            let look = at.min(Instant::now() + HEAD_TIMEOUT);
            tokio::time::sleep_until(look).await;
            let at = self.start + Duration::from_millis(self.deadline_ms.load(Ordering::Relaxed));
            if Instant::now() >= at {
                return;
            }
        }
    }
}

/// A socket that tells the clock when bytes come and go.
struct Watched {
    stream: TcpStream,
    clock: Arc<Clock>,
}

impl Watched {
    fn went(
        &mut self,
        write: impl FnOnce(Pin<&mut TcpStream>) -> Poll<std::io::Result<usize>>,
    ) -> Poll<std::io::Result<usize>> {
        let polled = write(Pin::new(&mut self.stream));
        if matches!(polled, Poll::Ready(Ok(bytes)) if bytes > 0) {
            self.clock.bytes_went();
        }
        polled
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.clock.bytes_came();
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.went(|stream| stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        self.went(|stream| stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
