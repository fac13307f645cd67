//! Certificates of one's own for Redis: parameters of the URL that name files.
//!
//! Owns: `tls_ca`, `tls_cert` and `tls_key`. Must never know: connections. Called by [`super::target`].

use redis::{ClientTlsConfig, TlsCertificates};

use super::target::decoded;
use crate::store::StoreError;

/// The CA that has signed the server's certificate; no other is trusted then.
const CA: &str = "tls_ca";
/// What this client shows of itself, and the key to it.
const CERT: &str = "tls_cert";
const KEY: &str = "tls_key";
/// What PEM files say of themselves.
const CERTIFICATE: &str = "CERTIFICATE";
const PRIVATE_KEY: &str = "PRIVATE KEY";

/// The URL without those parameters, and what the files hold.
pub(super) fn taken(url: &str) -> Result<(String, Option<TlsCertificates>), StoreError> {
    let Some((base, query)) = url.split_once('?') else { return Ok((url.to_owned(), None)) };
    let (ours, others): (Vec<&str>, Vec<&str>) =
        query.split('&').partition(|pair| [CA, CERT, KEY].contains(&pair.split('=').next().unwrap_or("")));
    if ours.is_empty() {
        return Ok((url.to_owned(), None));
    }
    let rest = if others.is_empty() { base.to_owned() } else { format!("{base}?{}", others.join("&")) };
    if !rest.starts_with("rediss") && !others.contains(&"tls=true") {
        return Err(StoreError::Invalid(
            "own certificates for Redis need a URL that begins with rediss".into(),
        ));
    }
    let file = |name: &str, kind: &str| {
        let path = ours.iter().find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        path.map(|path| pem(&decoded(path), kind)).transpose()
    };
    let client_tls = match (file(CERT, CERTIFICATE)?, file(KEY, PRIVATE_KEY)?) {
        (Some(client_cert), Some(client_key)) => Some(ClientTlsConfig { client_cert, client_key }),
        (None, None) => None,
        _ => return Err(StoreError::Invalid("a certificate for Redis and its key go together".into())),
    };
    Ok((rest, Some(TlsCertificates { client_tls, root_cert: file(CA, CERTIFICATE)? })))
}

/// A PEM file that holds what it is for.
fn pem(path: &str, kind: &str) -> Result<Vec<u8>, StoreError> {
    let wrong = |why: &str| StoreError::Invalid(format!("the certificate or key {path} for Redis {why}"));
    let text = std::fs::read(path).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    let holds = String::from_utf8_lossy(&text).contains(kind);
    if holds { Ok(text) } else { Err(wrong(&format!("is no PEM file with a {kind}"))) }
}
