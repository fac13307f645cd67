//! The admin server alone, on any Redis with Bull or `BullMQ` queues: no worker, nothing is claimed.
//!
//! Called by `cli::board`.

use std::net::SocketAddr;

use super::admin::{Board, Front, Link};
use super::failure::{EXIT_CONFIG, Failure};
use super::trouble::Troubles;
use super::{Stops, build, opening, signals};
use crate::admin::BoardOptions;
use crate::config::Config;
use crate::store::Connection;
use crate::store::connection::RESPONSE_TIMEOUT;

/// What a caller may choose beside the config.
pub struct BoardLaunch {
    /// Nothing can be changed.
    pub read_only: bool,
    /// Give up at once when Redis cannot be reached at the start.
    pub fail_fast: bool,
    /// Prefix of the queues' keys.
    pub prefix: String,
    /// Told where it listens.
    pub on_start: Box<dyn FnOnce(SocketAddr) + Send>,
}

/// Serves until told to stop.
///
/// # Errors
/// What kept it from starting.
pub async fn run(mut config: Config, launch: BoardLaunch) -> Result<(), Failure> {
    let stops = Stops::default();
    signals::stop_on_signal(stops.clone());
    let url = config.redis.url.as_ref().map(|url| url.expose().to_owned()).unwrap_or_default();
    let connection = Connection::new(&url, None, RESPONSE_TIMEOUT).map_err(Failure::redis)?;
    // Showing loses no jobs: a policy that deletes keys is only worth a warning here.
    config.redis.eviction_check = false;
    let troubles = Troubles::default();
    tokio::select! {
        fit = opening::wait(&config, &connection, &[], launch.fail_fast, &troubles) => fit?,
        () = stops.asked() => return Ok(()),
    };
    let link = Link::new(stops.clone(), troubles, Vec::new());
    let board =
        Board { options: BoardOptions { connection, prefix: launch.prefix }, read_only: launch.read_only };
    let front = Front::bind(&config, build::metrics(&config), &link, board)?.ok_or_else(|| {
        let text = "there is nothing to serve (admin.listen): it is empty; expected an address. hint: bullock board --port 7979";
        Failure::new(EXIT_CONFIG, text)
    })?;
    let address = front.address();
    let served = front.serve();
    (launch.on_start)(address);
    stops.asked().await;
    served.stop().await;
    Ok(())
}
