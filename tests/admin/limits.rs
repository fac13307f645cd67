use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::site::{Site, TOKEN, callback_path};
use crate::support::wait::DEADLINE;

/// Waits until the server closes, and says how long that took.
async fn closed(mut stream: TcpStream, since: Instant) -> (std::time::Duration, String) {
    let mut reply = Vec::new();
    let _ = tokio::time::timeout(3 * DEADLINE, stream.read_to_end(&mut reply)).await.expect("it is closed");
    (since.elapsed(), String::from_utf8_lossy(&reply).into_owned())
}

#[tokio::test]
async fn slow_clients_are_dropped_and_keep_nobody_waiting() {
    let site = Site::start();
    let start = Instant::now();
    let mut slow = Vec::new();
    for n in 0..300 {
        let mut stream = TcpStream::connect(site.address).await.unwrap();
        if n % 2 == 0 {
            stream.write_all(b"GET /livez HTTP/1.1\r\nhost: local").await.unwrap();
        }
        slow.push(stream);
    }
    assert_eq!(site.get("/livez").await.status, 200, "others are served meanwhile");
    for stream in slow {
        let (took, reply) = closed(stream, start).await;
        assert!(took.as_secs() >= 4, "closed after {took:?}");
        assert_eq!(reply, "");
    }
}

#[tokio::test]
async fn a_body_that_never_comes_is_a_408() {
    let site = Site::start();
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        callback_path("1", "complete")
    );
    let start = Instant::now();
    stream.write_all(head.as_bytes()).await.unwrap();
    let (_, reply) = closed(stream, start).await;
    assert!(reply.starts_with("HTTP/1.1 408 ") && reply.contains("urn:bullock:error:timeout"), "{reply}");
}

#[tokio::test]
async fn a_head_above_64_kib_is_refused() {
    let site = Site::start();
    let request = |bytes: usize| {
        format!(
            "GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx: {}\r\n\r\n",
            "x".repeat(bytes)
        )
    };
    assert_eq!(site.raw(request(60_000).as_bytes()).await.status, 200);
    assert_eq!(site.raw(request(70_000).as_bytes()).await.status, 431);
}

#[tokio::test]
async fn a_connection_serves_many_requests_and_waits_between_them() {
    let site = Site::start();
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let mut buffer = [0; 4096];
    for pause in [0, 0, 6] {
        // Longer than the limit on a head: an idle connection is no slow one.
        tokio::time::sleep(std::time::Duration::from_secs(pause)).await;
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let read = tokio::time::timeout(DEADLINE, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert!(buffer[..read].starts_with(b"HTTP/1.1 200 "), "after {pause} s");
    }
}

#[tokio::test]
async fn a_stop_answers_what_is_under_way_and_frees_the_port() {
    let site = Site::start();
    assert_eq!(site.get("/livez").await.status, 200);
    let (address, idle) = (site.address, TcpStream::connect(site.address).await.unwrap());
    drop(site);
    let (_, reply) = closed(idle, Instant::now()).await;
    assert_eq!(reply, "");
    crate::support::wait::until("the port to be free", async || std::net::TcpListener::bind(address).is_ok())
        .await;
}
