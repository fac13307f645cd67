//! Which fault happens when and to whom, from the seed alone.

use std::fmt;

use crate::seed::Draws;

/// What is done to a process, to its network, or to Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Fault {
    /// SIGKILL to a worker, which is started again.
    Kill,
    /// SIGSTOP, and SIGCONT after `ms`.
    Stop,
    /// A script of this process is executed, its reply lost and the connection closed.
    CutReply,
    /// The open connections of this process fall silent for good; new ones pass.
    Blackhole,
    /// Nothing of this process' network moves for `ms`; then all of it arrives, late.
    Hold,
    /// All connections to Redis but the judge's are killed by the server.
    ClientKill,
    /// The server forgets all scripts.
    ScriptFlush,
    /// The server's memory is full for `ms`.
    OutOfMemory,
    /// The server is a replica of nobody for `ms`.
    ReadOnly,
    /// The server is killed, and started again from its append-only file after `ms`.
    RedisKill,
    /// The master is killed; `ms` after another has taken its place it comes back as that one's replica.
    MasterKill,
    /// The master stands still, its connections open, until another has taken its place; then it is killed, and comes back
    /// as above.
    MasterStop,
}

/// How often each comes, of a hundred faults.
const SHARES: [(Fault, u64); 10] = [
    (Fault::Kill, 30),
    (Fault::Stop, 20),
    (Fault::CutReply, 15),
    (Fault::Blackhole, 5),
    (Fault::Hold, 5),
    (Fault::ClientKill, 5),
    (Fault::ScriptFlush, 5),
    (Fault::OutOfMemory, 5),
    (Fault::ReadOnly, 5),
    (Fault::RedisKill, 5),
];

/// The same in a group that sentinels watch. A server cannot be made a replica of nobody there: sentinels mend that.
const SHARES_WATCHED: [(Fault, u64); 10] = [
    (Fault::Kill, 30),
    (Fault::Stop, 20),
    (Fault::CutReply, 13),
    (Fault::Blackhole, 5),
    (Fault::Hold, 5),
    (Fault::ClientKill, 5),
    (Fault::ScriptFlush, 5),
    (Fault::OutOfMemory, 5),
    (Fault::MasterKill, 7),
    (Fault::MasterStop, 5),
];

impl Fault {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Fault::Kill => "SIGKILL",
            Fault::Stop => "SIGSTOP",
            Fault::CutReply => "reply cut",
            Fault::Blackhole => "blackhole",
            Fault::Hold => "network held",
            Fault::ClientKill => "CLIENT KILL",
            Fault::ScriptFlush => "SCRIPT FLUSH",
            Fault::OutOfMemory => "out of memory",
            Fault::ReadOnly => "READONLY",
            Fault::RedisKill => "redis killed",
            Fault::MasterKill => "master killed",
            Fault::MasterStop => "master stopped",
        }
    }

    /// Happens to one process and not to the server.
    pub(crate) fn is_of_a_process(self) -> bool {
        matches!(self, Fault::Kill | Fault::Stop | Fault::CutReply | Fault::Blackhole | Fault::Hold)
    }

    pub(crate) fn is_failover(self) -> bool {
        matches!(self, Fault::MasterKill | Fault::MasterStop)
    }

    /// How long it lasts, ms.
    fn lasts(self, lease_ms: u64, draws: &mut Draws) -> u64 {
        match self {
            Fault::Stop | Fault::Hold => draws.between(lease_ms / 2, lease_ms * 3),
            // Until it is started again.
            Fault::Kill => draws.between(50, 500),
            Fault::CutReply | Fault::Blackhole => 500,
            Fault::ClientKill | Fault::ScriptFlush => 0,
            Fault::OutOfMemory => draws.between(lease_ms / 2, lease_ms * 2),
            Fault::ReadOnly => draws.between(300, lease_ms),
            Fault::RedisKill | Fault::MasterKill | Fault::MasterStop => draws.between(300, 1500),
        }
    }
}

/// One fault of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    pub fault: Fault,
    /// ms after the beginning.
    pub at: u64,
    /// How long it lasts, ms.
    pub ms: u64,
    /// Number of the process; 0 and without meaning for faults of the server.
    pub target: usize,
}

impl fmt::Display for Planned {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:>7.3} s  {}", self.at as f64 / 1000.0, self.fault.name())?;
        if self.fault.is_of_a_process() {
            write!(out, " of process {}", self.target)?;
        }
        if self.ms > 0 {
            write!(out, " for {} ms", self.ms)?;
        }
        Ok(())
    }
}

/// What the schedule must know of the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub seed: u64,
    /// Faults begin within this time.
    pub ms: u64,
    pub lease_ms: u64,
    /// Processes that can be killed and stopped.
    pub workers: usize,
    /// Processes whose network can be cut: the workers, then producers.
    pub networks: usize,
    /// The server is a master with a replica, watched by sentinels.
    pub is_watched: bool,
}

/// Time between two faults: shorter ones would leave no moment in which anything can be done.
const GAP_MS: (u64, u64) = (300, 1500);

/// A failover takes about so long until everybody has found the new master …
const FAILOVER_MS: u64 = 4_000;
/// … and sentinels start no other for that time, ms.
const FAILOVER_REST_MS: u64 = 12_000;

/// The schedule. Faults of one process do not overlap, nor do those of the server; apart from that they may.
pub(crate) fn schedule(frame: Frame) -> Vec<Planned> {
    let mut draws = Draws::of(frame.seed, "faults");
    let (mut planned, mut at) = (Vec::new(), 500);
    let mut busy = vec![0; frame.networks];
    let (mut server_busy, mut failover_busy) = (0, 0);
    let shares = if frame.is_watched { &SHARES_WATCHED } else { &SHARES };
    while at < frame.ms {
        let fault = draw_fault(shares, &mut draws);
        let mut ms = fault.lasts(frame.lease_ms, &mut draws);
        let among = match fault {
            Fault::Kill | Fault::Stop => frame.workers,
            _ => frame.networks,
        };
        let first = draws.between(0, among as u64 - 1) as usize;
        let gap = draws.between(GAP_MS.0, GAP_MS.1);
        // The end belongs to recovery.
        ms = ms.min(frame.ms - at);
        let free = (0..among).map(|n| (first + n) % among).find(|&n| busy[n] <= at);
        if !fault.is_of_a_process() {
            if fault.is_failover() && server_busy.max(failover_busy) <= at {
                planned.push(Planned { fault, at, ms, target: 0 });
                server_busy = at + ms + FAILOVER_MS;
                failover_busy = at + ms + FAILOVER_REST_MS;
            } else if !fault.is_failover() && server_busy <= at {
                planned.push(Planned { fault, at, ms, target: 0 });
                server_busy = at + ms + 1000;
            }
        } else if let Some(target) = free {
            planned.push(Planned { fault, at, ms, target });
            // A moment to live in between.
            busy[target] = at + ms + 500;
        }
        at += gap;
    }
    planned
}

fn draw_fault(shares: &[(Fault, u64)], draws: &mut Draws) -> Fault {
    let mut left = draws.between(1, 100);
    for (fault, share) in shares {
        if left <= *share {
            return *fault;
        }
        left -= share;
    }
    unreachable!("the shares are a hundred")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame =
        Frame { seed: 7, ms: 600_000, lease_ms: 2_000, workers: 4, networks: 5, is_watched: false };

    #[test]
    fn the_same_seed_gives_the_same_schedule_and_another_one_another() {
        assert_eq!(schedule(FRAME), schedule(FRAME));
        assert_ne!(schedule(FRAME), schedule(Frame { seed: 8, ..FRAME }));
        let text = schedule(FRAME)[..3].iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        // Written down: a schedule that changes would make every seed that was ever reported worthless.
        let known = "  0.500 s  SIGKILL of process 0 for 358 ms\n  1.622 s  SIGKILL of process 1 for 266 ms\n  3.072 s  blackhole of process 0 for 500 ms";
        assert_eq!(text, known);
    }

    #[test]
    fn a_watched_master_is_killed_and_stopped_again_and_again_with_time_to_recover_in_between() {
        let planned = schedule(Frame { is_watched: true, ..FRAME });
        assert_eq!(planned, schedule(Frame { is_watched: true, ..FRAME }));
        let failovers: Vec<&Planned> = planned.iter().filter(|one| one.fault.is_failover()).collect();
        assert!(failovers.len() > 20, "{}", failovers.len());
        assert!(failovers.iter().any(|one| one.fault == Fault::MasterStop));
        for pair in failovers.windows(2) {
            assert!(pair[1].at >= pair[0].at + pair[0].ms + FAILOVER_REST_MS, "{} and {}", pair[0], pair[1]);
        }
        assert!(planned.iter().all(|one| !matches!(one.fault, Fault::RedisKill | Fault::ReadOnly)));
    }

    #[test]
    fn every_fault_comes_about_as_often_as_it_should() {
        let planned = schedule(FRAME);
        for (fault, share) in SHARES {
            let count = planned.iter().filter(|one| one.fault == fault).count() * 100 / planned.len();
            assert!(count as u64 + 8 >= share && count as u64 <= share + 8, "{fault:?}: {count} %");
        }
    }

    #[test]
    fn faults_of_one_process_follow_one_another_and_end_in_time() {
        let planned = schedule(FRAME);
        for (n, one) in planned.iter().enumerate() {
            assert!(one.at + one.ms <= FRAME.ms);
            for other in &planned[n + 1..] {
                let same = one.fault.is_of_a_process() == other.fault.is_of_a_process()
                    && one.target == other.target;
                assert!(!same || other.at >= one.at + one.ms, "{one} and {other}");
            }
        }
    }
}
