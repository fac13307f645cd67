//! `PREFIX:QUEUE`, as people name a queue together with its prefix.

use std::fmt;

use crate::cli::error::CliError;
use crate::wire::Keys;
use crate::wire::keys::check_name;

/// A queue under its prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) prefix: String,
    pub(super) queue: String,
}

impl Place {
    /// What the names of its keys begin with.
    pub(super) fn base(&self) -> String {
        Keys::new(&self.prefix, &self.queue).base.to_string()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.prefix, self.queue)
    }
}

/// A Bull 4 queue. Its name may have colons, and so may the prefix: if the text begins with the prefix that `--prefix`
/// names, that is it; else the name follows the last colon. (The queue's keys are the same either way.)
pub(super) fn source(text: &str, prefix: &str) -> Result<Place, CliError> {
    let named = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix(':'));
    checked(named.map(|queue| (prefix, queue)).or_else(|| text.rsplit_once(':')), text, "--from")
}

/// A `BullMQ` queue: names have no colon, prefixes may.
pub(super) fn target(text: &str) -> Result<Place, CliError> {
    checked(text.rsplit_once(':'), text, "--to")
}

fn checked(parts: Option<(&str, &str)>, text: &str, flag: &str) -> Result<Place, CliError> {
    let (prefix, queue) =
        parts.filter(|(prefix, queue)| !prefix.is_empty() && !queue.is_empty()).ok_or_else(|| {
            CliError::usage("the queue is named together with its prefix")
                .at(flag)
                .found(text)
                .expected("PREFIX:QUEUE, such as bull:orders")
        })?;
    check_name("prefix", prefix)
        .and_then(|()| check_name("queue name", queue))
        .map_err(|problem| CliError::usage(problem).at(flag))?;
    Ok(Place { prefix: prefix.to_owned(), queue: queue.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::{Place, source, target};

    fn place(prefix: &str, queue: &str) -> Place {
        Place { prefix: prefix.into(), queue: queue.into() }
    }

    #[test]
    fn a_queue_is_what_follows_the_last_colon_or_a_prefix_that_was_named() {
        assert_eq!(source("bull:orders", "bull"), Ok(place("bull", "orders")));
        assert_eq!(source("bull:woo:customers", "bull"), Ok(place("bull", "woo:customers")));
        assert_eq!(source("shop:eu:orders", "bull"), Ok(place("shop:eu", "orders")));
        assert_eq!(source("shop:eu:orders", "shop"), Ok(place("shop", "eu:orders")));
        assert_eq!(target("bull:eu:orders"), Ok(place("bull:eu", "orders")));
        assert_eq!(target("{mq}:orders"), Ok(place("{mq}", "orders")));
    }

    #[test]
    fn a_queue_without_its_prefix_is_refused() {
        for text in ["orders", ":orders", "mq:", "", "a b:orders"] {
            assert!(target(text).is_err() && source(text, "bull").is_err(), "{text}");
        }
    }
}
