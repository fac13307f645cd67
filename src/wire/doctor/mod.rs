//! What can be wrong with a queue, and the judgement on one job, given what was read.
//!
//! Owns: the classes of faults and the rules of judging. Must never know: Redis (`store::doctor` reads and mends), what
//! a person sees (`cli::doctor`). Called by `store::doctor` and `store::zombies`.

mod answer;
pub mod class;
pub mod facts;
pub mod judge;
pub mod keys;

pub use class::Class;
pub use facts::{JobFacts, Kind, PLACES, Place, Places};
pub use judge::{Fault, judge};
