//! In place of `otel` in a build without the feature of that name.

use crate::app::failure::{EXIT_CONFIG, Failure};
use crate::config::Config;
use crate::http::Clients;
use crate::job::Job;
use crate::worker::Follower;

/// Follows nothing.
#[derive(Clone, Default)]
pub(super) struct Otel;

impl Otel {
    #[expect(clippy::unused_self, reason = "as in the build with the feature")]
    pub(super) fn follow(&self, _job: &Job, _worker: &str) -> Option<Box<dyn Follower>> {
        None
    }

    pub(super) fn start(config: &Config, _clients: &Clients) -> Result<Self, Failure> {
        if config.otel.is_some() {
            let line = "OpenTelemetry is configured (otel), and this bullock was built without it. hint: build it with \
                        the feature otel, or take [otel] and OTEL_EXPORTER_OTLP_ENDPOINT away";
            return Err(Failure::new(EXIT_CONFIG, line));
        }
        Ok(Self)
    }

    #[expect(clippy::unused_async, reason = "as in the build with the feature")]
    pub(super) async fn shut_down(self) {}
}
