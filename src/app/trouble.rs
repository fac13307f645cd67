//! What keeps this process from taking jobs, in words for `/readyz`. Written by the observer and the watch over the
//! server's settings, read by the admin server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Clones share it.
#[derive(Clone, Default)]
pub(super) struct Troubles(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    queues: HashMap<String, String>,
    redis: Option<String>,
}

impl Troubles {
    /// A queue met an error of the store, or is over it.
    pub(super) fn queue(&self, queue: &str, problem: Option<&str>) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match problem {
            Some(problem) => inner.queues.insert(queue.to_owned(), without_details(problem).to_owned()),
            None => inner.queues.remove(queue),
        };
    }

    /// The server keeps us from starting or its settings endanger jobs, or neither.
    pub(super) fn redis(&self, problem: Option<String>) {
        let problem = problem.map(|problem| without_details(&problem).to_owned());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).redis = problem;
    }

    /// Reasons by queue, and that of the server.
    pub(super) fn read(&self) -> (HashMap<String, String>, Option<String>) {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (inner.queues.clone(), inner.redis.clone())
    }
}

/// Probes are open to all: what a server or a system said stays out, it may name addresses and users. The name of a key
/// of the wrong type stays in.
fn without_details(problem: &str) -> &str {
    match problem.split_once(": ") {
        Some((what, _)) if what.starts_with("redis ") || what.starts_with("unexpected reply") => what,
        _ => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::Troubles;

    #[test]
    fn a_reason_names_the_key_but_neither_address_nor_user() {
        let troubles = Troubles::default();
        troubles.queue("a", Some("bull:a:wait is a string, expected a list"));
        troubles.queue("b", Some("redis refused (rights): NOPERM User bob has no permissions"));
        let (queues, _) = troubles.read();
        assert_eq!(queues["a"], "bull:a:wait is a string, expected a list");
        assert_eq!(queues["b"], "redis refused (rights)");
    }
}
