//! Server-sent events, one after the other. A stream that breaks is opened again after the last event that came.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::{Api, problem, read};
use crate::cli::error::CliError;
use crate::http::{HeaderValue, Method, Response, Url};

/// The server says something every quarter of a minute: one that has not is gone.
const SILENT_MAX: Duration = Duration::from_secs(40);
/// How long the head of the answer may take.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// Pause before a stream that broke is opened again.
const AGAIN: Duration = Duration::from_secs(1);

/// One event.
#[derive(Debug, Default)]
struct Read {
    id: Option<String>,
    data: String,
}

/// A stream of events.
pub struct Stream {
    api: Api,
    url: Url,
    response: Option<Response>,
    left: Vec<u8>,
    ready: VecDeque<Read>,
    last_id: Option<String>,
}

impl Stream {
    pub(super) async fn open(api: Api, url: Url) -> Result<Self, CliError> {
        let mut stream =
            Self { api, url, response: None, left: Vec::new(), ready: VecDeque::new(), last_id: None };
        stream.connect().await.map_err(|trouble| trouble.into_error(stream.api.shown()))?;
        Ok(stream)
    }

    /// The data of the next event, as it came. Waits for ever while the server is away. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The server refuses to go on: the token holds no longer.
    pub async fn next(&mut self) -> Result<(String, Value), CliError> {
        loop {
            if let Some(read) = self.ready.pop_front() {
                if read.id.is_some() {
                    self.last_id = read.id;
                }
                if let Ok(value) = serde_json::from_str(&read.data) {
                    return Ok((read.data, value));
                }
                continue;
            }
            let Some(response) = &mut self.response else {
                match self.connect().await {
                    Ok(()) => {}
                    Err(trouble) if trouble.is_worth_another_try(super::Again::Always) => {
                        tokio::time::sleep(AGAIN).await;
                    }
                    Err(trouble) => return Err(trouble.into_error(self.api.shown())),
                }
                continue;
            };
            if let Ok(Ok(Some(part))) = tokio::time::timeout(SILENT_MAX, response.chunk()).await {
                self.take(&part);
            } else {
                self.response = None;
                self.left.clear();
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    async fn connect(&mut self) -> Result<(), problem::Trouble> {
        let mut headers = self.api.headers.clone();
        if let Some(last) = self.last_id.as_deref().and_then(|id| HeaderValue::from_str(id).ok()) {
            headers.insert("last-event-id", last);
        }
        let sent = self.api.client.send(Method::GET, self.url.clone(), headers, Bytes::new());
        let response = tokio::time::timeout(HEAD_MAX, sent).await.map_err(|_| problem::Trouble::Silent)??;
        if response.status().is_success() {
            self.response = Some(response);
            return Ok(());
        }
        let status = response.status();
        Err(problem::Trouble::answered(status, &read(response).await?, None))
    }

    fn take(&mut self, part: &[u8]) {
        self.left.extend_from_slice(part);
        while let Some(end) = self.left.windows(2).position(|two| two == b"\n\n") {
            let block: Vec<u8> = self.left.drain(..end + 2).collect();
            let mut read = Read::default();
            for line in String::from_utf8_lossy(&block).lines() {
                match line.split_once(": ") {
                    Some(("id", id)) => read.id = Some(id.to_owned()),
                    Some(("data", data)) => read.data.push_str(data),
                    _ => {}
                }
            }
            if !read.data.is_empty() {
                self.ready.push_back(read);
            }
        }
    }
}
