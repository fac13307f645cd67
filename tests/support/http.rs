//! A GET without a client library, so that tests of the client do not test it with itself.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// GET `path` from `origin`, such as `http://127.0.0.1:4711`: status and body.
pub async fn get(origin: &str, path: &str) -> std::io::Result<(u16, String)> {
    let address = origin.strip_prefix("http://").expect("a plain http origin");
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        // HTTP/1.0: the body comes in one piece and ends with the connection.
        let request = format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await?;
        let reply = String::from_utf8_lossy(&reply).into_owned();
        let status = reply.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let body = reply.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
        Ok((status, body))
    };
    tokio::time::timeout(Duration::from_secs(5), exchange).await.unwrap_or_else(|late| Err(late.into()))
}
