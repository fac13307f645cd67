//! How many wrong tokens an address may show: ten a minute, so that tokens cannot be guessed.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Failures are remembered this long.
const WINDOW: Duration = Duration::from_mins(1);
/// Failures of one address within the window after which it is refused, whatever it shows.
pub(super) const PER_ADDRESS_MAX: usize = 10;
/// Failures of all addresses within the window after which each that failed before is refused at once.
const GLOBAL_MAX: usize = 100;
/// Addresses remembered at once; what comes beyond is refused while the global budget is spent.
const ADDRESSES_MAX: usize = 4096;

/// The failures of the last minute.
#[derive(Debug, Default)]
pub(super) struct Budget(Mutex<Failures>);

#[derive(Debug, Default)]
struct Failures {
    by_address: HashMap<IpAddr, VecDeque<Instant>>,
    all: VecDeque<Instant>,
}

impl Budget {
    /// May this address try? `Err` = in so many seconds. An address without a failure of its own is not locked out by
    /// the failures of others, so that nobody can shut an operator out.
    pub(super) fn check(&self, address: IpAddr) -> Result<(), u64> {
        self.check_at(address, Instant::now())
    }

    /// Notes a failure.
    pub(super) fn fail(&self, address: IpAddr) {
        self.fail_at(address, Instant::now());
    }

    fn check_at(&self, address: IpAddr, now: Instant) -> Result<(), u64> {
        let mut failures = self.failures();
        forget(&mut failures.all, now);
        let globally_spent = failures.all.len() >= GLOBAL_MAX;
        let full = failures.by_address.len() >= ADDRESSES_MAX;
        let Some(own) = failures.by_address.get_mut(&network(address)) else {
            return if globally_spent && full { Err(WINDOW.as_secs()) } else { Ok(()) };
        };
        forget(own, now);
        let spent = own.len() >= PER_ADDRESS_MAX || (globally_spent && !own.is_empty());
        match own.front() {
            Some(first) if spent => Err((*first + WINDOW - now).as_secs() + 1),
            _ => Ok(()),
        }
    }

    fn fail_at(&self, address: IpAddr, now: Instant) {
        let mut failures = self.failures();
        push(&mut failures.all, now, GLOBAL_MAX);
        if failures.by_address.len() >= ADDRESSES_MAX {
            failures.by_address.retain(|_, own| {
                forget(own, now);
                !own.is_empty()
            });
        }
        let address = network(address);
        if failures.by_address.len() < ADDRESSES_MAX || failures.by_address.contains_key(&address) {
            push(failures.by_address.entry(address).or_default(), now, PER_ADDRESS_MAX);
        }
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn push(times: &mut VecDeque<Instant>, now: Instant, max: usize) {
    forget(times, now);
    if times.len() >= max {
        times.pop_front();
    }
    times.push_back(now);
}

fn forget(times: &mut VecDeque<Instant>, now: Instant) {
    while times.front().is_some_and(|first| now.saturating_duration_since(*first) >= WINDOW) {
        times.pop_front();
    }
}

/// One customer of an IPv6 network owns a whole /64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_none() => {
            let bits = u128::from(v6) & (u128::MAX << 64);
            Ipv6Addr::from(bits).into()
        }
        other => other.to_canonical(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_failure_in_a_minute_is_refused_and_a_minute_later_forgiven() {
        let (budget, start) = (Budget::default(), Instant::now());
        let (guesser, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        for n in 0..10 {
            assert_eq!(budget.check_at(guesser, start), Ok(()), "try {n}");
            budget.fail_at(guesser, start);
        }
        assert!(budget.check_at(guesser, start).is_err_and(|seconds| (1..=61).contains(&seconds)));
        assert_eq!(budget.check_at(other, start), Ok(()));
        assert_eq!(budget.check_at(guesser, start + WINDOW), Ok(()));
    }

    #[test]
    fn many_guessing_addresses_get_one_try_each_and_the_innocent_are_not_locked_out() {
        let (budget, now) = (Budget::default(), Instant::now());
        for n in 0..100 {
            budget.fail_at(IpAddr::from([198, 51, 100, n]), now);
        }
        assert!(budget.check_at(IpAddr::from([198, 51, 100, 7]), now).is_err());
        assert_eq!(budget.check_at(IpAddr::from([203, 0, 113, 1]), now), Ok(()));
    }
}
