//! Is a backend there, and does it know us? A small counter beside each handler.
//!
//! Owns: the count of refusals in a row. Must never know: what is done about it. Written by `handler::http`,
//! read by metrics, alerts and the page.

use std::sync::atomic::{AtomicU32, Ordering};

/// So many refusals in a row show a handler as unhealthy.
pub const REFUSALS_UNHEALTHY: u32 = 5;

/// Counts answers that say "wrong address or wrong credentials" (4xx such as 401, 403, 404, 405), and connections
/// that could not be made. Any other answer starts anew: then the backend works, whatever it thinks of the job.
#[derive(Debug, Default)]
pub struct Health(AtomicU32);

impl Health {
    /// The backend was not reached, or did not know us.
    pub fn refused(&self) {
        // Saturates by itself for all that matters: four billion refusals without one answer.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The backend answered.
    pub fn answered(&self) {
        // The load spares all cores a write to the same cache line for each job that goes well.
        if self.0.load(Ordering::Relaxed) != 0 {
            self.0.store(0, Ordering::Relaxed);
        }
    }

    /// Refusals since the last answer.
    pub fn refusals(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// At least [`REFUSALS_UNHEALTHY`] in a row.
    pub fn is_unhealthy(&self) -> bool {
        self.refusals() >= REFUSALS_UNHEALTHY
    }
}
