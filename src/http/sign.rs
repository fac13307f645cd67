//! Signatures as in the Standard Webhooks specification, version 1.
//!
//! Owns: secrets and what is signed. Must never know: jobs. Called by `handler::http` and the alerts.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Shortest secret, in bytes (the specification asks for 24 to 64).
pub const SECRET_BYTES_MIN: usize = 24;
/// The prefix of a secret that is written in base64.
const BASE64_PREFIX: &str = "whsec_";
/// Words that stand in examples; a secret with one of them was never chosen.
const PLACEHOLDERS: &[&str] =
    &["changeme", "change-me", "change_me", "replace", "example", "placeholder", "your-secret"];

/// A secret shared with a backend. Never shown: `Debug` prints stars.
#[derive(Clone)]
pub struct Secret(Hmac<Sha256>);

/// Why a secret is refused. The value itself is never said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Fewer than [`SECRET_BYTES_MIN`].
    #[error(
        "the secret has {0} bytes, at least {SECRET_BYTES_MIN} are needed; make one with: openssl rand -base64 32"
    )]
    TooShort(usize),
    /// `whsec_` promises base64.
    #[error("the secret begins with whsec_, but what follows is not base64")]
    NotBase64,
    /// Copied from an example.
    #[error("the secret is a placeholder from an example; make one with: openssl rand -base64 32")]
    Placeholder,
}

impl Secret {
    /// Takes `whsec_<base64>`, or any other text as it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use bullock::http::sign::{Secret, SecretError};
    /// assert!(Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_ok());
    /// assert_eq!(Secret::parse("short").unwrap_err(), SecretError::TooShort(5));
    /// ```
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let lower = text.to_ascii_lowercase();
        if PLACEHOLDERS.iter().any(|word| lower.contains(word)) {
            return Err(SecretError::Placeholder);
        }
        let decoded;
        let key = if let Some(base64) = text.strip_prefix(BASE64_PREFIX) {
            decoded = STANDARD.decode(base64).map_err(|_| SecretError::NotBase64)?;
            &decoded[..]
        } else {
            text.as_bytes()
        };
        if key.len() < SECRET_BYTES_MIN {
            return Err(SecretError::TooShort(key.len()));
        }
        // HMAC takes keys of any length; the type says otherwise only for other algorithms.
        Hmac::new_from_slice(key).map(Self).map_err(|_| SecretError::TooShort(key.len()))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// The value of `webhook-signature`: one `v1,<base64>` for each secret, so that a receiver who knows the old or
/// the new one accepts it while they are rotated.
///
/// `id` must hold no dot, since dots separate the parts of what is signed. `timestamp` is in seconds.
pub fn signature(secrets: &[Secret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut value = String::with_capacity(secrets.len() * 48);
    let mut digits = String::with_capacity(20);
    // Writing to a String cannot fail.
    let _ = write!(digits, "{timestamp}");
    for Secret(keyed) in secrets {
        let mut mac = keyed.clone();
        for part in [id.as_bytes(), b".", digits.as_bytes(), b".", body] {
            mac.update(part);
        }
        if !value.is_empty() {
            value.push(' ');
        }
        value.push_str("v1,");
        STANDARD.encode_string(mac.finalize().into_bytes(), &mut value);
    }
    value
}
