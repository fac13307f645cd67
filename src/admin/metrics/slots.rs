//! A small table that is read without locks and without allocation: label sets that were met, each with its counters.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Different names that get series of their own; what comes later is counted as [`OTHER`]. Every name costs about
/// fifty series, and names are chosen by whoever adds jobs.
pub const NAMES_MAX: usize = 100;
/// Longest name that gets series of its own, bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// Stands for all other names.
pub const OTHER: &str = "_other";

/// Room for [`NAMES_MAX`] at a load that keeps searches short. A power of two.
const SLOTS: usize = 256;

/// A name with what belongs to it, once it was met.
type Entry<T> = OnceLock<(Box<str>, T)>;

/// Entries are only ever added, so a search may stop at the first empty slot.
pub(super) struct Slots<T> {
    /// Keyed at random: producers cannot choose names that meet in one slot.
    hasher: RandomState,
    entries: Box<[Entry<T>]>,
    taken: AtomicUsize,
    other: OnceLock<T>,
}

impl<T> Slots<T> {
    pub(super) fn new() -> Self {
        let entries = (0..SLOTS).map(|_| OnceLock::new()).collect();
        Self { hasher: RandomState::new(), entries, taken: AtomicUsize::new(0), other: OnceLock::new() }
    }

    /// The entry of `name`. `make` may be called by two threads at once for the same name: both must make handles to
    /// the same counters.
    pub(super) fn get(&self, name: &str, make: impl Fn(&str) -> T) -> &T {
        if name.len() > NAME_BYTES_MAX {
            return self.other.get_or_init(|| make(OTHER));
        }
        let mut at = self.hasher.hash_one(name) as usize % SLOTS;
        loop {
            match self.entries[at].get() {
                Some((known, entry)) if **known == *name => return entry,
                Some(_) => at = (at + 1) % SLOTS,
                None => {
                    let room = |taken| (taken < NAMES_MAX).then_some(taken + 1);
                    if self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_err() {
                        return self.other.get_or_init(|| make(OTHER));
                    }
                    if self.entries[at].set((name.into(), make(name))).is_err() {
                        // Another thread was faster here: give the room back and look at the slot again.
                        self.taken.fetch_sub(1, Ordering::Relaxed);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{NAMES_MAX, OTHER, Slots};

    #[test]
    fn the_first_hundred_names_stand_for_themselves_and_the_rest_together() {
        let slots = Slots::new();
        for n in 0..300 {
            let name = format!("name-{n}");
            let expected = if n < NAMES_MAX { name.as_str() } else { OTHER };
            assert_eq!(slots.get(&name, str::to_owned), expected);
        }
        assert_eq!(slots.get("name-7", str::to_owned), "name-7");
        assert_eq!(slots.get(&"x".repeat(129), str::to_owned), OTHER);
    }

    #[test]
    fn threads_that_meet_a_name_at_once_share_its_entry() {
        let slots = Slots::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..NAMES_MAX {
                        let name = format!("n{n}");
                        assert_eq!(slots.get(&name, str::to_owned), &name);
                    }
                });
            }
        });
    }
}
