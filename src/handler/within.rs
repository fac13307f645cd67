//! The door to Redis of a call within a run: its log is the job's log, its progress is nobody's.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use super::commit::{Commit, Due};
use super::{BoxFuture, RunWriter, WriteError};

/// Passes on what belongs to the job, and swallows what would stand in the caller's way.
pub(super) struct Within(pub Arc<dyn RunWriter>);

impl RunWriter for Within {
    fn progress(&self, _value: Box<RawValue>) -> BoxFuture<'_, Result<(), WriteError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn log(&self, line: String) -> BoxFuture<'_, Result<(), WriteError>> {
        self.0.log(line)
    }

    fn update_data(&self, _value: Box<RawValue>) -> BoxFuture<'_, Result<(), WriteError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn checkpoint(&self, _value: Box<RawValue>) -> BoxFuture<'_, Result<(), WriteError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn commit<'a>(&'a self, _commit: &'a Commit) -> BoxFuture<'a, Result<(), WriteError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn plan(&self) -> BoxFuture<'_, Result<Option<String>, WriteError>> {
        self.0.plan()
    }

    fn due(&self, most: usize) -> BoxFuture<'_, Result<Due, WriteError>> {
        self.0.due(most)
    }

    fn notes<'a>(&'a self, ids: &'a [String]) -> BoxFuture<'a, Result<Vec<Option<String>>, WriteError>> {
        self.0.notes(ids)
    }

    fn seen<'a>(&'a self, ids: &'a [String]) -> BoxFuture<'a, Result<Vec<bool>, WriteError>> {
        self.0.seen(ids)
    }

    fn last_callback(&self) -> BoxFuture<'_, Result<Option<Duration>, WriteError>> {
        self.0.last_callback()
    }
}
