//! `bullock doctor`: looks over queues that anyone filled, says what is wrong, and mends it by written rules.

mod report;

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::actor::Reason;
use super::error::CliError;
use super::session::Session;
use crate::store::doctor::queue::fault_of_server;
use crate::store::doctor::{Finding, Found, Report, SETTLE, Sort, scan};
use crate::store::{Store, StoreError};
use crate::wire::doctor::Class;
use report::{Tally, Total};

/// How often a repair looks again: one mend may lay bare another fault.
const ROUNDS_MAX: usize = 4;
/// Queues that are looked over at once.
const AT_ONCE: usize = 8;

/// Arguments of `bullock doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Names of queues [default: all of the prefix]
    #[arg(value_name = "QUEUE")]
    queues: Vec<String>,
    /// Mend what has a safe rule (docs/doctor.md)
    #[arg(long)]
    repair: bool,
    /// With --repair: only say what would be done
    #[arg(long, requires = "repair")]
    dry_run: bool,
    #[command(flatten)]
    reason: Reason,
}

/// Runs the command. Exit code 0 = nothing is wrong (or all is mended), 1 = something is.
pub async fn run(session: &Session, args: &Doctor) -> Result<ExitCode, CliError> {
    let failed = |error| session.error(error);
    for name in &args.queues {
        crate::wire::keys::check_name("queue name", name).map_err(CliError::usage)?;
    }
    let mut total = Total::default();
    if let Some(fault) = fault_of_server(&session.connection).await.map_err(failed)? {
        total.add("", &Finding { id: Vec::new(), fault, facts: None });
    }
    let found = scan(&session.connection, &session.prefix, &args.queues).await.map_err(failed)?;
    // A queue that was named must have a key. Whose it is does not matter here.
    if let Some(name) = args.queues.iter().find(|name| found.get(*name).is_none_or(Found::is_empty)) {
        return Err(session.no_queue(name));
    }
    let reports: Vec<(Store, Report)> = futures_util::stream::iter(found)
        .map(|(name, keys)| async move {
            let store = session.store(&name);
            let report = store.doctor(&keys, SETTLE).await?;
            Ok((store, report))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await
        .map_err(|error: StoreError| session.error(error))?;
    for (store, report) in reports {
        settle(session, args, &store, report, &mut total).await?;
    }
    total.print(session, args.repair)?;
    Ok(if total.is_sound(args.repair && !args.dry_run) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Takes down what was found in one queue, and mends it if asked.
async fn settle(
    session: &Session,
    args: &Doctor,
    store: &Store,
    mut report: Report,
    total: &mut Total,
) -> Result<(), CliError> {
    let failed = |error| session.error(error);
    let name = &*store.keys().queue;
    total.looked_at(report.jobs);
    for finding in &report.findings {
        session.out.detail(&format!(
            "{name} {} {}: {}",
            finding.fault.class.as_str(),
            finding.shown_id(),
            finding.fault.detail
        ));
        total.add(name, finding);
    }
    total.more(name, &report.more);
    if !args.repair {
        return Ok(());
    }
    for _ in 0..ROUNDS_MAX {
        let is_newer = report.findings.iter().any(|finding| finding.fault.class == Class::NewerVersion);
        if report.findings.is_empty() || is_newer {
            break;
        }
        let mended = mend_all(session, args, store, name, &report.findings, total).await?;
        if args.dry_run || mended == 0 {
            break;
        }
        let again = scan(&session.connection, &session.prefix, &[name.to_owned()]).await.map_err(failed)?;
        report =
            store.doctor(&again.into_values().next().unwrap_or_default(), SETTLE).await.map_err(failed)?;
    }
    if !args.dry_run {
        total.left(name, &report.findings);
    }
    Ok(())
}

/// Mends what can be; answers how many were.
async fn mend_all(
    session: &Session,
    args: &Doctor,
    store: &Store,
    name: &str,
    findings: &[Finding],
    total: &mut Total,
) -> Result<usize, CliError> {
    let actor = args.reason.actor();
    let mut mended = 0;
    for finding in findings {
        let tally = total.of(name, finding.fault.class);
        if args.dry_run {
            if finding.fault.rule.is_some() {
                tally.would += 1;
            } else {
                tally.no_rule += 1;
            }
            continue;
        }
        match store.mend(&actor, finding).await {
            Ok(answer) => match answer.sort {
                Sort::Done => {
                    mended += 1;
                    tally.mended += 1;
                }
                Sort::Gone => tally.gone += 1,
                Sort::Held => tally.held += 1,
                Sort::NoRule => tally.no_rule += 1,
            },
            // A key of the queue has a wrong type: that comes first, and has no rule.
            Err(StoreError::WrongKey(why)) => {
                session.out.detail(&format!("{name} {}: not mended: {why}", finding.shown_id()));
                tally.no_rule += 1;
            }
            Err(error) => return Err(session.error(error)),
        }
    }
    Ok(mended)
}

/// Findings by queue and class.
type Tallies = BTreeMap<(String, Class), Tally>;
