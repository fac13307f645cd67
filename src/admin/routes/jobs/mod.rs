//! `/queues/{queue}/jobs…`: adding, finding, looking at and acting on jobs.

pub(super) mod act;
pub(super) mod add;
pub(super) mod edit;
mod follow;
pub(super) mod list;
pub(super) mod one;
mod prune;
pub(super) mod stop;
pub(super) mod view;
pub(super) mod wait;
