//! What people and Node programs do, done to the queue and to the model.

use std::time::Duration;

use bullock::store::control::CleanState;
use bullock::store::zombies::{Act, Limits};

use super::people::{NODE, SORTS, ZOMBIE_MS};
use super::step::Step;
use super::world::{Checked, World, actor, same};
use crate::ground::P;

impl World {
    pub(super) async fn act(&mut self, step: &Step) -> Checked {
        let possible = self.model.possible(step);
        let named = |id: u8| self.id(id, &possible);
        let id = match step {
            Step::PromoteJob { id }
            | Step::Retry { id, .. }
            | Step::Remove { id }
            | Step::NodeRemoves { id }
            | Step::NodeStarts { id }
            | Step::Cancel { id, .. }
            | Step::ForceDone { id }
            | Step::Mend { id, .. } => named(*id),
            _ => String::new(),
        };
        let (store, model) = (self.by_kim(), &mut self.model);
        match step {
            Step::PromoteJob { .. } => {
                same("promote", &store.promote_job("t", &id).await.expect("promote"), &model.promote_one(&id))
            }
            Step::Pause(pause) => {
                same("pause", &store.pause(*pause).await.expect("pause"), &model.pause(*pause))
            }
            Step::Retry { lifo, .. } => {
                same("retry", &store.retry("t", &id, *lifo).await.expect("retry"), &model.retry(&id, *lifo))
            }
            Step::RetryAll => {
                same("retry all", &store.retry_all(100).await.expect("retry all"), &model.retry_all())
            }
            Step::Remove { .. } => {
                same("remove", &store.remove(&[&id], true).await.expect("remove"), &vec![model.remove(&id)])
            }
            Step::Cancel { kill, .. } => {
                let sent = if *kill {
                    store.kill(&actor(), &[&id]).await
                } else {
                    store.cancel(&actor(), &[&id]).await
                };
                same("cancel", &sent.expect("cancel"), &vec![model.cancel(&id, *kill)])
            }
            Step::ForceDone { .. } => {
                let done = store.force_done(&actor(), &id).await.expect("force done");
                same("force done", &done, &model.force_done(&id))
            }
            Step::Mend { requeue, sort, from_live_runs, .. } => {
                let sort = SORTS[usize::from(*sort)];
                let zombie_for = Duration::from_millis(ZOMBIE_MS.cast_unsigned());
                let limits =
                    Limits { silent: zombie_for, overdue: zombie_for, from_live_runs: *from_live_runs };
                let act = if *requeue { Act::Requeue } else { Act::Fail };
                let acted = store.mend_zombie(&actor(), act, sort, &id, &limits).await.expect("mend");
                same("mend", &acted, &model.mend(&id, *requeue, sort, *from_live_runs))
            }
            Step::Drain => same("drain", &store.empty().await.expect("drain"), &model.drain()),
            Step::Clean { state } => {
                use CleanState::{Active, Completed, Delayed, Failed, Paused, Wait};
                let state = [Completed, Failed, Delayed, Wait, Active, Paused][usize::from(*state)];
                let gone = store.clean(state, 0, 0).await.expect("clean");
                let gone: Vec<String> = gone.iter().map(ToString::to_string).collect();
                same("clean", &gone, &model.clean(state))
            }
            Step::NodeRemoves { .. } => {
                if model.node_removes(&id) {
                    self.remove_as_node(&id).await;
                }
                Ok(())
            }
            Step::NodeStarts { .. } => {
                if let Some(stalls) = model.node_starts(&id) {
                    self.start_as_node(&id, stalls).await;
                }
                Ok(())
            }
            other => unreachable!("{other:?} is no act of a person"),
        }
    }

    pub(super) async fn start_as_node(&mut self, id: &str, stalls: i64) {
        let (key, now) = (format!("{P}{id}"), self.model.now.to_string());
        for list in ["wait", "active"] {
            self.command(&["LREM", &format!("{P}{list}"), "0", id]).await;
        }
        self.command(&["LPUSH", &format!("{P}active"), id]).await;
        self.command(&["SET", &format!("{key}:lock"), NODE, "PX", "30000"]).await;
        self.command(&["SREM", &format!("{P}stalled"), id]).await;
        self.command(&["HSET", &key, "processedOn", &now]).await;
        let counter = if self.model.is_bull() { "stalledCounter" } else { "stc" };
        if stalls > 0 {
            self.command(&["HSET", &key, counter, &stalls.to_string()]).await;
        }
        if self.model.is_bull() {
            self.command(&["ZREM", &format!("{P}priority"), id]).await;
        } else {
            self.command(&["HINCRBY", &key, "ats", "1"]).await;
        }
    }

    pub(super) async fn remove_as_node(&mut self, id: &str) {
        for list in ["wait", "paused", "active"] {
            self.command(&["LREM", &format!("{P}{list}"), "0", id]).await;
        }
        for set in ["delayed", "completed", "failed", "priority", "prioritized"] {
            self.command(&["ZREM", &format!("{P}{set}"), id]).await;
        }
        self.command(&["DEL", &format!("{P}{id}"), &format!("{P}{id}:logs")]).await;
    }
}
