//! Who held which job when, from what Redis told: the truth about leases.

use std::collections::HashMap;

use crate::monitor::{Seen, UNSEEN, What};

/// Redis looks at its clock in ms, and MONITOR says when a command was told: they may differ by this much.
const SLACK_MS: f64 = 5.0;

/// A server that dies may have answered a claim and not yet told the judge of it: so long before its death, busy as it is.
const UNTOLD_MS: f64 = 100.0;

/// One lock of one job, from its writing to its end.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub token: String,
    pub from: f64,
    /// When it was written or prolonged last.
    pub renewed: f64,
    /// When it runs out unless it is prolonged, at the earliest and at the latest: the server's clock is read somewhere
    /// between the beginning of a script and what it tells of.
    pub until: f64,
    pub until_at_most: f64,
    /// When it was let go before that, by which call and script.
    pub released: Option<(f64, u64, Option<&'static str>)>,
    /// Another token took the lock while it was held.
    pub was_robbed: bool,
}

impl Grant {
    /// Whether it, being the last one, may still be held in the eyes of a script that began then. A script sees the clock
    /// of its beginning, however long the server is kept from going on with it.
    fn is_held(&self, began: f64) -> bool {
        self.released.is_none() && began < self.until_at_most + SLACK_MS
    }

    /// When it ended.
    pub(crate) fn end(&self) -> f64 {
        self.released.map_or(self.until, |(end, ..)| end)
    }
}

/// A write that names a run.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub at: f64,
    pub field: &'static str,
    pub run: String,
    /// Who held the job then; `None` = nobody.
    pub holder: Option<String>,
}

/// Everything about one job.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tale {
    /// In order.
    pub grants: Vec<Grant>,
    pub writes: Vec<Written>,
    /// From the death of a server to the time when the next one was watched, where that one has the job as not ended.
    deaths: Vec<(f64, f64)>,
}

/// The tales of all jobs.
pub(crate) fn tales(seen: &[Seen]) -> HashMap<String, Tale> {
    let mut tales = HashMap::<String, Tale>::new();
    for one in seen {
        tales.entry(one.job.clone()).or_default().add(one);
    }
    tales
}

impl Tale {
    fn add(&mut self, seen: &Seen) {
        let at = seen.at;
        let last = self.grants.last_mut();
        match &seen.what {
            What::Lock { token, ms } => {
                let (until, until_at_most) = (seen.began + ms, at + ms);
                match last {
                    // BullMQ and Bull renew by writing the lock anew.
                    Some(grant) if grant.token == *token && grant.is_held(seen.began) => {
                        (grant.renewed, grant.until, grant.until_at_most) = (at, until, until_at_most);
                    }
                    last => {
                        if let Some(grant) = last {
                            grant.was_robbed = grant.released.is_none() && at + SLACK_MS < grant.until;
                        }
                        let (token, released) = (token.clone(), None);
                        self.grants.push(Grant {
                            token,
                            from: at,
                            renewed: at,
                            until,
                            until_at_most,
                            released,
                            was_robbed: false,
                        });
                    }
                }
            }
            What::Prolong { ms } => {
                if let Some(grant) = last.filter(|grant| grant.is_held(seen.began)) {
                    (grant.renewed, grant.until, grant.until_at_most) = (at, seen.began + ms, at + ms);
                }
            }
            What::Unlock => {
                if let Some(grant) = last.filter(|grant| grant.is_held(seen.began)) {
                    grant.released = Some((at, seen.call, seen.script));
                }
            }
            What::MayBeUndone { since, died } => {
                self.deaths.push((*died, at));
                let undone = self.grants.iter_mut().filter_map(|grant| grant.released.as_mut());
                for (_, _, script) in undone.filter(|(at, ..)| at >= since) {
                    *script = Some(UNSEEN);
                }
            }
            What::Write { field, run } => {
                // A script that ends a run lets the lock go first: the run it belonged to is still the holder.
                let of_this_call = |grant: &&mut Grant| {
                    grant.released.is_some_and(|(_, call, _)| call == seen.call) || grant.is_held(seen.began)
                };
                let holder = last.filter(of_this_call).map(|grant| grant.token.clone());
                self.writes.push(Written { at, field, run: run.clone(), holder });
            }
        }
    }

    /// Whether the claim of a run that began then may have died with its server, which no one was told of.
    pub(crate) fn may_be_untold(&self, start: i64) -> bool {
        self.deaths.iter().any(|(died, over)| (died - UNTOLD_MS..*over).contains(&(start as f64)))
    }

    /// The grant that a run worked under: by its token, or else the last one before it began.
    pub(crate) fn grant_of(&self, token: Option<&str>, start: i64) -> Option<usize> {
        match token {
            // A token that is used for several runs (Node's are): the last one that had begun.
            Some(token) => self
                .grants
                .iter()
                .rposition(|grant| grant.token == token && grant.from <= start as f64 + 1.0 + SLACK_MS),
            None => self.grants.iter().rposition(|grant| grant.from <= start as f64 + 1.0),
        }
    }
}
