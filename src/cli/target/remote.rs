//! A queue behind the admin API.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::cli::api::{Again, Api, absent, new_key};
use crate::cli::error::CliError;
use crate::http::Method;
use crate::store::inspect::Counts;
use crate::wire::Dialect;

/// A queue behind the admin API.
#[derive(Clone)]
pub struct Remote<'a> {
    pub(super) api: &'a Api,
    pub(super) name: String,
    /// The reason that goes with every write.
    pub(super) why: Option<String>,
    /// The layout, where a person has named one.
    pub(super) dialect: Option<Dialect>,
}

impl<'a> Remote<'a> {
    pub(super) fn new(api: &'a Api, name: &str) -> Self {
        Self { api, name: name.to_owned(), why: None, dialect: None }
    }

    /// The queue as the API shows it; `None` = there is none.
    pub(super) async fn page_if_any(&self) -> Result<Option<Value>, CliError> {
        absent(self.page().await)
    }

    pub(super) async fn page(&self) -> Result<Value, CliError> {
        self.get(&[], &[]).await
    }

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        below: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, CliError> {
        self.api.get(&self.path(below), query).await
    }

    /// A write that is not sent again once the server may have seen it.
    pub(super) async fn post<T: DeserializeOwned>(&self, below: &[&str], body: Value) -> Result<T, CliError> {
        self.send(Method::POST, below, body, Again::Unseen).await
    }

    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        below: &[&str],
        body: Value,
        again: Again,
    ) -> Result<T, CliError> {
        let (path, body, key) = (self.path(below), self.with_reason(body), new_key());
        self.api.write(method, (&path, &[]), &body, Some(&key), again).await
    }

    /// The body of a write with the reason that was given.
    pub(super) fn with_reason(&self, body: Value) -> Value {
        let mut members = if let Value::Object(members) = body { members } else { Map::new() };
        if let Some(why) = &self.why {
            members.insert("reason".into(), json!(why));
        }
        Value::Object(members)
    }

    pub(super) fn path<'b>(&'b self, below: &[&'b str]) -> Vec<&'b str> {
        ["queues", &self.name].into_iter().chain(below.iter().copied()).collect()
    }

    /// Counts, whether it is paused, and its layout.
    pub(super) async fn facts(&self) -> Result<(Counts, bool, Dialect), CliError> {
        let page = self.page().await?;
        let counts = serde_json::from_value(page["counts"].clone()).map_err(|_| {
            let why = page["problem"].as_str().unwrap_or("its counts are not known").to_owned();
            CliError::new(crate::cli::error::Exit::Conflict, why).at(&self.name)
        })?;
        let dialect = page["dialect"].as_str().and_then(|word| Dialect::parse(word).ok());
        Ok((counts, page["paused"] == true, dialect.or(self.dialect).unwrap_or(Dialect::Bull)))
    }
}

/// The names of all queues that the token may see.
pub async fn names(api: &Api) -> Result<Vec<String>, CliError> {
    let list: Value = api.get(&["queues"], &[]).await?;
    let items = list["items"].as_array().into_iter().flatten();
    Ok(items.filter_map(|item| item["name"].as_str().map(str::to_owned)).collect())
}
