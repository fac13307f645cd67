//! The door to Redis of a call within a run: its log is the job's log, its progress is nobody's.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use super::{BoxFuture, RunWriter, WriteError};

/// Passes on what belongs to the job, and swallows what would stand in the caller's way: a call within a run commits nothing.
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

    fn last_callback(&self) -> BoxFuture<'_, Result<Option<Duration>, WriteError>> {
        self.0.last_callback()
    }
}
