//! The Redis URL as people type it: checked before anything connects, and never shown with its password.

use super::error::{CliError, shown};

/// Used when neither flag nor environment names one.
const DEFAULT: &str = "redis://127.0.0.1:6379";
const EXPECTED: &str = "redis://[user:password@]host[:port][/db], rediss://… for TLS, unix:///path/to.sock, redis+sentinel://…host,host/master \
     or redis+cluster://…host,host";

/// A checked URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisUrl {
    url: String,
    shown: String,
    user: String,
    source: &'static str,
}

impl RedisUrl {
    /// The flag, else `BULLOCK_REDIS_URL`, else `REDIS_URL`, else a local server. An empty variable counts as unset.
    pub fn resolve(flag: Option<&str>) -> Result<Self, CliError> {
        if let Some(url) = flag {
            return Self::check(url, "--redis-url");
        }
        for name in ["BULLOCK_REDIS_URL", "REDIS_URL"] {
            let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) else { continue };
            return match value.to_str() {
                Some(url) => Self::check(url, name),
                None => Err(CliError::usage("the Redis URL is not UTF-8").at(name).expected(EXPECTED)),
            };
        }
        Self::check(DEFAULT, "default")
    }

    /// For connecting. Holds the password: never print it.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// For people: without the password.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Is it reached over TLS?
    pub fn is_tls(&self) -> bool {
        self.url.starts_with("rediss") || self.url.contains("tls=true")
    }

    /// The user, `default` if none is named.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The flag or variable it came from.
    pub fn source(&self) -> &'static str {
        self.source
    }

    fn check(url: &str, source: &'static str) -> Result<Self, CliError> {
        let wrong = |what: &str| CliError::usage(what).at(source).expected(EXPECTED);
        let Some((scheme, rest)) = url.split_once("://") else {
            // May be a password that somebody pasted: not shown.
            return Err(wrong("the Redis URL has no scheme").hint("begin it with redis://"));
        };
        let named = |user: &str, shown: String| Self {
            url: url.to_owned(),
            shown,
            user: if user.is_empty() { "default".into() } else { self::shown(user) },
            source,
        };
        match scheme {
            "redis" | "rediss" | "redis+sentinel" | "rediss+sentinel" | "redis+cluster"
            | "rediss+cluster" => {}
            "unix" | "redis+unix" if rest.starts_with('/') => {
                let path = rest.split('?').next().unwrap_or(rest);
                return Ok(named("", format!("{scheme}://{}", self::shown(path))));
            }
            "unix" | "redis+unix" => return Err(wrong("the Redis URL has no absolute path").found(scheme)),
            _ => return Err(wrong("the Redis URL has an unknown scheme").found(format!("{scheme}://"))),
        }
        let (userinfo, server) = match rest.rfind('@') {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => ("", rest),
        };
        let offset = scheme.chars().count() + 3;
        check_userinfo(userinfo, offset, source)?;
        let (authority, tail) = server.split_at(server.find(['/', '?', '#']).unwrap_or(server.len()));
        if let Some(at) = url.find('#') {
            let position = url[..at].chars().count() + 1;
            return Err(wrong(&format!("the Redis URL has a raw # at character {position}"))
                .hint("in a user name or password, write it as %23"));
        }
        let is_many = scheme.contains('+');
        for server in authority.split(',').take(if is_many { usize::MAX } else { 1 }) {
            check_server(if is_many { server } else { authority }, &wrong)?;
        }
        let path = tail.strip_prefix('/').unwrap_or("").split('?').next().unwrap_or("");
        let (master, db) = match path.split_once('/') {
            Some((master, db)) if scheme.ends_with("sentinel") => (master, db),
            None if scheme.ends_with("sentinel") => (path, ""),
            _ => ("", path),
        };
        if scheme.ends_with("sentinel") && master.is_empty() {
            return Err(wrong("the Redis URL names no master, as the sentinels know it"));
        }
        if scheme.ends_with("cluster") && !matches!(db, "" | "0") {
            return Err(wrong("the Redis URL names a database, and a cluster has one only").found(db));
        }
        if !db.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong("the Redis URL has a database that is no number").found(db));
        }
        let user = userinfo.split(':').next().unwrap_or("");
        let secret = if userinfo.contains(':') { ":***" } else { "" };
        let at = if userinfo.is_empty() { "" } else { "@" };
        let db = if path.is_empty() { String::new() } else { format!("/{path}") };
        Ok(named(user, self::shown(&format!("{scheme}://{user}{secret}{at}{authority}{db}"))))
    }
}

/// User and password may hold no character that ends them; `offset` characters stand before.
fn check_userinfo(userinfo: &str, offset: usize, source: &str) -> Result<(), CliError> {
    for (at, c) in userinfo.chars().enumerate() {
        let position = offset + at + 1;
        let hex = |n: usize| userinfo.chars().nth(at + n).is_some_and(|c| c.is_ascii_hexdigit());
        let problem = match c {
            '@' | '#' | '/' | '?' | '[' | ']' | '\\' => format!("a raw {c}"),
            c if c.is_whitespace() || c.is_control() => "a blank or control character".into(),
            '%' if !(hex(1) && hex(2)) => "a % that encodes nothing".into(),
            _ => continue,
        };
        return Err(CliError::usage(format!(
            "the user name or password in the Redis URL has {problem} at character {position}"
        ))
        .at(source)
        .hint(format!("write it percent-encoded, as %{:02X}", u32::from(c))));
    }
    Ok(())
}

fn check_server(authority: &str, wrong: &dyn Fn(&str) -> CliError) -> Result<(), CliError> {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':').or((!port.is_empty()).then_some("?"))),
        None => match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.is_empty() {
        return Err(wrong("the Redis URL has no host"));
    }
    // What stands there may be a piece of a password: it is not repeated unless it is a plain number.
    if let Some(port) = port
        && !port.parse::<u16>().is_ok_and(|port| port > 0)
    {
        let error = wrong("the Redis URL has no valid port (1 to 65535)");
        return Err(if port.bytes().all(|b| b.is_ascii_digit()) { error.found(port) } else { error });
    }
    if !host.chars().all(|c| c.is_alphanumeric() || ".-_:%".contains(c)) {
        return Err(wrong("the Redis URL has a host with a character that no host has"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::RedisUrl;

    fn refused(url: &str) -> String {
        let message = RedisUrl::check(url, "--redis-url").expect_err(url).to_string();
        assert!(!message.contains("s3cret"), "{message}");
        message
    }

    #[test]
    fn a_password_is_never_shown() {
        let url = RedisUrl::check("redis://ada:s3cret@db:6380/2", "--redis-url").expect("valid");
        assert_eq!(url.shown(), "redis://ada:***@db:6380/2");
        assert_eq!(url.user(), "ada");
        assert_eq!(RedisUrl::check("redis://:s3cret@db", "x").expect("valid").shown(), "redis://:***@db");
    }

    #[test]
    fn raw_characters_in_a_password_are_named_with_their_position() {
        assert!(refused("redis://:s3cret@1@db").contains("a raw @ at character 16"));
        assert!(refused("redis://:s3cret@1@db").contains("%40"));
        assert!(refused("redis://:s3cret#1@db").contains("a raw # at character 16"));
        assert!(refused("redis://:s3cret%zz@db").contains("% that encodes nothing"));
        assert!(refused("redis://:s3cret/x@db").contains("a raw /"));
    }

    #[test]
    fn each_wrong_part_is_named() {
        assert!(refused("http://db:6379").contains("unknown scheme"));
        assert!(refused("db:6379").contains("no scheme"));
        assert!(refused("redis://").contains("no host"));
        assert!(refused("redis:///0").contains("no host"));
        assert!(refused("redis://:s3cret@:6379").contains("no host"));
        assert!(refused("redis://db:99999").contains("port (1 to 65535)"));
        assert!(refused("redis://db:s3cret").contains("port (1 to 65535)"));
        assert!(refused("redis://db/first").contains("no number"));
        assert!(refused("redis+sentinel://db").contains("names no master"));
        assert!(refused("redis+sentinel://a,:1/m").contains("no host"));
        assert!(refused("redis+cluster://a,b/1").contains("one only"));
        let many = "redis+sentinel://ada:s3cret@s1,s2:7/main/2?sentinel_password=s3cret";
        let many = RedisUrl::check(many, "x").expect("valid");
        assert_eq!(many.shown(), "redis+sentinel://ada:***@s1,s2:7/main/2");
        assert!(refused("unix://relative").contains("absolute path"));
        assert!(RedisUrl::check("redis://[::1]:6379/0", "x").is_ok());
        assert!(
            RedisUrl::check("unix:///run/redis.sock?db=1&pass=s3cret", "x")
                .is_ok_and(|u| !u.shown().contains("s3cret"))
        );
    }
}
