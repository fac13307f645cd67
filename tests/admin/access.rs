use std::net::SocketAddr;

use bullock::admin::routes::{Access, ROUTES};
use bullock::admin::{Role, ServeError, Server, ServerOptions, TokenOptions};
use sha2::{Digest, Sha256};

use crate::site::Site;
use crate::support::http::Answer;

fn token(name: &str, role: Role) -> TokenOptions {
    let digest: [u8; 32] = Sha256::digest(name.as_bytes()).into();
    let (high, low) = digest.split_at(16);
    let half = |bytes: &[u8]| format!("{:032x}", u128::from_be_bytes(bytes.try_into().unwrap()));
    let sha256 = half(high) + &half(low);
    TokenOptions {
        name: name.to_owned(),
        role,
        sha256,
        queues: vec!["*".to_owned()],
        orgs: vec!["*".to_owned()],
    }
}

/// A server with one token for each role; the token's text is its name.
fn guarded() -> Site {
    Site::start_with(|options| {
        options.tokens = vec![token("v", Role::Viewer), token("o", Role::Operator), token("a", Role::Admin)];
    })
}

fn options(listen: SocketAddr) -> ServerOptions {
    ServerOptions::new(listen)
}

/// Routes that refuse a query that they do not know.
const EXACTING: [&str; 3] = ["/api/v1/events", "/api/v1/ws", "/api/v1/scale"];

#[tokio::test]
async fn every_route_of_the_table_asks_for_what_its_row_says() {
    let site = guarded();
    assert!(ROUTES.len() >= 9, "the table is walked");
    // Those of the JSON API are walked in tests/api.
    for route in ROUTES.iter().filter(|route| route.about.is_none()) {
        let path =
            route.path.replace("{queue}", "woo%3Acustomers").replace("{id}", "1").replace("{code}", "x");
        // A stream that were let through would never end.
        let path = if EXACTING.contains(&route.path) { path + "?nothing=such" } else { path };
        for (shown, role) in
            [("", None), ("v", Some(Role::Viewer)), ("o", Some(Role::Operator)), ("a", Some(Role::Admin))]
        {
            let bearer = format!("Bearer {shown}");
            let headers: &[(&str, &str)] = if shown.is_empty() { &[] } else { &[("authorization", &bearer)] };
            let status = site.send(route.method, &path, headers, None).await.status;
            let expected = match (route.access, role) {
                (Access::Open, _) => match route.path {
                    // Without a body.
                    "/api/v1/login" => 400,
                    "/api/v1/logout" => 204,
                    "/login/once/{code}" => 303,
                    _ => 200,
                },
                // No hook has this name.
                (Access::Signature, _) => 404,
                (Access::Role(_) | Access::RunToken, None) => 401,
                (Access::Role(needed), Some(role)) => {
                    if role >= needed {
                        // These want something in their query, or an upgrade.
                        if EXACTING.contains(&route.path) { 400 } else { 200 }
                    } else {
                        403
                    }
                }
                // A token of the config is no run's token. Without a body some are told of that first.
                (Access::RunToken, Some(_)) => 410,
            };
            let fits =
                status == expected || (route.access == Access::RunToken && role.is_some() && status == 400);
            assert!(fits, "{} {path} with \"{shown}\": {status}, expected {expected}", route.method);
        }
    }
}

#[tokio::test]
async fn what_a_proxy_says_of_the_caller_grants_nothing() {
    let site = guarded();
    for header in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-real-ip", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
        ("host", "localhost"),
        ("x-forwarded-user", "admin"),
        ("cookie", "token=a"),
        ("authorization", "Basic YTph"),
        ("authorization", "Bearer "),
    ] {
        let answer = site.send("GET", "/metrics", &[header], None).await;
        assert_eq!((answer.status, answer.problem().as_str()), (401, "unauthorized"), "{header:?}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
}

#[tokio::test]
async fn the_eleventh_wrong_token_in_a_minute_is_turned_away_even_if_it_were_right() {
    let site = guarded();
    for n in 0..10 {
        let bearer = format!("Bearer guess-{n}");
        assert_eq!(site.send("GET", "/metrics", &[("authorization", &bearer)], None).await.status, 401);
    }
    let answer = site.send("GET", "/metrics", &[("authorization", "Bearer v")], None).await;
    assert_eq!((answer.status, answer.problem().as_str()), (429, "rate-limited"));
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=61).contains(&seconds), "{seconds}");
    assert_eq!(site.get("/livez").await.status, 200, "probes go on");
}

#[tokio::test]
async fn a_token_in_the_query_is_refused_and_not_echoed() {
    let site = guarded();
    for path in ["/metrics?token=v", "/livez?x=1&access_token=v-secret", "/readyz?Token"] {
        let answer = site.get(path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, "validation"), "{path}");
        assert!(!answer.body.contains("v-secret"));
    }
}

#[tokio::test]
async fn without_tokens_loopback_is_open_to_its_own_names_only() {
    let site = Site::start_with(|options| options.hosts = vec!["Bullock.Internal".to_owned()]);
    let port = site.address.port();
    for host in ["localhost", "LOCALHOST.", "127.0.0.1", "[::1]", "bullock.internal", "bullock.internal:9"] {
        assert_eq!(site.send("GET", "/metrics", &[("host", host)], None).await.status, 200, "{host}");
    }
    for host in
        ["evil.test", "evil.test:7979", "127.0.0.1.evil.test", "localhost@evil.test", "evil@localhost", ""]
    {
        let answer = site.send("GET", "/metrics", &[("host", host)], None).await;
        assert_eq!((answer.status, answer.problem().as_str()), (421, "misdirected"), "{host}");
    }
    let absolute =
        format!("GET http://evil.test/livez HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n");
    assert_eq!(site.raw(absolute.as_bytes()).await.status, 421);
    let absolute = absolute.replace("evil.test", "localhost");
    assert_eq!(site.raw(absolute.as_bytes()).await.status, 200);
}

#[test]
fn an_address_that_others_reach_needs_a_token() {
    let open = SocketAddr::from(([0, 0, 0, 0], 0));
    let error = Server::bind(options(open)).err().unwrap();
    assert!(matches!(error, ServeError::NoToken(_)));
    assert!(error.to_string().contains("admin.tokens") && !error.to_string().contains('\n'), "{error}");
    let guarded = ServerOptions { tokens: vec![token("v", Role::Viewer)], ..options(open) };
    assert!(Server::bind(guarded).is_ok());
}

#[test]
fn a_used_port_is_one_clear_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let error = Server::bind(options(listen)).err().unwrap().to_string();
    assert!(
        error.contains(&listen.to_string()) && error.contains("in use") && !error.contains('\n'),
        "{error}"
    );
}

#[test]
fn a_token_that_is_no_digest_is_refused_by_name() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for sha256 in ["", "secret", &"g".repeat(64), &"+1".repeat(32), empty] {
        let bad = TokenOptions { sha256: sha256.to_owned(), ..token("ops", Role::Viewer) };
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let error = Server::bind(ServerOptions { tokens: vec![bad], ..options(listen) }).err().unwrap();
        assert!(error.to_string().starts_with("admin.tokens \"ops\": sha256: "), "{error}");
    }
}

fn assert_guarded_headers(answer: &Answer) {
    for (name, expected) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
    ] {
        assert_eq!(answer.header(name), Some(expected), "{answer:?}");
    }
    assert!(answer.header("content-security-policy").unwrap().contains("default-src 'none'"), "{answer:?}");
    assert!(answer.header("access-control-allow-origin").is_none(), "no CORS: {answer:?}");
}

#[tokio::test]
async fn every_answer_carries_the_security_headers_and_no_cors() {
    let site = guarded();
    let origin = ("origin", "https://evil.test");
    for (method, path, status) in [
        ("GET", "/livez", 200),
        ("GET", "/readyz", 200),
        ("GET", "/metrics", 401),
        ("GET", "/nothing", 404),
        ("DELETE", "/livez", 405),
        ("OPTIONS", "/metrics", 405),
        ("GET", "/metrics?token=x", 400),
        ("POST", "/api/v1/queues/q/jobs/1/heartbeat", 401),
    ] {
        let answer = site.send(method, path, &[origin], None).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_guarded_headers(&answer);
    }
}
