//! HTTP without a client library, so that tests of the client do not test it with itself.

use std::io::Result;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// 0 = this was no HTTP.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    fn read(reply: &[u8]) -> Answer {
        let reply = String::from_utf8_lossy(reply);
        let (head, body) = reply.split_once("\r\n\r\n").unwrap_or((&reply, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or(0);
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Answer { status, headers, body: body.to_owned() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The last part of a problem's type.
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let body = self.json();
        assert_eq!(body["status"], self.status, "{self:?}");
        assert!(
            body["requestId"].as_str().is_some_and(|id| Some(id) == self.header("request-id")),
            "{self:?}"
        );
        body["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned()
    }

    /// Asserts a refusal of this status, and gives the last part of its type and its detail.
    pub fn refused(&self, status: u16) -> (String, String) {
        assert_eq!(self.status, status, "{self:?}");
        (self.problem(), self.json()["detail"].as_str().unwrap_or_default().to_owned())
    }
}

/// Sends bytes and reads until the server closes, for at most so long.
pub async fn exchange(address: SocketAddr, bytes: &[u8], patience: Duration) -> Answer {
    let talk = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may answer and close before it has read all.
        let _ = stream.write_all(bytes).await;
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply).await;
        Answer::read(&reply)
    };
    tokio::time::timeout(patience, talk).await.expect("an answer")
}

/// GET `path` from `origin`, such as `http://127.0.0.1:4711`: status and body.
pub async fn get(origin: &str, path: &str) -> Result<(u16, String)> {
    let address = origin.strip_prefix("http://").expect("a plain http origin");
    let talk = async {
        let mut stream = TcpStream::connect(address).await?;
        // HTTP/1.0: the body comes in one piece and ends with the connection.
        let request = format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await?;
        let answer = Answer::read(&reply);
        Ok((answer.status, answer.body))
    };
    tokio::time::timeout(Duration::from_secs(5), talk).await.unwrap_or_else(|late| Err(late.into()))
}
