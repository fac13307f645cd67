//! `bullock sync start`.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::actor::Reason;
use crate::cli::error::{CliError, Exit, shown};
use crate::cli::job::add::{open, parse_id, read_json};
use crate::cli::job::opts::{self, NAME_BYTES_MAX};
use crate::cli::session::Session;
use crate::cli::time::parse_duration;
use crate::store::Queue;
use crate::store::sync::start::{self, StartedAs};
use crate::wire::Dialect;

/// Arguments of `bullock sync start`.
#[derive(Debug, Args)]
#[command(after_help = "Prints the id of its job, and whether it was created, existing or resumed.")]
pub struct Start {
    /// Name of the queue
    queue: String,
    /// Name of the job, which selects the sync
    name: String,
    /// Data: JSON, @FILE, or - for standard input [default: {}]
    #[arg(short, long, value_name = "JSON", allow_hyphen_values = true)]
    data: Option<String>,
    /// Options of npm bull or bullmq, as JSON or @FILE
    #[arg(long, value_name = "JSON")]
    opts: Option<String>,
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
pub(super) async fn run(session: &Session, args: &Start) -> Result<(), CliError> {
    if args.name.trim().is_empty() || args.name.len() > NAME_BYTES_MAX {
        let expected = format!("1 to {NAME_BYTES_MAX} bytes, not blank");
        return Err(CliError::usage("wrong name of a sync").found(&args.name).expected(expected));
    }
    let data = args.data.as_ref().map_or_else(|| Ok(json!({})), |text| read_json("--data", text))?;
    let Value::Object(mut opts) =
        args.opts.as_ref().map_or_else(|| Ok(json!({})), |text| read_json("--opts", text))?
    else {
        return Err(CliError::usage("the options are no object").at("--opts").expected("{\"attempts\": 3}"));
    };
    if let Some(id) = &args.id {
        opts.insert("jobId".into(), id.clone().into());
    }
    let (store, _) = session.queue_as(&args.queue, args.dialect).await?;
    for remark in opts::check(&opts, store.dialect())? {
        session.out.note(&remark);
    }
    open(session, &store).await?;
    let start = start::Start {
        org: args.org.as_deref(),
        key: args.key.as_deref(),
        key_holds: args.key_holds,
        several: args.several,
    };
    let started = Queue::on(store)
        .start_sync(&args.reason.actor(), &start, &args.name, &data, Value::Object(opts))
        .await
        .map_err(|error| session.error(error))?;
    let (id, state) = (started.id.as_str(), &started.state);
    let state_words = if started.is_paused { format!("{state}, paused") } else { state.clone() };
    let words = match started.how {
        StartedAs::Taken => {
            let found = format!("job {} is not a sync of this organisation", shown(id));
            return Err(CliError::new(Exit::Conflict, "cannot start it").at(&args.queue).found(found));
        }
        StartedAs::Created => format!("created sync {}", shown(id)),
        StartedAs::Existing => format!("existing sync {}: {state_words}", shown(id)),
        StartedAs::Resumed => format!("resumed sync {}: {state_words}", shown(id)),
    };
    let json = json!({"queue": args.queue, "id": id, "started": started.how.as_str(), "state": state,
        "paused": started.is_paused});
    Ok(session.out.answer(&words, &format!("{id}\t{}", started.how.as_str()), &json)?)
}
