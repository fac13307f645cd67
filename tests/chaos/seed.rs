//! Numbers drawn from a seed: the same seed gives the same numbers, on every machine and in every version.

/// `SplitMix64`. Not from a crate: a seed that found a bug must find it again after an update.
#[derive(Clone)]
pub(crate) struct Draws(u64);

impl Draws {
    /// The numbers of `seed` for one purpose; two purposes do not disturb one another.
    pub(crate) fn of(seed: u64, purpose: &str) -> Draws {
        let mut draws = Draws(seed);
        for byte in purpose.bytes() {
            draws.0 = draws.next() ^ u64::from(byte);
        }
        draws
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// True so many times in a hundred.
    pub(crate) fn percent(&mut self, share: u64) -> bool {
        self.between(1, 100) <= share
    }
}
