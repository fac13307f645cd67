//! The dashboard's files, which are a part of the binary.
//!
//! Owns: which path is a file, which a page of the app, how long a browser may keep them. Must never know: what the
//! dashboard does, who looks at it: there is nothing of anybody's in these files. Called by `routes` for what no row of
//! its table names.

use std::sync::OnceLock;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest, Sha256};

use super::guard::Page;
use super::problem::Problem;

/// One file of `web/dist`, as `build.rs` has written it down.
#[derive(Debug)]
struct File {
    /// Below `web/dist`.
    path: &'static str,
    /// Its media type.
    kind: &'static str,
    /// Of its content, quotes included.
    etag: &'static str,
    /// Its name changes with its content.
    immutable: bool,
    bytes: &'static [u8],
    /// The same, packed, where that is shorter.
    gzip: Option<&'static [u8]>,
}

static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/ui_files.rs"));

/// The page of the app; its URLs begin with `./`, which becomes the base path.
const INDEX: &str = "index.html";
/// First segments of the app's own URLs: all of them are the one page, which draws what its URL says.
const PAGES: [&str; 12] = [
    "queues",
    "syncs",
    "failed",
    "zombies",
    "workers",
    "schedulers",
    "flows",
    "audit",
    "history",
    "system",
    "login",
    "stats",
];
/// A year: as long as anything is kept.
const KEEP: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Kept, but asked about before each use.
const ASK: HeaderValue = HeaderValue::from_static("no-cache");
/// Served in place of a dashboard that was not built.
const NOT_BUILT: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>bullock</title></head><body>\n\
    <h1>bullock is running</h1>\n\
    <p>This binary was built without its dashboard. Build that, and bullock again:</p>\n\
    <pre>npm --prefix web ci &amp;&amp; npm --prefix web run build\ncargo build --release</pre>\n\
    <p>The API is there all the same: <a href=\"./api/v1/health\">health</a>, <a href=\"./metrics\">metrics</a>.</p>\n\
    </body></html>\n";

/// The dashboard below one base path.
#[derive(Debug)]
pub(super) struct Ui {
    files: &'static [File],
    base_path: String,
    index: OnceLock<Index>,
}

#[derive(Debug)]
struct Index {
    text: String,
    etag: String,
}

impl Ui {
    /// The files of this binary.
    pub(super) fn new(base_path: String) -> Self {
        Self { files: FILES, base_path, index: OnceLock::new() }
    }

    /// Answers for a path that is no route's. Paths are compared as they came: none is decoded, joined or cleaned, so none
    /// leads anywhere else.
    pub(super) fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response {
        let inner = path.strip_prefix('/').unwrap_or(path);
        let first = inner.split('/').next().unwrap_or_default();
        let file = self.files.iter().find(|file| file.path == inner && file.path != INDEX);
        let is_page = inner.is_empty() || inner == INDEX || PAGES.contains(&first);
        if file.is_none() && !is_page {
            return Problem::of_status(StatusCode::NOT_FOUND).into_response();
        }
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut answer = Problem::of_status(StatusCode::METHOD_NOT_ALLOWED).into_response();
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET,HEAD"));
            return answer;
        }
        match file {
            Some(file) => of_file(file, headers),
            None => self.page(headers),
        }
    }

    fn page(&self, headers: &HeaderMap) -> Response {
        let index = self.index.get_or_init(|| self.read_index());
        let body = Body::from(index.text.clone());
        with_headers(body, "text/html; charset=utf-8", &index.etag, ASK, headers)
    }

    fn read_index(&self) -> Index {
        let built = self.files.iter().find(|file| file.path == INDEX);
        let text = built.map_or(NOT_BUILT.into(), |file| String::from_utf8_lossy(file.bytes));
        let text = text.replace("=\"./", &format!("=\"{}", self.base_path));
        let digest = Sha256::digest(&text);
        let etag = format!("\"{:032x}\"", u128::from_be_bytes(std::array::from_fn(|at| digest[at])));
        Index { text, etag }
    }
}

fn of_file(file: &File, headers: &HeaderMap) -> Response {
    let kept = if file.immutable { KEEP } else { ASK };
    let packed = file.gzip.filter(|_| takes_gzip(headers));
    let body = Body::from(packed.unwrap_or(file.bytes));
    let mut answer = with_headers(body, file.kind, file.etag, kept, headers);
    if file.gzip.is_some() {
        answer.headers_mut().insert(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
    }
    if packed.is_some() && answer.status() == StatusCode::OK {
        answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    answer
}

fn with_headers(
    body: Body,
    kind: &'static str,
    etag: &str,
    kept: HeaderValue,
    headers: &HeaderMap,
) -> Response {
    let known = listed(headers, &IF_NONE_MATCH).any(|one| one == "*" || one.trim_start_matches("W/") == etag);
    let mut answer = Response::new(if known { Body::empty() } else { body });
    if known {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
    }
    answer.extensions_mut().insert(Page);
    let out = answer.headers_mut();
    out.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    out.insert(CACHE_CONTROL, kept);
    if let Ok(etag) = HeaderValue::from_str(etag) {
        out.insert(ETAG, etag);
    }
    answer
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    listed(headers, &ACCEPT_ENCODING).any(|one| {
        let (coding, weight) = one.split_once(';').unwrap_or((one, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        coding.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

/// The items of a header that holds a list.
fn listed<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|text| text.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    static BUILT: &[File] = &[
        File {
            path: "assets/index-abc.js",
            kind: "text/javascript; charset=utf-8",
            etag: "\"js\"",
            immutable: true,
            bytes: b"plain",
            gzip: Some(b"packed"),
        },
        File {
            path: "favicon.svg",
            kind: "image/svg+xml",
            etag: "\"svg\"",
            immutable: false,
            bytes: b"<svg/>",
            gzip: None,
        },
        File {
            path: INDEX,
            kind: "text/html; charset=utf-8",
            etag: "\"html\"",
            immutable: false,
            bytes: b"<script src=\"./assets/index-abc.js\"></script>",
            gzip: None,
        },
    ];

    fn built(base_path: &str) -> Ui {
        Ui { files: BUILT, ..Ui::new(base_path.to_owned()) }
    }

    async fn get(ui: &Ui, path: &str, headers: &[(HeaderName, &'static str)]) -> (Response, String) {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        let answer = ui.answer(&Method::GET, path, &headers.collect());
        let (head, body) = answer.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
        (Response::from_parts(head, Body::empty()), String::from_utf8_lossy(&bytes).into_owned())
    }

    #[tokio::test]
    async fn only_exact_names_are_files() {
        let ui = built("/");
        for path in [
            "/../Cargo.toml",
            "/%2e%2e%2fCargo.toml",
            "//etc/passwd",
            "/assets/../favicon.svg",
            "/assets\\index-abc.js",
            "/assets/index-abc.js%00",
            "/assets/index-abc.js/",
            "/assets/%69ndex-abc.js",
            "/assets",
            "/favicon.SVG",
            "/nothing",
            "/api/v1/nothing",
            "/queuesx",
        ] {
            assert_eq!(get(&ui, path, &[]).await.0.status(), 404, "{path}");
        }
        assert_eq!(get(&ui, "/assets/index-abc.js", &[]).await.1, "plain");
    }

    #[tokio::test]
    async fn hashed_names_are_kept_for_ever_and_others_asked_about() {
        let ui = built("/");
        let (script, _) = get(&ui, "/assets/index-abc.js", &[]).await;
        assert_eq!(script.headers()[CACHE_CONTROL], KEEP);
        for path in ["/favicon.svg", "/"] {
            let (answer, _) = get(&ui, path, &[]).await;
            assert_eq!(answer.headers()[CACHE_CONTROL], ASK, "{path}");
            let etag: &'static str =
                Box::leak(answer.headers()[ETAG].to_str().expect("text").to_owned().into());
            let (again, body) = get(&ui, path, &[(IF_NONE_MATCH, etag)]).await;
            assert_eq!((again.status(), body.as_str()), (StatusCode::NOT_MODIFIED, ""), "{path}");
            assert_eq!(get(&ui, path, &[(IF_NONE_MATCH, "\"old\"")]).await.0.status(), 200);
        }
    }

    #[tokio::test]
    async fn a_packed_file_goes_to_those_who_take_it() {
        let ui = built("/");
        let get = async |accepted| get(&ui, "/assets/index-abc.js", &[(ACCEPT_ENCODING, accepted)]).await;
        for accepted in ["gzip", "br, gzip;q=0.5", "GZIP"] {
            let (answer, body) = get(accepted).await;
            assert_eq!(body, "packed", "{accepted}");
            assert_eq!(answer.headers()[CONTENT_ENCODING], "gzip", "{accepted}");
            assert_eq!(answer.headers()[VARY], "accept-encoding");
        }
        for accepted in ["", "br", "gzip;q=0"] {
            let (answer, body) = get(accepted).await;
            assert_eq!(body, "plain", "{accepted}");
            assert!(!answer.headers().contains_key(CONTENT_ENCODING), "{accepted}");
            assert_eq!(answer.headers()[VARY], "accept-encoding");
        }
    }

    #[tokio::test]
    async fn the_apps_own_urls_are_its_page_with_the_base_path_in_it() {
        let ui = built("/jobs/board/");
        for path in ["/", "/index.html", "/queues", "/queues/woo%3Acustomers/jobs/a%2Fb", "/failed"] {
            let (answer, body) = get(&ui, path, &[]).await;
            assert_eq!(body, "<script src=\"/jobs/board/assets/index-abc.js\"></script>", "{path}");
            assert_eq!(answer.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        }
        let posted = ui.answer(&Method::POST, "/failed", &HeaderMap::new());
        assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(posted.headers()[ALLOW], "GET,HEAD");
    }

    #[tokio::test]
    async fn a_binary_without_a_dashboard_says_how_to_build_it() {
        let ui = Ui { files: &[], ..Ui::new("/".to_owned()) };
        let (answer, body) = get(&ui, "/", &[]).await;
        assert_eq!(answer.status(), 200);
        assert!(body.contains("npm --prefix web ci") && body.contains("href=\"/api/v1/health\""), "{body}");
    }
}
