//! Which of the two families of queues this is.

use std::sync::Arc;

use super::bull::{self, ClaimedFields, Undecodable};
use super::bullmq;
use crate::job::{Job, JobId, Options};

/// The layout of a queue's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// npm `bull` 4.
    Bull,
    /// npm `bullmq` 5 and 6.
    BullMq,
}

impl Dialect {
    /// The word used in config, CLI and API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bull => "bull",
            Self::BullMq => "bullmq",
        }
    }

    /// A claimed hash as a job.
    pub fn decode(self, queue: &Arc<str>, id: JobId, fields: ClaimedFields) -> Result<Job, Undecodable> {
        match self {
            Self::Bull => bull::decode(queue, id, fields),
            Self::BullMq => bullmq::decode(queue, id, fields),
        }
    }

    /// The stored options of a job, by the names and rules of this dialect.
    pub fn options(self, text: &str) -> Result<Options, String> {
        match self {
            Self::Bull => Options::parse(text),
            Self::BullMq => Options::parse_bullmq(text),
        }
    }

    /// The dialect of a word.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(word: &str) -> Result<Self, String> {
        match word {
            "bull" => Ok(Self::Bull),
            "bullmq" => Ok(Self::BullMq),
            _ => Err("expected bull or bullmq".into()),
        }
    }

    /// The library whose options and words these are.
    pub fn owner(self) -> &'static str {
        match self {
            Self::Bull => "Bull",
            Self::BullMq => "BullMQ",
        }
    }

    /// The family by its name.
    pub fn family(self) -> &'static str {
        match self {
            Self::Bull => "Bull 4",
            Self::BullMq => "BullMQ",
        }
    }
}
