//! Who did it: every act of a person is written into the queue's audit log by the script that does it.

/// Who acts on a job or a queue, from where, and why. Empty texts are "not said".
///
/// # Examples
///
/// ```
/// use bullock::store::actor::Actor;
/// let actor = Actor { by: "kim".into(), from: "cli@shop-1".into(), why: "the shop asked for it".into() };
/// assert_eq!(actor.args(), ["kim", "cli@shop-1", "the shop asked for it"]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actor {
    /// A user or the name of a token.
    pub by: String,
    /// The way in and the machine: `cli@host`, `api@address`.
    pub from: String,
    /// The reason given.
    pub why: String,
}

impl Actor {
    /// As the scripts take it: by, from, why.
    pub fn args(&self) -> [&str; 3] {
        [&self.by, &self.from, &self.why]
    }
}
