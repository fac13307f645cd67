//! A small table that is read without locks and without allocation: label sets that were met, each with its counters.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, OnceLock, PoisonError};

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
    /// How many entries are taken. Held while one is added, so that two threads never count a name twice.
    taken: Mutex<usize>,
    other: OnceLock<T>,
}

impl<T> Slots<T> {
    pub(super) fn new() -> Self {
        let entries = (0..SLOTS).map(|_| OnceLock::new()).collect();
        Self { hasher: RandomState::new(), entries, taken: Mutex::new(0), other: OnceLock::new() }
    }

    /// The entry of `name`, made when the name is new; that of [`OTHER`] when the name is too long or comes too late.
    pub(super) fn get(&self, name: &str, make: impl Fn(&str) -> T) -> &T {
        let own = if name.len() > NAME_BYTES_MAX {
            None
        } else {
            self.find(name).or_else(|| self.add(name, &make))
        };
        own.unwrap_or_else(|| self.other.get_or_init(|| make(OTHER)))
    }

    /// All entries but that of [`OTHER`], in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.entries.iter().filter_map(OnceLock::get).map(|(name, entry)| (&**name, entry))
    }

    /// Where the entry of `name` may be, in the order in which it is looked for.
    fn places(&self, name: &str) -> impl Iterator<Item = &Entry<T>> {
        let first = self.hasher.hash_one(name) as usize % SLOTS;
        (first..first + SLOTS).map(|at| &self.entries[at % SLOTS])
    }

    fn find(&self, name: &str) -> Option<&T> {
        let mut taken = self.places(name).map_while(OnceLock::get);
        taken.find(|(known, _)| **known == *name).map(|(_, entry)| entry)
    }

    /// None when there is no room for another name.
    fn add(&self, name: &str, make: impl Fn(&str) -> T) -> Option<&T> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = self.find(name) {
            return Some(entry); // another thread was faster
        }
        if *taken == NAMES_MAX {
            return None;
        }
        let free = self.places(name).find(|place| place.get().is_none())?;
        *taken += 1;
        Some(&free.get_or_init(|| (name.into(), make(name))).1)
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
        for _ in 0..50 {
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
}
