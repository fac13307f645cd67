//! `/syncs…` and `/orgs/{org}/syncs…`: starting syncs, finding them, looking at them, acting on them. Both paths have the
//! same handlers; under `/orgs/{org}` there is nothing but that organisation's.

pub(super) mod act;
pub(super) mod list;
pub(super) mod one;
pub(super) mod start;
mod view;

use super::Ask;
use crate::admin::problem::Problem;
use crate::store::Store;
use crate::store::job::JobDetail;

/// The job that the path names, if it is one that the path and the caller are for. Others are not told from those that
/// are not there.
async fn find(call: &Ask) -> Result<(Store, JobDetail), Problem> {
    let store = call.store_of_job().await?;
    let detail = store.job_detail(&call.id).await?.ok_or_else(|| call.no_job())?;
    let org = detail.recorded("org");
    let in_path = call.org.is_empty() || org == Some(call.org.as_str());
    if in_path && call.caller()?.may_see_of(org) { Ok((store, detail)) } else { Err(call.no_job()) }
}
