//! What operators are handed: the image's tree, the systemd unit, the compose file, the Grafana board and the alert rules.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod compose;
mod image;
mod metrics;

use std::path::{Path, PathBuf};

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository.
fn read(name: &str) -> String {
    let path: PathBuf = root().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
