//! Tokens of runs: `<worker>:<128 random bits>`, new for every run.

use std::fmt::Write as _;

/// Makes `n` tokens. One call of the system's random source for all of them.
///
/// # Panics
/// If the system has no random source: nothing may run with a token that can be guessed.
pub(super) fn make(worker: &str, n: usize) -> Vec<String> {
    let mut bytes = vec![0u8; n * 16];
    #[allow(clippy::expect_used, reason = "a worker without a random source must not run")]
    getrandom::fill(&mut bytes).expect("the system's random source");
    bytes
        .chunks_exact(16)
        .map(|bits| {
            let mut token = String::with_capacity(worker.len() + 33);
            token.push_str(worker);
            token.push(':');
            let value = u128::from_ne_bytes(bits.try_into().unwrap_or_default());
            let _ = write!(token, "{value:032x}");
            token
        })
        .collect()
}

/// The worker's name as tokens carry it: no colon, no blanks.
pub(super) fn clean_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn tokens_name_their_worker_and_never_repeat() {
        let tokens = super::make("w-1", 1000);
        let distinct: std::collections::HashSet<_> = tokens.iter().collect();
        assert_eq!(distinct.len(), 1000);
        assert!(tokens.iter().all(|t| t.starts_with("w-1:") && t.len() == 36));
    }
}
