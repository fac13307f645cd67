//! Values that must not be shown, and URLs with what must not be shown cut out.
//!
//! Must never know: where a secret is used. [`Secret::expose`] is the one door, easy to search for.

use std::fmt;

/// What is shown in place of a secret.
pub(super) const HIDDEN: &str = "***";

/// Text that prints as `***` in every form: Debug, Display, Serialize.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the code that signs or connects with it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl serde::Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}

/// A URL as it may be shown: user, password, query and fragment are replaced. Works on text that is no valid URL,
/// because that is when it is shown.
///
/// # Examples
///
/// ```
/// use bullock::config::shown_url;
/// assert_eq!(shown_url("redis://ops:p@ss#w@db:6379/1"), "redis://***@db:6379/1");
/// assert_eq!(shown_url("redis+unix:///run/r.sock?pass=x"), "redis+unix:///run/r.sock?***");
/// ```
pub fn shown_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        // Without a scheme nothing tells what is a password.
        return if url.contains('@') || url.matches(':').count() > 1 {
            HIDDEN.to_owned()
        } else {
            url.to_owned()
        };
    };
    let (hidden, rest) = match rest.rsplit_once('@') {
        Some((_, after)) => (true, after),
        None => (false, rest),
    };
    let cut = rest.find(['?', '#']).unwrap_or(rest.len());
    let (place, tail) = rest.split_at(cut);
    let authority = place.split('/').next().unwrap_or_default();
    // `redis://:password` with the host forgotten: what looks like a port is no number.
    let is_odd = |host: &str| {
        let port = host.rsplit_once(':').map_or("", |(_, port)| port);
        !host.ends_with(']') && port.chars().any(|c| !c.is_ascii_digit())
    };
    let suspicious = !hidden && authority.split(',').any(is_odd);
    let place = if suspicious { HIDDEN } else { place };
    let user = if hidden { "***@" } else { "" };
    let tail = tail.chars().next().map_or(String::new(), |mark| format!("{mark}{HIDDEN}"));
    format!("{scheme}://{user}{place}{tail}")
}
