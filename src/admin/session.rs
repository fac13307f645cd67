//! Sessions of browsers: a token or a one-time link is swapped for a cookie that no script can read.
//!
//! Owns: the ids, how long they hold, the cookie. Must never know: routes, tokens. They live in memory: a restart of the
//! server ends them all. Called by `auth` at every request with a cookie and by the login routes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

use super::auth::{Caller, Via, digest_of};

/// Name of the cookie.
pub(super) const COOKIE_NAME: &str = "bullock_session";
/// A session ends so long after its login, whatever it does: a working day.
pub(super) const SESSION_MAX: Duration = Duration::from_hours(12);
/// A one-time link is good for so long.
pub(super) const LINK_MAX: Duration = Duration::from_mins(10);
/// Most sessions at once; with one more the oldest ends.
const SESSIONS_MAX: usize = 1000;
/// Random bytes of an id.
const ID_BYTES: usize = 32;

/// All sessions and one-time links of a server. Only digests of their ids are kept: nobody can take one from memory, and
/// looking one up says nothing of how near a guess came.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    open: HashMap<[u8; 32], Session>,
    links: HashMap<[u8; 32], Instant>,
}

#[derive(Debug)]
struct Session {
    caller: Caller,
    ends: Instant,
}

/// A session that has just begun.
#[derive(Debug)]
pub(super) struct Opened {
    /// For the cookie, and nobody else.
    pub(super) id: String,
    pub(super) caller: Caller,
}

impl Sessions {
    /// Begins a session of somebody who has shown who they are. `None` = the system gives no random numbers.
    pub(super) fn open(&self, caller: Caller) -> Option<Opened> {
        let (id, now) = (random_id()?, Instant::now());
        let caller = Caller { via: Via::Cookie, ..caller };
        let mut inner = self.inner();
        inner.open.retain(|_, session| session.ends > now);
        if inner.open.len() >= SESSIONS_MAX {
            let oldest = inner.open.iter().min_by_key(|(_, session)| session.ends).map(|(id, _)| *id);
            oldest.and_then(|id| inner.open.remove(&id));
        }
        let session = Session { caller: caller.clone(), ends: now + SESSION_MAX };
        inner.open.insert(digest_of(&id), session);
        Some(Opened { id, caller })
    }

    /// Whose session the cookie of a request names.
    pub(super) fn find(&self, headers: &HeaderMap) -> Option<Caller> {
        self.find_at(headers, Instant::now()).map(|(caller, _)| caller)
    }

    /// When the session of a request ends, ms since the epoch.
    pub(super) fn ends_ms(&self, headers: &HeaderMap) -> Option<u64> {
        let now = Instant::now();
        let (_, ends) = self.find_at(headers, now)?;
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some((since_epoch + (ends - now)).as_millis() as u64)
    }

    fn find_at(&self, headers: &HeaderMap, now: Instant) -> Option<(Caller, Instant)> {
        let id = digest_of(cookie(headers)?);
        let inner = self.inner();
        let session = inner.open.get(&id).filter(|session| session.ends > now)?;
        Some((session.caller.clone(), session.ends))
    }

    /// Ends the session of a request, if it has one.
    pub(super) fn close(&self, headers: &HeaderMap) {
        if let Some(id) = cookie(headers) {
            self.inner().open.remove(&digest_of(id));
        }
    }

    /// Makes a code that opens one session of the owner, once. `None` = the system gives no random numbers.
    pub(super) fn link(&self) -> Option<String> {
        let code = random_id()?;
        self.inner().links.insert(digest_of(&code), Instant::now() + LINK_MAX);
        Some(code)
    }

    /// Uses up a code. Was it good?
    pub(super) fn redeem(&self, code: &str) -> bool {
        self.redeem_at(code, Instant::now())
    }

    fn redeem_at(&self, code: &str, now: Instant) -> bool {
        self.inner().links.remove(&digest_of(code)).is_some_and(|ends| ends > now)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The header that gives a browser its session, below `path`; `secure` = over TLS only.
pub(super) fn set_cookie(id: &str, path: &str, secure: bool) -> Option<HeaderValue> {
    header(id, path, secure, SESSION_MAX.as_secs())
}

/// The header that takes it away.
pub(super) fn delete_cookie(path: &str, secure: bool) -> Option<HeaderValue> {
    header("", path, secure, 0)
}

fn header(id: &str, path: &str, secure: bool, seconds: u64) -> Option<HeaderValue> {
    let secure = if secure { "; Secure" } else { "" };
    let text =
        format!("{COOKIE_NAME}={id}; Path={path}; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let id = cookies
        .flat_map(|text| text.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE_NAME)?.strip_prefix('='))?;
    (id.len() == 2 * ID_BYTES).then_some(id)
}

fn random_id() -> Option<String> {
    use std::fmt::Write as _;
    let mut bytes = [0; ID_BYTES];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().fold(String::with_capacity(2 * ID_BYTES), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_cookie(text: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_str(text).expect("a header"));
        headers
    }

    #[test]
    fn a_session_is_found_by_its_cookie_until_it_is_closed_or_over() {
        let sessions = Sessions::default();
        let opened = sessions.open(Caller::owner()).expect("an id");
        let headers = with_cookie(&format!("a=b; {COOKIE_NAME}={}; c=d", opened.id));
        assert!(sessions.find(&headers).is_some());
        assert!(sessions.ends_ms(&headers).is_some());
        assert!(sessions.find_at(&headers, Instant::now() + SESSION_MAX).is_none());
        for other in ["", "a=b", &format!("{COOKIE_NAME}="), &format!("{COOKIE_NAME}={}", "0".repeat(64))] {
            assert!(sessions.find(&with_cookie(other)).is_none(), "{other}");
        }
        sessions.close(&headers);
        assert!(sessions.find(&headers).is_none());
    }

    #[test]
    fn a_thousand_sessions_are_kept_and_the_oldest_gives_way() {
        let sessions = Sessions::default();
        let first = sessions.open(Caller::owner()).expect("an id").id;
        for _ in 0..SESSIONS_MAX {
            sessions.open(Caller::owner()).expect("an id");
        }
        assert!(sessions.find(&with_cookie(&format!("{COOKIE_NAME}={first}"))).is_none());
        assert_eq!(sessions.inner().open.len(), SESSIONS_MAX);
    }

    #[test]
    fn a_link_is_good_once_and_for_ten_minutes() {
        let sessions = Sessions::default();
        let (code, old) = (sessions.link().expect("a code"), sessions.link().expect("a code"));
        assert!(!sessions.redeem("something else"));
        assert!(sessions.redeem(&code));
        assert!(!sessions.redeem(&code));
        assert!(!sessions.redeem_at(&old, Instant::now() + LINK_MAX));
    }
}
