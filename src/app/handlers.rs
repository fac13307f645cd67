//! From the config to the handlers of a queue.

use std::collections::HashMap;
use std::sync::Arc;

use super::failure::{EXIT_CONFIG, Failure};
use crate::config::{self, HandlerKind, Target};
use crate::handler::exec::{ExecHandler, ExecOptions};
use crate::handler::http::{BodyMode, HttpHandler, HttpOptions};
use crate::handler::{Handler, OptionError};
use crate::http::Clients;
use crate::http::sign::Secret;
use crate::sync::{ItemBackoff, Limits, OnExhausted, Sync, SyncOptions, Watermark};
use crate::worker::HandlerSpec;

/// The handlers of a queue by job name.
pub(super) fn handlers(
    queue: &config::Queue,
    clients: &Clients,
) -> Result<HashMap<String, HandlerSpec>, Failure> {
    let mut specs = HashMap::new();
    for (job_name, handler) in &queue.handlers {
        let place = format!("queues.{}.handlers.{job_name}", queue.name);
        let (work, max_deferrals): (Arc<dyn Handler>, u32) = match &handler.kind {
            HandlerKind::Http(http) => (http_handler(handler, http, clients, &place)?, http.max_deferrals),
            HandlerKind::Exec(exec) => {
                (exec_handler(handler, exec, &place)?, config::limits::MAX_DEFERRALS_DEFAULT as u32)
            }
            // A backend that asks a sync for time costs no attempt, however often: it is the sync's pace.
            HandlerKind::Sync(sync) => (sync_handler(handler, sync, clients, &place)?, u32::MAX),
        };
        let spec = HandlerSpec {
            handler: work,
            concurrency: handler.concurrency,
            run_limit: handler.run_limit,
            no_progress: handler.no_progress,
            max_deferrals,
        };
        specs.insert(job_name.clone(), spec);
    }
    Ok(specs)
}

fn http_handler(
    handler: &config::Handler,
    http: &config::HttpHandler,
    clients: &Clients,
    place: &str,
) -> Result<Arc<dyn Handler>, Failure> {
    let options = http_options(handler, http).map_err(|problem| refused(place, &problem))?;
    let built = HttpHandler::new(options, clients).map_err(|problems| refused_all(place, &problems))?;
    Ok(Arc::new(built))
}

fn exec_handler(
    handler: &config::Handler,
    exec: &config::ExecHandler,
    place: &str,
) -> Result<Arc<dyn Handler>, Failure> {
    let mut options = ExecOptions::new(exec.argv.clone());
    options.env.clone_from(&exec.env);
    options.cwd = Some(exec.cwd.clone());
    options.result_max = usize::try_from(handler.response_bytes_max).unwrap_or(usize::MAX);
    let built = ExecHandler::new(options).map_err(|problems| refused_all(place, &problems))?;
    Ok(Arc::new(built))
}

fn sync_handler(
    handler: &config::Handler,
    sync: &config::SyncHandler,
    clients: &Clients,
    place: &str,
) -> Result<Arc<dyn Handler>, Failure> {
    let side = |side: &config::Side| match side {
        config::Side::Http(http) => http_handler(handler, http, clients, place),
        config::Side::Exec(exec) => exec_handler(handler, exec, place),
    };
    let source = sync.source.as_ref().map(side).transpose()?;
    let sink = sync.sink.as_ref().map(side).transpose()?;
    let options = SyncOptions {
        batch_size: sync.batch_size,
        batch_delay: sync.batch_delay,
        item_attempts: sync.item_attempts,
        item_backoff: match sync.item_backoff {
            config::ItemBackoff::Fixed(wait) => ItemBackoff::Fixed(wait),
            config::ItemBackoff::Exponential(first) => ItemBackoff::Exponential(first),
        },
        call_attempts: sync.call_attempts,
        on_exhausted: if sync.fails_when_exhausted { OnExhausted::Fail } else { OnExhausted::Partial },
        limits: Limits {
            item_bytes_max: usize::try_from(sync.item_bytes_max).unwrap_or(usize::MAX),
            page_items_max: sync.page_items_max,
        },
        after: sync.after.clone(),
        watermark: sync.watermark.as_ref().map(|mark| Watermark {
            kind: mark.kind.clone(),
            delta: mark.delta,
            on_partial: mark.on_partial,
        }),
        ..SyncOptions::new(source, sink)
    };
    let built = Sync::new(options).map_err(|problems| refused_all(place, &problems))?;
    Ok(Arc::new(built))
}

fn http_options(handler: &config::Handler, http: &config::HttpHandler) -> Result<HttpOptions, String> {
    let mut options = HttpOptions::new(url_of(&http.target));
    for secret in &http.secrets {
        options.secrets.push(Secret::parse(secret.expose()).map_err(|error| error.to_string())?);
    }
    options.headers =
        http.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
    options.body = match http.body {
        config::Body::Data => BodyMode::Data,
        config::Body::Envelope => BodyMode::Envelope,
        config::Body::BullmqProxy => BodyMode::BullmqProxy,
    };
    options.cancel_url = http.cancel_url.as_ref().map(url_of);
    options.connect = http.connect;
    options.first_byte = http.first_byte;
    if let Some(heartbeat) = handler.heartbeat {
        options.heartbeat = heartbeat;
    }
    options.permanent.clone_from(&http.permanent);
    options.retry_after_max = http.retry_after_max;
    options.response_max = usize::try_from(handler.response_bytes_max).unwrap_or(usize::MAX);
    options.allow_private = http.allow_private;
    Ok(options)
}

fn url_of(target: &Target) -> String {
    match target {
        Target::Tcp { url } => url.clone(),
        Target::Unix { socket, path } => format!("unix:{}:{path}", socket.display()),
    }
}

fn refused(place: &str, problem: &str) -> Failure {
    Failure::new(EXIT_CONFIG, format!("handler refused ({place}): {problem}"))
}

fn refused_all(place: &str, problems: &[OptionError]) -> Failure {
    let all: Vec<String> = problems.iter().map(|p| format!("{}: {}", p.option, p.problem)).collect();
    refused(place, &all.join("; "))
}
