//! Who may ask for what: bearer tokens, each with a role and the queues that it holds for, and the sessions of browsers
//! that have shown one.
//!
//! Owns: roles, tokens, the comparison, what a browser must not be made to do by another site. Must never know: routes.
//! Called by `routes` before every handler.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use axum::http::{HeaderMap, Method};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use super::problem::Problem;
use super::server::Shared;
use crate::job::pattern::matches;

/// Longest token that is looked at, bytes.
const TOKEN_BYTES_MAX: usize = 512;

/// What a token allows; each role includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// May look.
    Viewer,
    /// May act on jobs and queues.
    Operator,
    /// May destroy.
    Admin,
}

/// One entry of `admin.tokens`. The token itself is not known here, only its digest.
#[derive(Debug, Clone)]
pub struct TokenOptions {
    /// Who uses it, for logs.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// SHA-256 of the token, 64 hexadecimal digits.
    pub sha256: String,
    /// Queues it holds for; `*` in a pattern stands for any text. Empty = none.
    pub queues: Vec<String>,
    /// Organisations it holds for, likewise. Anything but `*` leaves it nothing but their syncs.
    pub orgs: Vec<String>,
}

/// Unsafe requests that rely on a cookie must bear this header: no form and no link of another site can set it.
pub(super) const OWN_HEADER: (&str, &str) = ("x-requested-with", "bullock");
/// The protocol that a WebSocket speaks. A page cannot set headers for one, so it may name its token beside it.
pub(super) const SUBPROTOCOL: &str = "bullock";
const SUBPROTOCOL_TOKEN: &str = "bearer.";
/// The name of whoever asks a server without tokens.
const LOCAL: &str = "local";

impl Role {
    /// The word of the config.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// By what a request says who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    /// A token in its header.
    Bearer,
    /// The session of a browser.
    Cookie,
    /// Nothing: the server has no tokens and listens on loopback only.
    Loopback,
}

/// Who asks, and what they may do.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// The name of the token, for the audit.
    pub(super) name: Arc<str>,
    pub(super) role: Role,
    /// Patterns of the queues.
    pub(super) queues: Arc<[String]>,
    /// Patterns of the organisations.
    pub(super) orgs: Arc<[String]>,
    pub(super) via: Via,
}

impl Caller {
    /// The one whom a server without tokens takes everybody for.
    fn local() -> Self {
        Self {
            name: LOCAL.into(),
            role: Role::Operator,
            queues: Arc::new(["*".to_owned()]),
            orgs: Arc::new(["*".to_owned()]),
            via: Via::Loopback,
        }
    }

    /// Whoever came by a one-time link, which only the owner of the process has seen.
    pub(super) fn owner() -> Self {
        Self { role: Role::Admin, via: Via::Cookie, ..Self::local() }
    }

    /// May they see this queue?
    pub(super) fn may(&self, queue: &str) -> bool {
        self.queues.iter().any(|pattern| matches(pattern, queue))
    }

    /// May they see syncs of this organisation? `None` = of nobody's.
    pub(super) fn may_see_of(&self, org: Option<&str>) -> bool {
        !self.is_bound() || org.is_some_and(|org| self.orgs.iter().any(|pattern| matches(pattern, org)))
    }

    /// Are they bound to some organisations? Then there is nothing for them but these organisations' syncs.
    pub(super) fn is_bound(&self) -> bool {
        !self.orgs.iter().any(|pattern| pattern == "*")
    }
}

/// A token as it is compared.
#[derive(Debug)]
struct Token {
    name: Arc<str>,
    role: Role,
    digest: [u8; 32],
    queues: Arc<[String]>,
    orgs: Arc<[String]>,
}

/// All tokens of the server.
#[derive(Debug)]
pub(super) struct Tokens(Vec<Token>);

impl Tokens {
    /// Reads the config's entries. `Err` = the name of a bad one and its problem.
    pub(super) fn new(options: &[TokenOptions]) -> Result<Self, (String, String)> {
        let read = |option: &TokenOptions| {
            let problem = |text: &str| (option.name.clone(), text.to_owned());
            let digest = unhex(&option.sha256)
                .ok_or_else(|| problem("sha256: expected 64 hexadecimal digits, the SHA-256 of the token"))?;
            if digest == digest_of("") {
                return Err(problem("sha256: this is the digest of an empty token"));
            }
            let (queues, orgs) = (option.queues.clone().into(), option.orgs.clone().into());
            Ok(Token { name: option.name.as_str().into(), role: option.role, digest, queues, orgs })
        };
        options.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose token it is. Compares digests, all of them to their end: the time says nothing of how near a guess came.
    pub(super) fn find(&self, token: &str) -> Option<Caller> {
        let digest = digest_of(token);
        let mut found = None;
        for known in &self.0 {
            if bool::from(known.digest.ct_eq(&digest)) {
                found = Some(known);
            }
        }
        found.map(|token| Caller {
            name: Arc::clone(&token.name),
            role: token.role,
            queues: Arc::clone(&token.queues),
            orgs: Arc::clone(&token.orgs),
            via: Via::Bearer,
        })
    }
}

/// What the header says.
pub(super) enum Bearer<'a> {
    Absent,
    /// It is there but no bearer token.
    Malformed,
    Token(&'a str),
}

/// The bearer token of a request. Nothing else in it, neither query nor cookie nor what a proxy added, counts.
pub(super) fn bearer(headers: &HeaderMap) -> Bearer<'_> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return if headers.contains_key(AUTHORIZATION) { Bearer::Malformed } else { in_subprotocol(headers) };
    };
    let token = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    match token {
        Some(token) if !token.is_empty() && token.len() <= TOKEN_BYTES_MAX => Bearer::Token(token),
        _ => Bearer::Malformed,
    }
}

/// The token of a WebSocket, among the protocols that its client names.
fn in_subprotocol(headers: &HeaderMap) -> Bearer<'_> {
    let is_socket =
        headers.get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let named = headers.get(SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok());
    let Some(named) = named.filter(|_| is_socket) else { return Bearer::Absent };
    match named.split(',').find_map(|name| name.trim().strip_prefix(SUBPROTOCOL_TOKEN)) {
        None => Bearer::Absent,
        Some(token) if token.is_empty() || token.len() > TOKEN_BYTES_MAX => Bearer::Malformed,
        Some(token) => Bearer::Token(token),
    }
}

/// Who sent a request; `None` = nobody that the server knows, where it must.
pub(super) fn identify(
    shared: &Shared,
    peer: IpAddr,
    headers: &HeaderMap,
) -> Result<Option<Caller>, Problem> {
    let bearer = bearer(headers);
    if shared.tokens.is_empty() {
        // Only a loopback listener has none (see `Server::bind`): whoever reaches it may operate.
        return Ok(Some(shared.sessions.find(headers).unwrap_or_else(Caller::local)));
    }
    if let Bearer::Absent = bearer {
        // The id of a session cannot be guessed, and an old one after a restart is no attempt to.
        return Ok(shared.sessions.find(headers));
    }
    shared.guesses.check(peer).map_err(Problem::rate_limited)?;
    let found = if let Bearer::Token(token) = bearer { shared.tokens.find(token) } else { None };
    if found.is_none() {
        shared.guesses.fail(peer);
        return Err(Problem::unauthorized());
    }
    Ok(found)
}

/// Lets a request pass that may do what `needed` allows, on `queue` if it names one.
pub(super) fn require(
    shared: &Shared,
    needed: Role,
    queue: Option<&str>,
    peer: IpAddr,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Caller, Problem> {
    let caller = identify(shared, peer, headers)?.ok_or_else(Problem::unauthorized)?;
    check_intent(&caller, method, headers)?;
    if caller.role < needed {
        return Err(Problem::forbidden(format!("this needs a token with the role {}", needed.as_str())));
    }
    match queue {
        Some(queue) if !caller.may(queue) => Err(Problem::forbidden("this token is not for that queue")),
        _ => Ok(caller),
    }
}

/// What a browser sends along by itself must not act for a page of another site.
fn check_intent(caller: &Caller, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    if method.is_safe() || caller.via == Via::Bearer {
        return Ok(());
    }
    check_same_site(headers)?;
    let (name, value) = OWN_HEADER;
    let own = headers.get(name).is_some_and(|found| found == value);
    if caller.via == Via::Cookie && !own {
        let detail = "with a cookie the header \"X-Requested-With: bullock\" is needed";
        return Err(Problem::forbidden(detail));
    }
    Ok(())
}

/// Refuses what a browser sends for a page of another site. Programs say nothing of sites.
pub(super) fn check_same_site(headers: &HeaderMap) -> Result<(), Problem> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let same_site = header("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none");
    let same_host = header("origin")
        .is_none_or(|origin| origin.split_once("://").is_some_and(|(_, host)| Some(host) == header("host")));
    if same_site && same_host {
        Ok(())
    } else {
        Err(Problem::forbidden("requests of other sites are refused"))
    }
}

pub(super) fn digest_of(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.contains('+'))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, Method};

    use super::{Caller, Via, check_intent};

    #[test]
    fn without_tokens_pages_of_other_sites_may_look_but_not_act() {
        for (name, value, acts) in [
            ("x", "", true),
            ("origin", "http://localhost:7979", true),
            ("origin", "https://evil.test", false),
            ("origin", "null", false),
            ("sec-fetch-site", "same-origin", true),
            ("sec-fetch-site", "none", true),
            ("sec-fetch-site", "same-site", false),
            ("sec-fetch-site", "cross-site", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static("localhost:7979"));
            headers.insert(name, HeaderValue::from_static(value));
            let local = Caller::local();
            assert_eq!(check_intent(&local, &Method::POST, &headers).is_ok(), acts, "{name}: {value}");
            assert!(check_intent(&local, &Method::GET, &headers).is_ok(), "{name}: {value}");
        }
    }

    #[test]
    fn a_cookie_acts_only_beside_a_header_that_no_form_can_set() {
        let (mut headers, owner) = (HeaderMap::new(), Caller::owner());
        headers.insert("host", HeaderValue::from_static("localhost:7979"));
        assert!(check_intent(&owner, &Method::GET, &headers).is_ok());
        assert!(check_intent(&owner, &Method::DELETE, &headers).is_err());
        headers.insert("x-requested-with", HeaderValue::from_static("bullock"));
        assert!(check_intent(&owner, &Method::DELETE, &headers).is_ok());
        headers.insert("origin", HeaderValue::from_static("https://evil.test"));
        assert!(check_intent(&owner, &Method::DELETE, &headers).is_err());
        let program = Caller { via: Via::Bearer, ..owner };
        assert!(check_intent(&program, &Method::DELETE, &headers).is_ok());
    }
}
