//! The admin API as a command asks it: one request, its answer as a value, its problem as the command's error.
//!
//! Owns: the address, the token, what is sent again and how often, what a status means for the exit code. Must never
//! know: commands. Called by `cli::target`.

mod address;
mod problem;
mod stream;

use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use stream::Stream;

use super::error::{CliError, Exit};
use super::session::Shared;
use crate::http::client::TransportErrorKind;
use crate::http::{Client, ClientOptions, Clients, HeaderMap, HeaderValue, Method, Response, Url, header};
use address::Address;

/// Longest wait for a whole answer: above the half minute after which the server itself gives up.
const ANSWER_MAX: Duration = Duration::from_secs(35);
/// Largest answer that is taken, bytes.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Pauses before a request is sent again.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(800)];
/// Names a write: whoever gets it twice under one key does it once.
const KEY: &str = "idempotency-key";

/// What may be sent again when no answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// A read, or a write that is the same when it comes twice.
    Always,
    /// Only as long as the server cannot have seen it.
    Unseen,
}

/// A server to ask. Clones share its connections.
#[derive(Clone)]
pub struct Api {
    address: Address,
    headers: HeaderMap,
    client: Client,
}

impl Api {
    /// The server that the flags or the environment name; `None` = they name none. Nothing is sent yet.
    pub fn named(shared: &Shared) -> Result<Option<Self>, CliError> {
        let Some((text, source)) = shared.api()? else { return Ok(None) };
        let address = Address::check(&text, source)?;
        let mut headers = HeaderMap::new();
        if let Some(token) = address::token(shared.token.as_deref())? {
            let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| CliError::usage("the token has characters that no token has").at("--token"))?;
            bearer.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, bearer);
        }
        let client = Clients::default().client(&ClientOptions::for_url(address.url())).map_err(|error| {
            CliError::new(Exit::Unreachable, "HTTPS cannot be set up")
                .at(address.shown())
                .found(error.to_string())
        })?;
        Ok(Some(Self { address, headers, client }))
    }

    /// The address, for people.
    pub fn shown(&self) -> &str {
        self.address.shown()
    }

    /// Is a token sent in the clear over a network?
    pub fn tells_its_token(&self) -> bool {
        self.headers.contains_key(header::AUTHORIZATION) && self.address.is_open()
    }

    /// Reads.
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, CliError> {
        let url = self.address.below(path, query)?;
        self.ask(Method::GET, url, None, Again::Always).await
    }

    /// Writes. Under `key` the server does it once, however often it comes.
    pub async fn write<T: DeserializeOwned>(
        &self,
        method: Method,
        (path, query): (&[&str], &[(&str, &str)]),
        body: &Value,
        key: Option<&str>,
        again: Again,
    ) -> Result<T, CliError> {
        let url = self.address.below(path, query)?;
        self.ask(method, url, Some((key, body.to_string())), again).await
    }

    /// A POST under a key of its own that is not sent again once the server may have seen it.
    pub async fn post<T: DeserializeOwned>(&self, path: &[&str], body: &Value) -> Result<T, CliError> {
        self.write(Method::POST, (path, &[]), body, Some(&new_key()), Again::Unseen).await
    }

    /// Opens a stream of events, which goes on by itself where it broke.
    pub async fn stream(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Stream, CliError> {
        Stream::open(self.clone(), self.address.below(path, query)?).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        url: Url,
        write: Option<(Option<&str>, String)>,
        again: Again,
    ) -> Result<T, CliError> {
        let (mut headers, mut body) = (self.headers.clone(), Bytes::new());
        if let Some((key, text)) = write {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            if let Some(key) = key {
                let value = HeaderValue::from_str(key)
                    .map_err(|_| CliError::usage("this idempotency key cannot be sent").found(key))?;
                headers.insert(KEY, value);
            }
            body = text.into();
        }
        let mut pauses = PAUSES.iter();
        let text = loop {
            let sent = self.once(method.clone(), url.clone(), headers.clone(), body.clone()).await;
            let problem = match sent {
                Ok(text) => break text,
                Err(problem) => problem,
            };
            match pauses.next().filter(|_| problem.is_worth_another_try(again)) {
                Some(pause) => tokio::time::sleep(*pause).await,
                None => return Err(problem.into_error(self.shown())),
            }
        };
        serde_json::from_slice(&text).map_err(|error| {
            CliError::new(Exit::Failed, "the answer is not what is expected here")
                .at(self.shown())
                .found(error.to_string())
                .hint("is the server as new as this program? See --version of both")
        })
    }

    async fn once(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Vec<u8>, problem::Trouble> {
        let whole = async {
            let response = self.client.send(method, url, headers, body).await?;
            let status = response.status();
            let location = response.headers().get(header::LOCATION).cloned();
            let text = read(response).await?;
            if status.is_success() {
                return Ok(text);
            }
            let location = location.and_then(|place| place.to_str().map(str::to_owned).ok());
            Err(problem::Trouble::answered(status, &text, location))
        };
        tokio::time::timeout(ANSWER_MAX, whole).await.unwrap_or(Err(problem::Trouble::Silent))
    }
}

/// A key for one write.
pub fn new_key() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// `None` where there is no such thing.
pub fn absent<T>(answer: Result<T, CliError>) -> Result<Option<T>, CliError> {
    match answer {
        Err(error) if error.exit() == Exit::NotFound => Ok(None),
        other => other.map(Some),
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, problem::Trouble> {
    let mut text = Vec::new();
    while let Some(part) = response.chunk().await? {
        text.extend_from_slice(&part);
        if text.len() > BODY_BYTES_MAX {
            return Err(problem::Trouble::TooLarge);
        }
    }
    Ok(text)
}

/// Could the server not have seen the request?
fn is_unseen(kind: TransportErrorKind) -> bool {
    matches!(
        kind,
        TransportErrorKind::Connect | TransportErrorKind::ConnectTimeout | TransportErrorKind::NoRoom
    )
}
