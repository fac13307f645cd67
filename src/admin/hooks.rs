//! Webhooks that shops send here: whose they are, whether their signature is right, which of them are the same.
//!
//! Owns: secrets, signatures, what a delivery is known by. Must never know: jobs. Called by `routes::hooks`.
//!
//! Comparing is constant in time. Failures are not counted against an address: a signature of 256 bits cannot be guessed, and
//! behind a proxy all shops have one address.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Longest text that a delivery is known by, bytes.
const KEY_BYTES_MAX: usize = 1024;
/// The prefix of a Standard Webhooks secret.
const BASE64_PREFIX: &str = "whsec_";

/// How a sender signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// `X-WC-Webhook-Signature`: base64 of the HMAC-SHA256 of the body.
    WooCommerce,
    /// `X-Shopify-Hmac-Sha256`: the same.
    Shopify,
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature`, as Standard Webhooks has them.
    Standard,
}

/// Where something is found in a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A header, in lower case.
    Header(String),
    /// A member of the JSON body, as a dotted path.
    Body(Vec<String>),
    /// The body itself, by its digest.
    WholeBody,
}

impl Place {
    /// Reads `header.x-shop`, `body.shop.id` or `body`.
    ///
    /// ```
    /// use bullock::admin::hooks::Place;
    /// assert_eq!(Place::parse("header.X-Shop"), Some(Place::Header("x-shop".into())));
    /// assert_eq!(Place::parse("body.shop.id"), Some(Place::Body(vec!["shop".into(), "id".into()])));
    /// assert_eq!(Place::parse("shop"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        if text == "body" {
            return Some(Self::WholeBody);
        }
        let (kind, rest) = text.split_once('.')?;
        match kind {
            _ if rest.split('.').any(str::is_empty) => None,
            "header" => Some(Self::Header(rest.to_ascii_lowercase())),
            "body" => Some(Self::Body(rest.split('.').map(ToOwned::to_owned).collect())),
            _ => None,
        }
    }

    /// The text that stands there: of texts and numbers only.
    pub(super) fn find(&self, headers: &HeaderMap, body: &[u8]) -> Option<String> {
        let text = match self {
            Self::Header(name) => headers.get(name)?.to_str().ok()?.to_owned(),
            Self::WholeBody => hex(&Sha256::digest(body)),
            Self::Body(path) => {
                let body: Value = serde_json::from_slice(body).ok()?;
                match path.iter().try_fold(&body, |value, name| value.get(name))? {
                    Value::String(text) => text.clone(),
                    Value::Number(number) => number.to_string(),
                    _ => return None,
                }
            }
        };
        (!text.trim().is_empty() && text.len() <= KEY_BYTES_MAX).then_some(text)
    }
}

/// One `[hooks.<name>]`.
#[derive(Clone)]
pub struct HookOptions {
    /// Its name, in the path.
    pub name: String,
    /// The queue that it enqueues into, one of this process.
    pub queue: String,
    /// The name of its jobs.
    pub job: String,
    /// How its sender signs.
    pub signature: Signature,
    /// The secrets, several while one is replaced.
    pub secrets: Vec<String>,
    /// Whose deliveries they are; `None` = nobody asks.
    pub org: Option<Place>,
    /// What a delivery is known by; `None` = the usual of its kind.
    pub dedupe: Option<Place>,
    /// How long a delivery is known.
    pub dedupe_for: Duration,
    /// How old, or how far ahead, a signed time may be.
    pub tolerance: Duration,
    /// Longest body, bytes.
    pub body_bytes_max: usize,
    /// Attempts of its jobs.
    pub attempts: u32,
}

/// A hook as it is used.
pub(super) struct Hook {
    pub(super) options: HookOptions,
    keys: Vec<Hmac<Sha256>>,
}

/// All hooks of the server, by name.
pub(super) type Hooks = HashMap<String, Hook>;

/// Why a delivery is refused. What was expected of its signature is never said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// No signature, or a wrong one.
    Signature,
    /// Signed too long ago, or for a time that is not yet.
    Time,
}

/// Reads the options. `Err` = the name of a bad one and its problem.
pub(super) fn read(options: Vec<HookOptions>) -> Result<Hooks, (String, String)> {
    options.into_iter().map(|one| Ok((one.name.clone(), Hook::new(one)?))).collect()
}

impl Hook {
    fn new(options: HookOptions) -> Result<Self, (String, String)> {
        let problem = |text: &str| (options.name.clone(), text.to_owned());
        let key = |secret: &String| {
            let decoded = match (options.signature, secret.strip_prefix(BASE64_PREFIX)) {
                (Signature::Standard, Some(text)) => STANDARD
                    .decode(text)
                    .map_err(|_| problem("secret: begins with whsec_, and what follows is no base64"))?,
                _ => secret.clone().into_bytes(),
            };
            if decoded.is_empty() {
                return Err(problem("secret: is empty"));
            }
            // Any length is a key.
            Hmac::new_from_slice(&decoded).map_err(|_| problem("secret: cannot be used"))
        };
        let keys = options.secrets.iter().map(key).collect::<Result<_, _>>()?;
        Ok(Self { options, keys })
    }

    /// Is it signed by who knows the secret, and fresh? `now_s`: seconds since the epoch.
    pub(super) fn verify(&self, headers: &HeaderMap, body: &[u8], now_s: i64) -> Result<(), Refused> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        match self.options.signature {
            Signature::WooCommerce => self.check(&[body], header("x-wc-webhook-signature")),
            Signature::Shopify => self.check(&[body], header("x-shopify-hmac-sha256")),
            Signature::Standard => {
                let (id, at) = (header("webhook-id"), header("webhook-timestamp"));
                let (Some(id), Some(at)) = (id, at) else { return Err(Refused::Signature) };
                let said = header("webhook-signature").unwrap_or_default();
                let parts: [&[u8]; 5] = [id.as_bytes(), b".", at.as_bytes(), b".", body];
                let signatures = said.split(' ').filter_map(|one| one.strip_prefix("v1,"));
                // A handful: a header full of them would be work for nothing.
                let fits = signatures.take(8).any(|one| self.check(&parts, Some(one)).is_ok());
                if !fits {
                    return Err(Refused::Signature);
                }
                let at: i64 = at.parse().map_err(|_| Refused::Time)?;
                let off = Duration::from_secs(now_s.saturating_sub(at).unsigned_abs());
                if off > self.options.tolerance { Err(Refused::Time) } else { Ok(()) }
            }
        }
    }

    fn check(&self, parts: &[&[u8]], said: Option<&str>) -> Result<(), Refused> {
        let said = said.and_then(|text| STANDARD.decode(text.trim()).ok()).ok_or(Refused::Signature)?;
        let mut fits = subtle::Choice::from(0);
        for key in &self.keys {
            let mut mac = key.clone();
            for part in parts {
                mac.update(part);
            }
            fits |= mac.finalize().into_bytes().as_slice().ct_eq(&said);
        }
        if bool::from(fits) { Ok(()) } else { Err(Refused::Signature) }
    }

    /// What this delivery is known by. Only what is signed counts unless the config says otherwise: the ids of `WooCommerce`
    /// and Shopify are not, so theirs is the body.
    pub(super) fn known_by(&self, headers: &HeaderMap, body: &[u8]) -> Option<String> {
        let usual = match self.options.signature {
            Signature::WooCommerce | Signature::Shopify => Place::WholeBody,
            Signature::Standard => Place::Header("webhook-id".into()),
        };
        self.options.dedupe.as_ref().unwrap_or(&usual).find(headers, body)
    }

    /// The id of the job that stands for what is known by this.
    pub(super) fn job_id(&self, known_by: &str) -> String {
        let digest = Sha256::digest(format!("{}\n{known_by}", self.options.name));
        format!("hook-{}-{}", self.options.name, &hex(&digest)[..32])
    }

    /// What it is about, as the sender says.
    pub(super) fn topic<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let name = match self.options.signature {
            Signature::WooCommerce => "x-wc-webhook-topic",
            Signature::Shopify => "x-shopify-topic",
            Signature::Standard => return None,
        };
        headers.get(name)?.to_str().ok()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
