//! A person's act on its way to Redis: with an actor it leaves a line in the queue's audit log, in the same step.
//!
//! Owns: how the arguments of `lua/audited.lua` are put behind those of an act. Must never know: what the acts do. Used by
//! the functions of this room that a person's act goes through.

use std::sync::Arc;

use redis::{Cmd, ToRedisArgs, Value};

use super::actor::Actor;
use super::script::Script;
use super::{Store, StoreError};

/// What an act must find, and when it counts as done; see `lua/audited.lua`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Terms<'a> {
    /// The act's name in the log.
    pub(super) what: &'a str,
    /// The job; empty = the queue.
    pub(super) job: &'a str,
    /// The reply that means that something was changed.
    pub(super) done: &'a str,
    /// Words of states with blanks around; empty = any.
    pub(super) states: &'a str,
    /// Its etag; empty = any.
    pub(super) etag: &'a str,
}

/// One call being put together.
pub(super) struct Act<'a> {
    store: &'a Store,
    script: &'a Script,
    call: Cmd,
    actor: Option<Arc<Actor>>,
}

impl Store {
    /// Begins an act.
    pub(super) fn act<'a>(&'a self, script: &'a Script) -> Act<'a> {
        let script = if self.actor.is_some() { script.audited() } else { script };
        Act { store: self, script, call: script.call(&self.keys), actor: self.actor.clone() }
    }

    /// Begins one whose terms are looked at whoever acts.
    pub(super) fn act_on_terms<'a>(&'a self, script: &'a Script) -> Act<'a> {
        let script = script.audited();
        let actor = self.actor.clone().unwrap_or_default();
        Act { store: self, script, call: script.call(&self.keys), actor: Some(actor) }
    }
}

impl Act<'_> {
    /// Adds an argument.
    pub(super) fn arg(&mut self, arg: impl ToRedisArgs) -> &mut Self {
        self.call.arg(arg);
        self
    }

    /// The command itself, for arguments that others push.
    pub(super) fn call(&mut self) -> &mut Cmd {
        &mut self.call
    }

    /// Sends it. Without an actor the terms are not looked at.
    pub(super) async fn run(mut self, terms: Terms<'_>) -> Result<Value, StoreError> {
        if let Some(actor) = &self.actor {
            self.call.arg(terms.what).arg(terms.job).arg(terms.done).arg(terms.states).arg(terms.etag);
            self.call.arg(&actor.args());
        }
        self.script.run(&self.store.connection, &self.call).await
    }
}
