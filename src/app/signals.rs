//! SIGTERM and SIGINT: once = finish what runs, twice = hurry.

use super::stops::Stops;

/// Passes signals on to the workers, for as long as the process lives.
pub(super) fn stop_on_signal(stop: Stops) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be heard: stop this process by SIGKILL, its jobs are recovered");
        return;
    };
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            if stop.is_asked() {
                tracing::warn!("asked again: what still runs is handed back now");
            } else {
                tracing::info!("stopping: no more jobs are taken, running ones may finish");
            }
            stop.ask();
        }
    });
}
