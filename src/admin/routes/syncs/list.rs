//! `GET /syncs` and `GET /orgs/{org}/syncs`: over all queues that the caller may see, newest start first.

use std::collections::HashMap;

use axum::http::StatusCode;
use axum::response::Response;
use futures_util::future::try_join_all;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::about::{About, Kind, Shape, param, wrong};
use super::super::{Ask, answer, decode_cursor, encode_cursor};
use super::view::SyncItem;
use crate::admin::problem::Problem;
use crate::store::Store;
use crate::store::sync::list::IndexPlace;

/// Queues whose syncs one question looks for.
const QUEUES_MAX: usize = 200;
/// Syncs that one question looks at.
const SCAN_MAX: usize = 1000;
/// How a sync can do.
const STATUSES: &[&str] = &[
    "queued",
    "scheduled",
    "running",
    "paused",
    "retrying",
    "completed",
    "partial",
    "failed",
    "cancelled",
    "stalled",
    "stuck",
];

pub(in crate::admin::routes) const LIST: About = About::new("syncs", "Syncs, newest start first")
    .query(&[
        param("queue", Kind::Text, "Of this queue only"),
        param("name", Kind::Text, "Of this name only"),
        param("status", Kind::Words(STATUSES), "Only those that do so, with commas between"),
        param("limit", Kind::Number(1, 200, 50), "Most syncs"),
        param("cursor", Kind::Text, "Where the last page ended"),
    ])
    .answers(&[(200, "A page", Some(Shape::of::<SyncList>()))])
    .refusals(&[404, 409]);

/// A page of syncs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct SyncList {
    /// Newest start first.
    pub items: Vec<SyncItem>,
    /// Where to go on; null = that was all. A page can have fewer syncs than were asked for, and go on all the same.
    pub next: Option<String>,
    /// Syncs that were looked at.
    pub scanned: usize,
    /// Redis' time, ms.
    pub server_time: i64,
}

/// A sync in the order of lists: when it was started (ms), its queue, its id.
type Place = (i64, String, String);

pub(in crate::admin::routes) async fn list(call: Ask) -> Result<Response, Problem> {
    let limit = call.query.number("limit").unwrap_or(50) as usize;
    let mut after: Option<Place> = call.query.text("cursor").map(decode_cursor).transpose()?;
    if after.as_ref().is_some_and(|(at, ..)| *at < 0) {
        return Err(wrong("cursor", "cursor: expected what the last page named"));
    }
    let stores = stores(&call).await?;
    let (name, filters) = (call.query.text("name"), call.query.text("status").is_some());
    let (mut items, mut scanned, mut server_time) = (Vec::new(), 0, call.look().await?.now_ms);
    while items.len() < limit && scanned < SCAN_MAX {
        // One more than is asked for says whether there are more.
        let wanted = limit - items.len();
        let mut places = places(&call, &stores, after.as_ref(), wanted + 1).await?;
        let more = places.len() > wanted;
        places.truncate(wanted);
        scanned += places.len();
        after = places.last().cloned().filter(|_| more);
        for (now_ms, item) in read(&call, &stores, &places).await? {
            server_time = server_time.max(now_ms);
            let is_meant = name.is_none_or(|name| item.name == name)
                && (!filters || call.query.has_word("status", &item.status));
            if is_meant {
                items.push(item);
            }
        }
        if !more {
            break;
        }
    }
    let next = after.map(|place| encode_cursor(&place));
    Ok(answer(StatusCode::OK, &SyncList { items, next, scanned, server_time }))
}

/// The queues that can have syncs for this caller.
async fn stores(call: &Ask) -> Result<HashMap<String, Store>, Problem> {
    let board = call.board()?;
    let names = call.queues_asked().await?;
    let mut stores = HashMap::new();
    for name in names.into_iter().take(QUEUES_MAX) {
        // A queue that both dialects write to is nobody's to take apart.
        if let Ok(store) = board.open(&name).await {
            stores.insert(name, store);
        }
    }
    Ok(stores)
}

/// The next syncs of all these queues.
async fn places(
    call: &Ask,
    stores: &HashMap<String, Store>,
    after: Option<&Place>,
    most: usize,
) -> Result<Vec<Place>, Problem> {
    let org = Some(call.org.as_str()).filter(|org| !org.is_empty());
    let parts = stores.iter().map(|(name, store)| async move {
        // Of those of one instant queues of later names come first.
        let from = match after {
            Some((at, queue, id)) if name == queue => {
                Some(IndexPlace { at_ms: *at, before: Some(id.as_str()) })
            }
            Some((at, queue, _)) if name > queue => Some(IndexPlace { at_ms: *at, before: None }),
            Some((at, ..)) => Some(IndexPlace { at_ms: at + 1, before: None }),
            None => None,
        };
        let found = store.started_syncs(org, from, most).await?;
        Ok::<_, Problem>(found.into_iter().map(|(id, at)| (at, name.clone(), id)).collect::<Vec<_>>())
    });
    let mut all: Vec<Place> = try_join_all(parts).await?.into_iter().flatten().collect();
    all.sort_by(|one, other| other.cmp(one));
    all.truncate(most);
    Ok(all)
}

/// These syncs as they are now, in this order; with Redis' time.
async fn read(
    call: &Ask,
    stores: &HashMap<String, Store>,
    places: &[Place],
) -> Result<Vec<(i64, SyncItem)>, Problem> {
    let mut of_queue: HashMap<&str, Vec<String>> = HashMap::new();
    for (_, queue, id) in places {
        of_queue.entry(queue).or_default().push(id.clone());
    }
    let parts = of_queue.into_iter().filter_map(|(queue, ids)| {
        let store = stores.get(queue)?;
        Some(async move {
            let found = store.syncs(&ids).await?;
            let shown = found.into_iter().map(|sync| {
                let now_ms = sync.now_ms;
                (now_ms, SyncItem::of(queue, sync, call.shared.read_only))
            });
            Ok::<_, Problem>(shown.collect::<Vec<_>>())
        })
    });
    let read = try_join_all(parts).await?.into_iter().flatten();
    let mut found: HashMap<(String, String), (i64, SyncItem)> =
        read.map(|(now_ms, item)| ((item.queue.clone(), item.id.clone()), (now_ms, item))).collect();
    let in_order = places.iter().filter_map(|(_, queue, id)| found.remove(&(queue.clone(), id.clone())));
    // An id that was used again can be another organisation's by now.
    let is_meant = |item: &SyncItem| call.org.is_empty() || item.org.as_deref() == Some(call.org.as_str());
    Ok(in_order.filter(|(_, item)| is_meant(item)).collect())
}
