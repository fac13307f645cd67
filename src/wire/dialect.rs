//! Which of the two families of queues this is.

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
}
