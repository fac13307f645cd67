//! The requests of a worker's lane, which may be sent twice.

use bullock::job::options::Keep;
use bullock::job::outcome::Fate;
use bullock::store::claim::ClaimRequest;
use bullock::store::finish::{Completion, FailedRun, Verdict};

use super::model::METRICS_POINTS;
use super::runs::{ATTEMPTS, DEFERRALS_MAX, DELAY_MS};
use super::step::{Back, Failure};
use super::world::{Checked, World, same};
use crate::ground::{LEASE_MS, back, completion, failed};

/// A request that may be sent again, with its answer.
pub enum Sent {
    Claim { tokens: Vec<String>, may_take_suspect: bool, got: Vec<(String, String)> },
    Complete { id: String, token: String, keep: bool, answer: Verdict },
    Fail { id: String, token: String, how: Failure, lifo: bool, keep: bool, made: u32, answer: Verdict },
    HandBack { id: String, token: String, how: Back, answer: Verdict },
}

fn keeping(keep: bool) -> Keep {
    if keep { Keep::All } else { Keep::None }
}

impl World {
    /// Which jobs, with the tokens that hold them.
    pub(super) async fn send_claim(
        &self,
        tokens: &[String],
        may_take_suspect: bool,
    ) -> Vec<(String, String)> {
        let request = ClaimRequest {
            lease_ms: LEASE_MS,
            busy: true,
            worker: "",
            limiter: None,
            tokens,
            may_take_suspect,
        };
        let claimed = self.store().claim(&self.lane, &request).await.expect("claim");
        claimed.jobs.iter().map(|job| (job.id.to_string(), tokens[job.token_index].clone())).collect()
    }

    pub(super) async fn send_complete(&self, id: &str, token: &str, keep: bool) -> Verdict {
        let run = Completion { keep: keeping(keep), ..completion(id, token) };
        self.store().complete(&self.lane, LEASE_MS, METRICS_POINTS, &[run]).await.expect("complete")[0]
    }

    pub(super) async fn send_failure(
        &self,
        id: &str,
        token: &str,
        how: Failure,
        lifo: bool,
        keep: bool,
        made: u32,
    ) -> Verdict {
        let fate = match how {
            Failure::Again => Fate::RetryNow,
            Failure::Delayed => Fate::Delay(DELAY_MS),
            Failure::ForGood | Failure::Cancelled | Failure::Unrun => Fate::Bury,
        };
        let run = FailedRun {
            keep: keeping(keep),
            lifo,
            attempts_made: made,
            attempts: ATTEMPTS,
            spends_attempt: !matches!(how, Failure::Unrun),
            class: if matches!(how, Failure::Cancelled) { "cancelled" } else { "error" },
            ..failed(id, token, fate)
        };
        self.store().fail(&self.lane, LEASE_MS, METRICS_POINTS, &[run]).await.expect("fail")[0]
    }

    pub(super) async fn send_back(&self, id: &str, token: &str, how: Back) -> Verdict {
        let mut run = back(id, token, (!matches!(how, Back::ToWaiting)).then_some(DELAY_MS.cast_unsigned()));
        run.max_deferrals = matches!(how, Back::Deferred).then_some(DEFERRALS_MAX as u32);
        self.store().hand_back(&self.lane, LEASE_MS, 0, &[run]).await.expect("hand back")[0]
    }

    /// The last request once more: the same answer, and nothing changes.
    pub(super) async fn send_again(&mut self) -> Checked {
        match &self.last {
            None => Ok(()),
            Some(Sent::Claim { tokens, may_take_suspect, got }) => {
                let found = self.send_claim(tokens, *may_take_suspect).await;
                let ids: Vec<String> = found.into_iter().map(|(id, _)| id).collect();
                same("claim sent again", &ids, &self.model.claim_again(got))
            }
            Some(Sent::Complete { id, token, keep, answer }) => {
                same("complete sent again", &self.send_complete(id, token, *keep).await, answer)
            }
            Some(Sent::Fail { id, token, how, lifo, keep, made, answer }) => {
                let found = self.send_failure(id, token, *how, *lifo, *keep, *made).await;
                same("fail sent again", &found, answer)
            }
            Some(Sent::HandBack { id, token, how, answer }) => {
                same("hand back sent again", &self.send_back(id, token, *how).await, answer)
            }
        }
    }
}
