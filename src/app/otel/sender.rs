//! The way to the collector: over the HTTP client of the house, from the threads of the SDK.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::config;
use crate::http::client::ClientOptions;
use crate::http::{Client, Clients, HeaderMap, HeaderName, HeaderValue, Method, Url};
use crate::telemetry::otel::{Bytes, HttpClient, HttpError, Request, Response};

/// Longest wait for a collector's answer; the standard's own default.
const SEND_MAX: Duration = Duration::from_secs(10);
/// As much of an answer is read. A good one is a few bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Sends one signal.
pub(super) struct Sender {
    client: Client,
    url: Url,
    headers: HeaderMap,
    /// The SDK calls from threads of its own, which have no runtime.
    runtime: tokio::runtime::Handle,
    /// The last batch was not taken, and that was told.
    is_away: AtomicBool,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The headers hold keys.
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl Sender {
    pub(super) fn new(asked: &config::Otel, url: &str, clients: &Clients) -> Result<Self, String> {
        let url = Url::parse(url).map_err(|error| error.to_string())?;
        let client = clients.client(&ClientOptions::for_url(&url)).map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::new();
        for (name, value) in &asked.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| error.to_string())?;
            let mut value = HeaderValue::from_str(value.expose()).map_err(|error| error.to_string())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let runtime = tokio::runtime::Handle::current();
        Ok(Self { client, url, headers, runtime, is_away: AtomicBool::new(false) })
    }

    /// Says once that batches are not taken, and once that they are again.
    fn tell(&self, problem: Option<&str>) {
        let was_away = self.is_away.swap(problem.is_some(), Ordering::Relaxed);
        let path = self.url.path();
        match problem {
            Some(why) if !was_away => tracing::warn!(
                path,
                why,
                "the OpenTelemetry collector does not take what is sent: it is dropped, and jobs go on. This is told once"
            ),
            None if was_away => tracing::info!(path, "the OpenTelemetry collector takes what is sent again"),
            _ => {}
        }
    }
}

impl HttpClient for Sender {
    fn send_bytes<'s, 'f>(
        &'s self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        let (head, body) = request.into_parts();
        let mut headers = head.headers;
        headers.extend(self.headers.clone());
        let (client, url) = (self.client.clone(), self.url.clone());
        let exchange = self.runtime.spawn(async move {
            let sent = tokio::time::timeout(SEND_MAX, exchange(&client, url, headers, body)).await;
            sent.unwrap_or_else(|_| Err(format!("no answer in {} s", SEND_MAX.as_secs())))
        });
        Box::pin(async move {
            let answer = exchange.await.unwrap_or_else(|_| Err("the process ends".to_owned()));
            match &answer {
                Ok(answer) if answer.status().is_success() => self.tell(None),
                Ok(answer) => self.tell(Some(&format!("HTTP {}", answer.status().as_u16()))),
                Err(why) => self.tell(Some(why)),
            }
            answer.map_err(HttpError::from)
        })
    }
}

async fn exchange(
    client: &Client,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response<Bytes>, String> {
    let sent = client.send(Method::POST, url, headers, body).await;
    let mut answer = sent.map_err(|error| error.to_string())?;
    let mut text = Vec::new();
    while text.len() < ANSWER_BYTES_MAX {
        let Some(piece) = answer.chunk().await.map_err(|error| error.to_string())? else { break };
        text.extend_from_slice(&piece);
    }
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = answer.status();
    response.headers_mut().clone_from(answer.headers());
    Ok(response)
}
