//! Where the admin API is, and the token that it is shown.

use std::path::Path;

use crate::cli::error::{CliError, shown};
use crate::http::Url;

const EXPECTED: &str = "http://host:port or https://host, with the base path of the server if it has one";
/// What all routes begin with.
const ROOT: [&str; 2] = ["api", "v1"];
/// Largest file that is read as a token, bytes.
const TOKEN_BYTES_MAX: u64 = 4096;

/// A checked address.
#[derive(Debug, Clone)]
pub(super) struct Address {
    base: Url,
    shown: String,
}

impl Address {
    pub(super) fn check(text: &str, source: &'static str) -> Result<Self, CliError> {
        let wrong = |what: &str| CliError::usage(what).at(source).expected(EXPECTED);
        let mut base = Url::parse(text.trim())
            .map_err(|error| wrong("the address of the API is no URL").found(text).hint(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(wrong("the address of the API has an unknown scheme").found(base.scheme()));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(
                wrong("the address of the API holds a password").hint("a token is given with --token")
            );
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(wrong("the address of the API has a query").found(text));
        }
        // People paste what the server prints: the page, or the API itself.
        let path = base.path().trim_end_matches('/').trim_end_matches("/api/v1").to_owned();
        base.set_path(&path);
        let shown = shown(base.as_str().trim_end_matches('/'));
        Ok(Self { base, shown })
    }

    pub(super) fn url(&self) -> &Url {
        &self.base
    }

    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Can others on the way read what is sent?
    pub(super) fn is_open(&self) -> bool {
        let host = self.base.host_str().unwrap_or_default();
        let is_here = host == "localhost" || host == "[::1]" || host.starts_with("127.");
        self.base.scheme() == "http" && !is_here
    }

    /// The URL of a route: each part is one segment, whatever is in it.
    pub(super) fn below(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, CliError> {
        // A client takes these for steps in a path, and asks for something else.
        if let Some(step) = path.iter().find(|part| matches!(**part, "." | ".." | "")) {
            return Err(CliError::usage("this name cannot be a part of a path").found(step));
        }
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(ROOT).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}

/// The token of the flag, else that of the environment: `@FILE`, or itself.
pub(super) fn token(flag: Option<&str>) -> Result<Option<String>, CliError> {
    let from_env = || std::env::var("BULLOCK_TOKEN").ok().filter(|token| !token.is_empty());
    let (Some(text), source) = (match flag {
        Some(text) => (Some(text.to_owned()), "--token"),
        None => (from_env(), "BULLOCK_TOKEN"),
    }) else {
        return Ok(None);
    };
    let text = match text.strip_prefix('@') {
        Some(path) => read(Path::new(path)).map_err(|why| {
            CliError::usage(format!("cannot read the token from {path}")).at(source).found(why)
        })?,
        None => text,
    };
    let token = text.trim();
    // It is not repeated: what stands there may be a token with a slip of the hand in it.
    let fits = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        return Ok(Some(token.to_owned()));
    }
    Err(CliError::usage("this is no token").at(source).expected("one word, or @FILE with one in it"))
}

fn read(path: &Path) -> Result<String, String> {
    let long = || format!("expected at most {TOKEN_BYTES_MAX} bytes");
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > TOKEN_BYTES_MAX {
        Err(long())
    } else {
        std::fs::read_to_string(path).map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn a_name_is_one_segment_whatever_is_in_it_and_a_base_path_stays() {
        for base in
            ["https://ops.example/bull", "https://ops.example/bull/", "https://ops.example/bull/api/v1"]
        {
            let address = Address::check(base, "--api").expect(base);
            assert_eq!(address.shown(), "https://ops.example/bull");
            let url = address.below(&["queues", "a/b c", "jobs", "1:2?"], &[("where", "data.a=b&c")]);
            let expected =
                "https://ops.example/bull/api/v1/queues/a%2Fb%20c/jobs/1:2%3F?where=data.a%3Db%26c";
            assert_eq!(url.expect("fits").as_str(), expected);
            assert!(address.below(&["queues", ".."], &[]).is_err());
        }
    }

    #[test]
    fn each_wrong_part_is_named_and_no_secret_is_repeated() {
        for (wrong, said) in [
            ("ops.example", "no URL"),
            ("redis://h", "unknown scheme"),
            ("http://kim:s3cret@h", "holds a password"),
            ("http://h/?token=s3cret", "has a query"),
        ] {
            let error = Address::check(wrong, "--api").expect_err(wrong).to_string();
            assert!(error.contains(said), "{error}");
        }
        let error = Address::check("http://kim:s3cret@h", "--api").expect_err("refused").to_string();
        assert!(!error.contains("s3cret"), "{error}");
        assert!(Address::check("http://10.0.0.1:7979", "x").expect("fits").is_open());
        assert!(!Address::check("http://127.0.0.1:7979", "x").expect("fits").is_open());
    }
}
