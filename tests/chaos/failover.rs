//! A master dies under load, and sentinels put its replica in its place.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::faults::{keep_port, tell_locks};
use crate::recorder::now_ms;
use crate::run::QUEUE;
use crate::scan;
use crate::world::{Server, World};

/// How far a replica may be behind: what it lacks is lost with the master, unless somebody waited for it.
const LAG_MS: i64 = 2_000;

/// Kills the master, or stops it until another has its place and kills it then. It comes back as the new one's replica,
/// `lasts` later. Nobody gets at the new master before the judge watches it.
pub(crate) async fn fail_over(world: &World, is_stopped: bool, lasts: Duration) {
    let mut redis = world.redis.lock().await;
    let Server::Watched(watched) = &mut *redis else { unreachable!("nobody takes its place") };
    let old = watched.master().await;
    let new = 1 - old;
    // Without a replica that is well there is nobody to take over.
    watched.is_replicated(old, 1).await;
    watched.is_settled(old, 1).await;
    for network in &world.networks {
        network.refuse_to(new);
    }
    let died = now_ms();
    if is_stopped {
        watched.servers[old].freeze();
    } else {
        tokio::task::block_in_place(|| watched.servers[old].crash());
    }
    assert_eq!(watched.other_than(old).await, new, "there are two servers");
    if is_stopped {
        tokio::task::block_in_place(|| watched.servers[old].crash());
    }
    world.failovers.fetch_add(1, Ordering::SeqCst);
    let port = watched.servers[new].port();
    world.port.store(port, Ordering::SeqCst);
    world.monitor.follow_to(port).await;
    let unfinished = scan::unfinished_jobs(&mut world.own_connection().await, world.dialect, QUEUE).await;
    world.monitor.may_have_lost(unfinished, died - LAG_MS, died);
    tell_locks(world).await;
    for network in &world.networks {
        network.leads_to(new);
        network.pass();
    }
    keep_port(watched.servers[old].port(), lasts).await;
    tokio::task::block_in_place(|| watched.comes_back(old, new));
    watched.is_replicated(new, 1).await;
}
