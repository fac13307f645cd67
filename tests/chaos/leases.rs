//! The judge's second half: whether every run had a lease, and every run that came again a reason.

use crate::judge::{Case, Class, Judgement};
use crate::locks::{Grant, Written};
use crate::monitor::UNSEEN;
use crate::recorder::{As, Run};

/// A start is written down a moment after the claim, and by another clock reading.
const SLACK_MS: f64 = 5.0;

impl Case<'_> {
    fn job(&self) -> &str {
        &self.added.design.id
    }

    /// Runs, leases and writes.
    pub(super) fn ran(&self, judgement: &mut Judgement) {
        self.is_never_early(judgement);
        self.leases_follow_one_another(judgement);
        self.repeats_are_explained(judgement);
        for written in &self.tale.writes {
            self.is_by_the_holder(written, judgement);
        }
    }

    fn is_never_early(&self, judgement: &mut Judgement) {
        let due = self.added.at + self.added.design.delay_ms.cast_signed();
        if let Some(run) = self.runs.first()
            && run.start < due
        {
            let why = format!("it was due at {due}, and ran at {}", run.start);
            judgement.found(Class::Early, self.job(), run.by == "node", why);
        }
    }

    fn run_of(&self, grant: usize) -> Option<&Run> {
        let of = |run: &&&Run| self.tale.grant_of(run.token.as_deref(), run.start) == Some(grant);
        self.runs.iter().find(of).copied()
    }

    /// A lock ends by running out, or because its run has ended.
    fn leases_follow_one_another(&self, judgement: &mut Judgement) {
        for (number, grant) in self.tale.grants.iter().enumerate() {
            let run = self.run_of(number);
            if grant.was_robbed {
                let next = &self.tale.grants[number + 1];
                // npm bull locks a job that it popped long ago without a look whether somebody has put it back to
                // waiting since, where anybody may take it.
                let by_peer = [number, number + 1]
                    .iter()
                    .any(|one| self.run_of(*one).is_some_and(|run| run.by == "node"));
                let why = format!(
                    "{} took it at {:.0}, {:.0} ms before the lease of {} was over",
                    next.token,
                    next.from,
                    grant.until - next.from,
                    grant.token
                );
                judgement.found(Class::DoubleLease, self.job(), by_peer, why);
            }
            let Some((at, _, script)) = grant.released else { continue };
            if script == Some(UNSEEN) {
                continue;
            }
            // Let go while the handler was at work: somebody ended a run that was not his.
            if let Some(run) = run
                && run.end.is_none_or(|(end, _)| end as f64 > at + SLACK_MS)
                && self.tale.grants.iter().rposition(|other| other.token == grant.token) == Some(number)
            {
                let script = script.unwrap_or("another script");
                let why = format!("{script} let the lock of {} go at {at:.0}, while it was at work", run.id);
                judgement.found(Class::Unexplained, self.job(), run.by == "node", why);
            }
        }
    }

    /// Two runs of one attempt need a lease that expired in between.
    fn repeats_are_explained(&self, judgement: &mut Judgement) {
        let mut is_duplicated = false;
        for (place, run) in self.runs.iter().enumerate() {
            let by_peer = run.by == "node";
            let Some(own) = self.tale.grant_of(run.token.as_deref(), run.start) else {
                if !self.tale.may_be_untold(run.start) {
                    let why = format!("{} ran, and never held the job", run.id);
                    judgement.found(Class::Unexplained, self.job(), by_peer, why);
                }
                continue;
            };
            if run.start as f64 > self.tale.grants[own].end() + SLACK_MS {
                judgement.late_starts += 1;
            }
            let mut is_repeat = false;
            let before = self.runs[..place].iter().filter(|other| other.attempt == run.attempt);
            for other in before {
                is_duplicated |=
                    [run, other].iter().all(|one| one.end.is_some_and(|(_, how)| how != As::Dropped));
                let others = self.tale.grant_of(other.token.as_deref(), other.start);
                match others.map(|others| self.is_over(others, own)) {
                    Some(Ok(())) => is_repeat = true,
                    Some(Err(why)) => {
                        let why =
                            format!("attempt {} ran as {} and as {}: {why}", run.attempt, other.id, run.id);
                        judgement.found(Class::Unexplained, self.job(), by_peer || other.by == "node", why);
                    }
                    None => {}
                }
            }
            judgement.rerun += usize::from(is_repeat);
        }
        judgement.duplicated += usize::from(is_duplicated);
    }

    /// Whether the lease of one grant expired before the other was given, or it was handed back; in either order.
    fn is_over(&self, one: usize, other: usize) -> Result<(), String> {
        let (first, second) = (one.min(other), one.max(other));
        if first == second {
            return Err("both on the same lease".into());
        }
        let grant: &Grant = &self.tale.grants[first];
        match grant.released {
            None if grant.until <= self.tale.grants[second].from + SLACK_MS => Ok(()),
            None => Err("the first lease was not over".into()),
            Some((_, _, Some("hand_back" | UNSEEN))) => Ok(()),
            Some((at, _, script)) => Err(format!(
                "the first lease was let go at {at:.0} by {}",
                script.unwrap_or("a foreign script")
            )),
        }
    }

    fn is_by_the_holder(&self, written: &Written, judgement: &mut Judgement) {
        let Some(run) = self.runs.iter().find(|run| run.id == written.run) else {
            let why = format!("{} of {}, which nobody knows", written.field, written.run);
            judgement.found(Class::StaleWrite, self.job(), false, why);
            return;
        };
        let own = self.tale.grant_of(run.token.as_deref(), run.start);
        let token = own.map(|own| &self.tale.grants[own].token);
        if written.holder.as_ref() != token || token.is_none() {
            let holder = written.holder.as_deref().unwrap_or("nobody");
            let why = format!(
                "{} wrote {} at {:.0}, when {holder} held the job",
                run.id, written.field, written.at
            );
            judgement.found(Class::StaleWrite, self.job(), run.by == "node", why);
        }
    }
}
