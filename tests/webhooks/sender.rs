//! A shop that signs what it sends, and a server with a hook of each kind.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bullock::admin::hooks::{HookOptions, Place, Signature};
use bullock::store::Store;
use bullock::wire::Dialect;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::site::{QUEUE, Site};
use crate::support::http::Answer;

pub const SECRET: &str = "the shop's own secret, 32 chars..";
pub const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub fn hook(name: &str, signature: Signature) -> HookOptions {
    let secret = if signature == Signature::Standard { STANDARD_SECRET } else { SECRET };
    HookOptions {
        name: name.into(),
        queue: QUEUE.into(),
        job: "order-changed".into(),
        signature,
        secrets: vec![secret.into()],
        org: None,
        dedupe: None,
        dedupe_for: Duration::from_hours(1),
        tolerance: Duration::from_mins(5),
        body_bytes_max: 64 * 1024,
        attempts: 3,
    }
}

/// A server with hooks `woo`, `shopify` and `standard`, and what `change` makes of them.
pub fn site(dialect: Dialect, change: impl FnOnce(&mut Vec<HookOptions>)) -> Site {
    let mut hooks = vec![
        hook("woo", Signature::WooCommerce),
        hook("shopify", Signature::Shopify),
        hook("standard", Signature::Standard),
    ];
    change(&mut hooks);
    let mut site = Site::start_with(|options| {
        options.hooks = hooks;
        if dialect == Dialect::BullMq {
            let store = &options.queues[0].store;
            options.queues[0].store =
                Store::of(store.connection().clone(), store.keys().clone(), Some(dialect));
        }
    });
    if dialect == Dialect::BullMq {
        site.store = Store::of(site.store.connection().clone(), site.store.keys().clone(), Some(dialect));
    }
    site
}

pub fn hmac(secret: &[u8], text: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(text);
    STANDARD.encode(mac.finalize().into_bytes())
}

pub fn now_s() -> i64 {
    chrono::Utc::now().timestamp()
}

pub async fn post(site: &Site, hook: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut all = vec![("content-type", "application/json")];
    all.extend(headers.iter().filter(|(name, _)| *name != "content-type"));
    if let Some(other) = headers.iter().find(|(name, _)| *name == "content-type") {
        all[0] = *other;
    }
    site.send("POST", &format!("/api/v1/hooks/{hook}"), &all, Some(body)).await
}

/// Sends it signed as its kind signs; `id` is what Standard Webhooks knows it by.
pub async fn deliver(site: &Site, hook: &str, id: &str, body: &str) -> Answer {
    match hook {
        "woo" => {
            let signature = hmac(SECRET.as_bytes(), body.as_bytes());
            let headers = [("x-wc-webhook-signature", &*signature), ("x-wc-webhook-topic", "order.updated")];
            post(site, hook, &headers, body).await
        }
        "shopify" => {
            let signature = hmac(SECRET.as_bytes(), body.as_bytes());
            let headers = [("x-shopify-hmac-sha256", &*signature), ("x-shopify-topic", "orders/updated")];
            post(site, hook, &headers, body).await
        }
        _ => deliver_standard(site, hook, id, now_s(), body).await,
    }
}

pub async fn deliver_standard(site: &Site, hook: &str, id: &str, at: i64, body: &str) -> Answer {
    let key = STANDARD.decode(STANDARD_SECRET.trim_start_matches("whsec_")).unwrap();
    let signature = format!("v1,{}", hmac(&key, format!("{id}.{at}.{body}").as_bytes()));
    let at = at.to_string();
    let headers = [("webhook-id", id), ("webhook-timestamp", &at), ("webhook-signature", &signature)];
    post(site, hook, &headers, body).await
}

pub async fn waiting(site: &Site) -> Vec<String> {
    let mut db = site.redis.connection().await;
    redis::cmd("LRANGE").arg(format!("bull:{QUEUE}:wait")).arg(0).arg(-1).query_async(&mut db).await.unwrap()
}

pub async fn field(site: &Site, id: &str, field: &str) -> String {
    let mut db = site.redis.connection().await;
    redis::cmd("HGET").arg(format!("bull:{QUEUE}:{id}")).arg(field).query_async(&mut db).await.unwrap()
}

pub fn id_of(answer: &Answer) -> String {
    let body: Value = answer.json();
    body["id"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
}

pub fn place(text: &str) -> Place {
    Place::parse(text).unwrap()
}
