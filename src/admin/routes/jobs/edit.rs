//! `PATCH /queues/{queue}/jobs/{id}`: data, delay or priority of a job that does not run.

use axum::http::StatusCode;
use axum::http::header::IF_MATCH;
use axum::response::Response;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::super::Ask;
use super::super::about::{About, Shape};
use super::act::refused;
use super::one::answer_now;
use super::view::JobPage;
use crate::admin::problem::Problem;
use crate::store::edit::Edited;
use crate::wire::new_job::check::{DELAY_MAX_MS, PRIORITY_MAX};

pub(in crate::admin::routes) const EDIT: About = About::new(
    "jobs",
    "Changes the data, the delay or the priority of a job; the header If-Match guards against lost updates",
)
.body(Shape::of::<Edit>())
.answers(&[(200, "The job as it is then", Some(Shape::of::<JobPage>()))])
.refusals(&[404, 409, 412]);

/// Exactly one of data, delay and priority.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Edit {
    /// The new data: any JSON.
    #[serde(default, deserialize_with = "some")]
    #[schema(value_type = Option<Object>)]
    pub data: Option<Box<RawValue>>,
    /// Due in so many ms from now; `BullMQ`, delayed jobs.
    #[schema(maximum = 315_360_000_000u64)]
    pub delay: Option<u64>,
    /// 1 is first, larger numbers come later, 0 is none; `BullMQ`, jobs that wait.
    #[schema(maximum = 2_097_151)]
    pub priority: Option<u64>,
    /// Why, for the audit log; at most 1,024 characters.
    #[schema(max_length = 1024)]
    pub reason: Option<String>,
}

/// `null` is data, too.
fn some<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// Edits.
pub(in crate::admin::routes) async fn edit(call: Ask) -> Result<Response, Problem> {
    let etag = if_match(&call)?;
    let edit: Edit = call.body().await?;
    if [edit.data.is_some(), edit.delay.is_some(), edit.priority.is_some()].iter().filter(|is| **is).count()
        != 1
    {
        return Err(Problem::validation("expected exactly one of data, delay and priority"));
    }
    let store = call.store_of_job().await?.by(call.actor(edit.reason)?);
    let (edited, needs) = if let Some(data) = &edit.data {
        let needs = "data can be changed of a job that neither runs nor has completed";
        (store.edit_data(&call.id, data.get(), &etag).await?, needs)
    } else if let Some(delay) = edit.delay {
        if delay > DELAY_MAX_MS {
            return Err(Problem::validation("delay: expected milliseconds from 0 to ten years"));
        }
        (store.edit_delay(&call.id, delay, &etag).await?, "a delay can be changed of a delayed job")
    } else {
        let priority = edit.priority.unwrap_or(0);
        if priority > PRIORITY_MAX {
            return Err(Problem::validation(format!(
                "priority: expected a whole number from 0 to {PRIORITY_MAX}"
            )));
        }
        (
            store.edit_priority(&call.id, priority, &etag).await?,
            "a priority can be changed of a job that waits",
        )
    };
    match edited {
        Edited::Done => answer_now(&call, &store, StatusCode::OK).await,
        Edited::NotFound => Err(call.no_job()),
        Edited::Stale => Err(Problem::stale()),
        Edited::Conflict(_) => Err(refused(&call, &store, needs).await?),
    }
}

/// The one etag of If-Match; empty = none is asked for.
fn if_match(call: &Ask) -> Result<String, Problem> {
    let Some(value) = call.headers.get(IF_MATCH) else { return Ok(String::new()) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(String::new());
    }
    let tag = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).filter(|tag| !tag.is_empty());
    tag.map(str::to_owned)
        .ok_or_else(|| Problem::validation("If-Match: expected the ETag of the job, in quotes"))
}
