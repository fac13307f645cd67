//! Backends that do what no backend should: every job ends, and says why.

use std::time::{Duration, Instant};

use bullock::handler::Handler as _;
use bullock::handler::http::HttpOptions;
use bullock::job::outcome::{Outcome, ReasonClass};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::support::{Server, call, failure, finish, http, job, raw, result, run, until};

/// Reads the request; nothing of it matters here.
async fn take_request(socket: &mut TcpStream) {
    let mut buffer = vec![0; 64 * 1024];
    let _ = socket.read(&mut buffer).await;
}

/// Answers each connection with these bytes and closes it.
async fn saying(bytes: &'static [u8]) -> Server {
    raw(move |mut socket| async move {
        take_request(&mut socket).await;
        let _ = socket.write_all(bytes).await;
    })
    .await
}

/// Closes a connection with a reset instead of an end.
fn reset(socket: TcpStream) {
    socket.set_zero_linger().unwrap();
    drop(socket);
}

const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_backend_that_is_not_there_is_named() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let handler = http(HttpOptions::new(format!("http://{free}/x?key=secret")));
    let told = failure(finish(&handler, job(), &run()).await);
    assert!(told.message.starts_with(&format!("{free}: cannot connect: ")), "{}", told.message);
    assert!(told.message.to_lowercase().contains("connection refused"), "{}", told.message);
    assert!(told.retryable && !told.stack.unwrap().contains("secret"));
    assert_eq!(handler.health().refusals(), 1);
}

#[tokio::test]
async fn a_backend_that_takes_no_connection_ends_at_the_connect_limit() {
    // With a backlog of one and nobody who accepts, the kernel leaves further connections waiting.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(1).unwrap();
    let address = full.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(taken) = tokio::time::timeout(SHORT, TcpStream::connect(address)).await {
        waiting.push(taken.unwrap());
    }
    let options = HttpOptions { connect: SHORT, ..HttpOptions::new(format!("http://{address}/")) };
    let told = failure(call(options).await);
    assert_eq!(told.message, format!("{address}: no connection within 300 ms (connect)"));
    assert!(told.retryable);
}

#[tokio::test]
async fn a_backend_that_accepts_and_never_answers_ends_at_first_byte() {
    let server = raw(|mut socket| async move {
        take_request(&mut socket).await;
        std::future::pending::<()>().await;
    })
    .await;
    let told = failure(call(HttpOptions { first_byte: Some(SHORT), ..server.options("/") }).await);
    assert_eq!(told.message, format!("no answer from {} within 300 ms (first_byte)", server.address));
    assert_eq!(told.class, ReasonClass::Timeout);
    assert!(told.retryable);
}

#[tokio::test]
async fn without_first_byte_a_slow_backend_is_awaited() {
    let server = raw(|mut socket| async move {
        take_request(&mut socket).await;
        tokio::time::sleep(3 * SHORT).await;
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n7").await;
    })
    .await;
    let patient = HttpOptions { heartbeat: SHORT, connect: SHORT, ..server.options("/") };
    assert_eq!(result(call(patient).await), 7);
}

#[tokio::test]
async fn silence_within_a_body_ends_at_the_heartbeat() {
    let server = raw(|mut socket| async move {
        take_request(&mut socket).await;
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"half\":").await;
        std::future::pending::<()>().await;
    })
    .await;
    let told = failure(call(HttpOptions { heartbeat: SHORT, ..server.options("/") }).await);
    assert_eq!(told.message, format!("{} stopped within its answer: nothing for 300 ms", server.address));
    assert!(told.retryable);
}

#[tokio::test]
async fn a_body_that_drips_beats_the_pulse_so_that_only_the_run_limit_ends_it() {
    let server = raw(|mut socket| async move {
        take_request(&mut socket).await;
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await;
        while socket.write_all(b"1").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let run = run();
    let handler = http(server.options("/"));
    let running = tokio::spawn(handler.run(job().into(), run.ctx.clone()));
    let start = Instant::now();
    until("a beat", || run.ctx.pulse.read().beat > start + Duration::from_millis(200)).await;
    assert!(run.ctx.pulse.read().progress <= start);
    // What the executor does when a limit goes by.
    run.cancel.cancel();
    assert_eq!(failure(running.await.unwrap()).class, ReasonClass::Cancelled);
}

#[tokio::test]
async fn an_endless_body_is_cut_at_the_limit() {
    let server = raw(|mut socket| async move {
        take_request(&mut socket).await;
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n").await;
        while socket.write_all(&[b'1'; 8 * 1024]).await.is_ok() {}
    })
    .await;
    assert_eq!(result(call(server.options("/")).await)["truncated"], true);
}

#[tokio::test]
async fn a_hundred_mebibytes_are_not_read() {
    let (told, mut sent) = tokio::sync::mpsc::unbounded_channel();
    let server = raw(move |mut socket| {
        let told = told.clone();
        async move {
            take_request(&mut socket).await;
            let head = format!("HTTP/1.1 500 Oh\r\ncontent-length: {}\r\n\r\n", 100 << 20);
            let _ = socket.write_all(head.as_bytes()).await;
            let mut written = 0;
            while written < 100 << 20 && socket.write_all(&[b'x'; 8 * 1024]).await.is_ok() {
                written += 8 * 1024;
            }
            let _ = told.send(written);
        }
    })
    .await;
    let failed = failure(call(server.options("/")).await);
    assert_eq!(failed.message.len(), 2048);
    let written = sent.recv().await.unwrap();
    assert!(written < 50 << 20, "the connection was closed early, but {written} bytes were taken");
}

#[tokio::test]
async fn a_reset_after_a_good_status_is_tried_again_because_the_outcome_is_unknown() {
    let server = raw(|mut socket| async move {
        take_request(&mut socket).await;
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"half\":").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        reset(socket);
    })
    .await;
    let told = failure(call(server.options("/")).await);
    assert!(told.retryable);
    assert!(told.message.contains("broke within the answer"), "{}", told.message);
}

#[tokio::test]
async fn a_body_shorter_than_promised_is_tried_again() {
    let server = saying(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}").await;
    assert!(failure(call(server.options("/")).await).retryable);
}

#[tokio::test]
async fn a_bad_status_counts_even_when_its_body_breaks_off() {
    let server = saying(b"HTTP/1.1 422 No\r\ncontent-length: 100\r\n\r\nhalf").await;
    let told = failure(call(server.options("/")).await);
    assert!(!told.retryable);
    assert_eq!(told.message, format!("HTTP 422 from {}", server.address));
}

#[tokio::test]
async fn a_connection_closed_before_any_answer_is_a_retryable_failure() {
    for close in [drop as fn(TcpStream), reset] {
        let server = raw(move |mut socket| async move {
            take_request(&mut socket).await;
            close(socket);
        })
        .await;
        let told = failure(call(server.options("/")).await);
        assert!(told.retryable);
        assert!(told.message.contains("broke before an answer"), "{}", told.message);
    }
}

#[tokio::test]
async fn what_is_not_http_is_a_retryable_failure() {
    for bytes in [&b"SSH-2.0-OpenSSH_9.6\r\n"[..], b"\x16\x03\x01\x00", b"HTTP/1.1 999999 ?\r\n\r\n"] {
        let server = saying(bytes).await;
        assert!(failure(call(server.options("/")).await).retryable);
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_tried_again_unless_it_had_told_its_end() {
    let half = saying(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ncontent-length: 900\r\n\r\n{\"progress\":1}\n",
    )
    .await;
    let told = failure(call(half.options("/")).await);
    assert!(told.retryable && told.message.contains("broke within the answer"), "{}", told.message);
    let whole = saying(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ncontent-length: 900\r\n\r\n{\"result\":1}\n",
    )
    .await;
    assert_eq!(result(call(whole.options("/")).await), 1);
}

#[tokio::test]
async fn a_redirect_to_itself_is_one_request() {
    let server = saying(b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n").await;
    let told = failure(call(server.options("/")).await);
    assert!(told.message.contains("redirects are not followed"), "{}", told.message);
}

#[tokio::test]
async fn cancelling_closes_the_connection_while_the_backend_works() {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let server = raw(move |mut socket| {
        let told = told.clone();
        async move {
            take_request(&mut socket).await;
            told.send("working").unwrap();
            let mut rest = [0; 16];
            // Ends when the other side closes.
            let closed = matches!(socket.read(&mut rest).await, Ok(0) | Err(_));
            told.send(if closed { "closed" } else { "more" }).unwrap();
        }
    })
    .await;
    let run = run();
    let handler = http(server.options("/"));
    let running = tokio::spawn(handler.run(job().into(), run.ctx.clone()));
    assert_eq!(heard.recv().await, Some("working"));
    run.cancel.cancel();
    assert!(matches!(running.await.unwrap(), Outcome::Failed(_)));
    assert_eq!(heard.recv().await, Some("closed"));
}

#[tokio::test]
async fn dropping_the_run_closes_the_connection_too() {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let server = raw(move |mut socket| {
        let told = told.clone();
        async move {
            take_request(&mut socket).await;
            told.send("working").unwrap();
            let _ = socket.read(&mut [0; 16]).await;
            told.send("closed").unwrap();
        }
    })
    .await;
    let run = run();
    let handler = http(server.options("/"));
    let running = tokio::spawn(handler.run(job().into(), run.ctx.clone()));
    assert_eq!(heard.recv().await, Some("working"));
    running.abort();
    assert_eq!(heard.recv().await, Some("closed"));
}

#[tokio::test]
async fn the_cancel_url_is_told_which_job_was_cancelled() {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let server = raw(move |mut socket| {
        let told = told.clone();
        async move {
            let mut request = vec![0; 64 * 1024];
            let n = socket.read(&mut request).await.unwrap();
            told.send(String::from_utf8_lossy(&request[..n]).into_owned()).unwrap();
            // Only the note is answered.
            if request.starts_with(b"POST /cancel") {
                let _ = socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
            }
            let _ = socket.read(&mut request).await;
        }
    })
    .await;
    let run = run();
    let handler = http(HttpOptions { cancel_url: Some(server.url("/cancel")), ..server.options("/work") });
    let running = tokio::spawn(handler.run(job().into(), run.ctx.clone()));
    assert!(heard.recv().await.unwrap().starts_with("POST /work "));
    run.cancel.cancel();
    let note = heard.recv().await.unwrap();
    assert!(note.starts_with("POST /cancel ") && note.contains("job-id: 20\r\n"), "{note}");
    running.await.unwrap();
}
