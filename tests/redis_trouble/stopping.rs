//! A worker that is told to stop, and a Redis that takes no ends of jobs.

use std::time::{Duration, Instant};

use crate::rig::{BOTH, Rig, stop};
use crate::support::proxy::Lose;
use crate::support::wait;

const LEASE: Duration = Duration::from_secs(2);
const RENEW: Duration = Duration::from_millis(500);
const GRACE: Duration = Duration::from_secs(1);
/// Beyond the grace and a lease: a busy machine.
const SLACK: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_stop_waits_no_longer_than_the_grace_and_a_lease_for_ends_that_redis_never_takes() {
    for dialect in BOTH {
        for (script, ms) in [("complete", 100), ("hand_back", 60_000)] {
            let rig = Rig::start(dialect).await;
            let plan = rig.plan().lease(LEASE, RENEW).shutdown_grace(GRACE);
            let worker = plan.start().await.unwrap();
            // Leases are renewed all the while: only this never gets through.
            rig.proxy.lose(Lose::next(&rig.sha(script)).request_too().always());
            let id = rig.add(ms).await;
            rig.record.start_of(&id).await;
            if script == "complete" {
                wait::until("a loss", async || rig.proxy.lost() > 0).await;
            }
            let began = Instant::now();
            tokio::time::timeout(GRACE + LEASE + SLACK, stop(worker)).await.expect("an end of the stop");
            println!("{dialect:?}, {script}: the stop took {:?}", began.elapsed());
            assert!(rig.proxy.lost() > 0);
            // What could not be written is for another worker.
            rig.proxy.lose(Lose::next("no such request"));
            let db = rig.db().await;
            let active: Vec<String> = db.ask(redis::cmd("LRANGE").arg(db.key("active")).arg(0).arg(-1)).await;
            assert_eq!(active, [id]);
        }
    }
}
