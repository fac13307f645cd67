//! Where our scripts differ from npm bullmq on purpose: the step, the field, the reason.

use std::fmt;

use super::bullmq::Recorded;

pub struct Allowed {
    scenario: &'static str,
    /// How the step's call begins.
    call: &'static str,
    /// The path of the differing leaf.
    path: &'static str,
    #[allow(dead_code, reason = "written for people")]
    reason: &'static str,
}

impl Allowed {
    pub fn matches(&self, recorded: &Recorded<'_>, path: &str) -> bool {
        self.scenario == recorded.scenario && recorded.call().starts_with(self.call) && self.path == path
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}: {}", self.scenario, self.call, self.path)
    }
}

#[allow(dead_code, reason = "used by the list below")]
const fn allow(
    scenario: &'static str,
    call: &'static str,
    path: &'static str,
    reason: &'static str,
) -> Allowed {
    Allowed { scenario, call, path, reason }
}

pub const ALLOWED: &[Allowed] = &[];
