//! `[admin]`: where the admin server listens and who may do what there.
//!
//! Must never know: how requests are checked; the digests and patterns go to the admin server as plain values.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use sha2::{Digest, Sha256};

use super::limits::TOKENS_MAX;
use super::problem::{Problem, Problems};
use super::raw::Value;
use super::read::Section;

/// The validated `[admin]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Where to listen; port 0 = any free one.
    pub listen: SocketAddr,
    /// Base of the callback URLs, without a slash at the end; `None` = made from the address listened on.
    pub public_url: Option<String>,
    /// The path that it lives under, with a slash at both ends.
    pub base_path: String,
    /// Who may do what. Empty only on loopback.
    pub tokens: Vec<Token>,
}

/// A bearer token of the admin API, known by its digest only.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Shown in the audit.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// SHA-256 of the token.
    pub sha256: [u8; 32],
    /// Queues that it may see; `*` in one stands for any text.
    pub queues: Vec<String>,
    /// Organisations that it is for; anything but `*` leaves it nothing but their syncs.
    pub orgs: Vec<String>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token({}, {:?}, {:?}, {:?})", self.name, self.role, self.queues, self.orgs)
    }
}

/// What a token may do; each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    Viewer,
    /// Retry, pause, cancel.
    Operator,
    /// Delete, obliterate.
    Admin,
}

/// Tokens that stand in examples or that anybody would guess; their digests are refused.
const GUESSED_TOKENS: &[&str] = &[
    "",
    "example-token",
    "example",
    "token",
    "secret",
    "password",
    "changeme",
    "change-me",
    "admin",
    "test",
    "bullock",
];

pub(super) fn read(
    section: &Section<'_>,
    problems: &mut Problems,
    warnings: &mut Vec<Problem>,
) -> Option<Admin> {
    let base_path = base_path(section, problems);
    let public_url = public_url(section, problems);
    let tokens = tokens(section, problems);
    let listen = section.text("listen");
    if listen.is_empty() {
        return None;
    }
    let Some(listen) = address(&listen) else {
        let hint = "write an IP address or localhost, and a port; \"\" turns the admin server off";
        problems.push(section.problem("listen", "is no address", "e.g. \"127.0.0.1:7979\"", hint));
        return None;
    };
    if !listen.ip().is_loopback() && !section.has("tokens") {
        problems.push(section.problem(
            "listen",
            "is open to others, and there is no token",
            "a loopback address, or admin.tokens",
            "listen on 127.0.0.1, or add a token: openssl rand -hex 32, and its sha256sum",
        ));
    }
    if !listen.ip().is_loopback() && section.has("tokens") && tokens.is_empty() && !section.is_bad("tokens") {
        let hint = "openssl rand -hex 32 makes a token, sha256sum its digest";
        problems.push(section.problem(
            "tokens",
            "is empty, and admin.listen is open to others",
            "a token",
            hint,
        ));
    }
    if listen.ip().is_unspecified() && !section.has("public_url") {
        let what = "is every address of this machine, and handlers cannot call back to that";
        let hint = "set admin.public_url if a handler answers 202 or uses Job-Callback";
        warnings.push(section.problem("listen", what, "admin.public_url", hint));
    }
    Some(Admin { listen, public_url, base_path, tokens })
}

/// An address and a port; `localhost` is the loopback of IPv4. Names are not looked up: what they mean may change.
fn address(text: &str) -> Option<SocketAddr> {
    if let Some(port) = text.strip_prefix("localhost:") {
        return Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port.parse().ok()?));
    }
    text.parse().ok()
}

/// A path of plain segments: what a proxy and a cookie take as it is.
fn base_path(section: &Section<'_>, problems: &mut Problems) -> String {
    let text = section.text("base_path");
    let inner = text.trim_matches('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let is_segment = |part: &str| !part.is_empty() && !part.starts_with('.') && part.chars().all(plain);
    if inner.is_empty() {
        return "/".to_owned();
    }
    if !text.starts_with('/') || !inner.split('/').all(is_segment) {
        let hint = "letters, digits and -._~ between slashes";
        problems.push(section.problem("base_path", "is no plain path", "e.g. \"/bullock\"", hint));
    }
    format!("/{inner}/")
}

fn public_url(section: &Section<'_>, problems: &mut Problems) -> Option<String> {
    let text = section.maybe_text("public_url")?;
    let fault = match url::Url::parse(&text) {
        Err(_) => "is no URL",
        Ok(url) if !matches!(url.scheme(), "http" | "https") => "is neither http:// nor https://",
        Ok(url) if !url.username().is_empty() || url.password().is_some() => "holds a user or password",
        Ok(url) if url.query().is_some() || url.fragment().is_some() => "holds a query or fragment",
        Ok(_) => return Some(text.trim_end_matches('/').to_owned()),
    };
    let hint = "write what the handlers reach this process by";
    problems.push(section.problem("public_url", fault, "e.g. \"http://bullock.internal:7979\"", hint));
    None
}

fn tokens(section: &Section<'_>, problems: &mut Problems) -> Vec<Token> {
    let items = section.items("tokens");
    if items.len() > TOKENS_MAX {
        let expected = format!("at most {TOKENS_MAX}");
        problems.push(section.problem(
            "tokens",
            "has too many entries",
            expected,
            "one token serves many clients",
        ));
    }
    let mut tokens: Vec<Token> = Vec::new();
    for item in &items {
        let name = item.text("name");
        if item.has("name") && !item.is_bad("name") && (name.is_empty() || name.len() > 128) {
            problems.push(item.problem(
                "name",
                "has a bad length",
                "1 to 128 bytes",
                "name the person or program",
            ));
        } else if tokens.iter().any(|token| token.name == name) {
            problems.push(item.problem(
                "name",
                "is taken by another token",
                "a name of its own",
                "the audit tells them apart by name",
            ));
        }
        let sha256 = digest(item, problems).unwrap_or_default();
        let role = match item.text("role").as_str() {
            "admin" => Role::Admin,
            "operator" => Role::Operator,
            _ => Role::Viewer,
        };
        tokens.push(Token { name, role, sha256, queues: item.texts("queues"), orgs: item.texts("orgs") });
    }
    tokens
}

fn digest(item: &Section<'_>, problems: &mut Problems) -> Option<[u8; 32]> {
    let Some(Value::Text(text)) = item.node("sha256").map(|node| &node.value) else { return None };
    let Some(digest) = parse_digest(text) else {
        let hint = "printf %s \"$TOKEN\" | sha256sum; the token itself does not belong here";
        problems.push(item.problem("sha256", "is no SHA-256", "64 hex digits", hint));
        return None;
    };
    let uniform = digest.iter().all(|byte| *byte == digest[0]);
    if uniform || GUESSED_TOKENS.iter().any(|token| Sha256::digest(token).as_slice() == digest) {
        let hint = "openssl rand -hex 32 makes a token, sha256sum its digest";
        problems.push(item.problem(
            "sha256",
            "is that of an example",
            "the digest of a token of your own",
            hint,
        ));
        return None;
    }
    Some(digest)
}

fn parse_digest(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut digest = [0; 32];
    for (index, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).ok()?;
    }
    Some(digest)
}
