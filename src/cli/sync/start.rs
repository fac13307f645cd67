//! `bullock sync start`.

use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::cli::actor::Reason;
use crate::cli::error::{CliError, Exit, shown};
use crate::cli::job::add::parse_id;
use crate::cli::job::opts::{Body, NAME_BYTES_MAX};
use crate::cli::target::{SyncStart, Target};
use crate::cli::time::parse_duration;
use crate::store::sync::start;
use crate::wire::Dialect;

/// Arguments of `bullock sync start`.
#[derive(Debug, Args)]
#[command(after_help = "Prints the id of its job, and whether it was created, existing or resumed.")]
pub struct Start {
    /// Name of the queue
    queue: String,
    /// Name of the job, which selects the sync
    name: String,
    #[command(flatten)]
    body: Body,
    /// Id of its job [default: made up]
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    id: Option<String>,
    /// Idempotency key: starts under the same key are one
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// How long the key holds [default: 24h]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "key")]
    key_holds: Option<Duration>,
    /// Whose sync it is; one of each kind (name) at a time
    #[arg(long, value_name = "ORG")]
    org: Option<String>,
    /// Start it although one of its kind runs or waits for this organisation
    #[arg(long, requires = "org")]
    several: bool,
    /// Layout of a queue that has no keys yet: bull or bullmq [default: bull]
    #[arg(long, value_name = "DIALECT", value_parser = Dialect::parse)]
    dialect: Option<Dialect>,
    #[command(flatten)]
    reason: Reason,
}

/// Starts.
pub(super) async fn run(target: &Target, args: &Start) -> Result<(), CliError> {
    if args.name.trim().is_empty() || args.name.len() > NAME_BYTES_MAX {
        let expected = format!("1 to {NAME_BYTES_MAX} bytes, not blank");
        return Err(CliError::usage("wrong name of a sync").found(&args.name).expected(expected));
    }
    let (data, mut opts) = args.body.read()?;
    if let Some(id) = &args.id {
        opts.insert("jobId".into(), id.clone().into());
    }
    let queue = target.queue_to_add_to(&args.queue, args.dialect).await?.by(&args.reason);
    for remark in queue.prepare(&opts).await? {
        target.out.note(&remark);
    }
    let start = start::Start {
        org: args.org.as_deref(),
        key: args.key.as_deref(),
        key_holds: args.key_holds,
        several: args.several,
    };
    let sync = SyncStart { start, name: &args.name, data: &data, opts };
    let begun = queue.start_sync(&args.reason, sync).await?;
    let (id, state) = (begun.id.as_str(), &begun.state);
    let Some(how) = begun.how else {
        let found = format!("job {} is not a sync of this organisation", shown(id));
        return Err(CliError::new(Exit::Conflict, "cannot start it").at(&args.queue).found(found));
    };
    let state_words = if begun.is_paused { format!("{state}, paused") } else { state.clone() };
    let words = match how {
        "created" => format!("created sync {}", shown(id)),
        how => format!("{how} sync {}: {state_words}", shown(id)),
    };
    let json =
        json!({"queue": args.queue, "id": id, "started": how, "state": state, "paused": begun.is_paused});
    Ok(target.out.answer(&words, &format!("{id}\t{how}"), &json)?)
}
