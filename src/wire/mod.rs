//! Bytes in Redis ⇄ job: key names, hash fields, event payloads (docs/wire/).
//!
//! Owns: every name and encoding that Node must agree with. Must never know: connections, scripts, when things
//! happen. Called by `store`, and by `admin` and `cli` for what they show.

pub mod bull;
pub mod bullmq;
pub mod dialect;
pub mod doctor;
pub mod event;
pub mod hash;
pub mod keys;
pub mod moving;
pub mod new_job;
pub mod redact;

pub use dialect::Dialect;
pub use keys::Keys;
pub use new_job::NewJob;
pub use new_job::check::check_options;
