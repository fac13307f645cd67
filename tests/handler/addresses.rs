//! Where a request may go when a job has a word in it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Uri;
use axum::routing::post;
use bullock::handler::http::HttpOptions;
use bullock::http::address::{check_literal, internal};
use bullock::http::{ClientOptions, Clients, HeaderMap, Method, Url};
use bullock::job::JobId;
use bullock::job::outcome::ReasonClass;

use super::support::{Server, failure, finish, http, job, job_with, result, run, serve};

#[test]
fn internal_addresses_are_known_in_all_their_forms() {
    for text in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "203.0.113.9",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:a00:1",
        "::127.0.0.1",
        "::ffff:0:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::10.0.0.1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001::1",
        "2001:db8::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "100::1",
    ] {
        assert!(internal(text.parse::<IpAddr>().unwrap()).is_some(), "{text}");
    }
    for text in [
        "1.1.1.1",
        "9.255.255.255",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.167.0.1",
        "198.17.0.1",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450:4001::1",
        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1",
        "2002:101:101::1",
    ] {
        assert_eq!(internal(text.parse::<IpAddr>().unwrap()), None, "{text}");
    }
}

#[test]
fn addresses_in_disguise_are_seen_through() {
    for text in [
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://0/",
        "http://[::1]/",
        "http://[::ffff:7f00:1]/",
        "http://127.0.0.1./",
        "http://%31%32%37.0.0.1/",
        "http://１２７.0.0.1/",
    ] {
        assert!(check_literal(&Url::parse(text).unwrap()).is_err(), "{text}");
    }
    check_literal(&Url::parse("http://1.1.1.1/").unwrap()).unwrap();
    check_literal(&Url::parse("http://localhost/").unwrap()).unwrap();
}

#[tokio::test]
async fn a_name_that_resolves_to_loopback_is_refused_at_connect_time() {
    let server = serve(Router::new().fallback(post(|| async { "in" }))).await;
    let clients = Clients::default();
    let url = Url::parse(&format!("http://localhost:{}/", server.address.port())).unwrap();
    let guarded =
        clients.client(&ClientOptions { public_only: true, ..ClientOptions::for_url(&url) }).unwrap();
    let send = guarded.send(Method::POST, url.clone(), HeaderMap::new(), "x".into());
    let error = send.await.unwrap_err().to_string();
    assert!(error.contains("localhost resolves to") && error.contains("a loopback address"), "{error}");
    let plain = clients.client(&ClientOptions::for_url(&url)).unwrap();
    plain.send(Method::POST, url, HeaderMap::new(), "x".into()).await.unwrap();
}

/// Answers with the path it was asked for.
async fn echo() -> Server {
    let path = |uri: Uri| async move { axum::Json(uri.to_string()) };
    serve(Router::new().fallback(post(path))).await
}

#[tokio::test]
async fn variables_fill_path_and_query_percent_encoded() {
    let server = echo().await;
    let handler =
        http(server.options("/q/{{queue}}/{{ name }}/{{data.shop.id}}?job={{id}}&page={{data.page}}"));
    let mut job = job_with(r#"{"shop":{"id":"a/b?c#d%2e\\e ä"},"page":3}"#);
    job.id = JobId::from("x&y=1");
    assert_eq!(
        result(finish(&handler, job, &run()).await),
        "/q/woo%3Acustomers/sync/a%2Fb%3Fc%23d%252e%5Ce%20%C3%A4?job=x%26y%3D1&page=3"
    );
}

#[tokio::test]
async fn a_job_cannot_choose_another_route() {
    let server = echo().await;
    for (route, data) in [
        ("/a/{{data.x}}/b", r#"{"x":".."}"#),
        ("/a/{{data.x}}", r#"{"x":"."}"#),
        ("/a/{{data.x}}{{data.x}}/b", r#"{"x":"."}"#),
        ("/a/%2e{{data.x}}/b", r#"{"x":"."}"#),
        ("/a/{{data.x}}", r#"{"x":""}"#),
        ("/a/{{data.x}}", r#"{"x":null}"#),
        ("/a/{{data.x}}", r#"{"x":["y"]}"#),
        ("/a/{{data.x}}", "{}"),
        ("/a/{{data.x.y}}", r#"{"x":"z"}"#),
        ("/a/{{data.x}}", "17"),
    ] {
        let told = failure(finish(&http(server.options(route)), job_with(data), &run()).await);
        assert!(!told.retryable && told.class == ReasonClass::Undecodable, "{route} {data}");
        assert!(
            told.message.starts_with("the URL of the handler cannot be made from this job: "),
            "{}",
            told.message
        );
    }
}

/// Runs a job whose data names the host.
async fn with_host(server: &Server, host: &str, change: impl FnOnce(HttpOptions) -> HttpOptions) -> String {
    let url = format!("http://{{{{data.host}}}}:{}/x", server.address.port());
    let options = HttpOptions { connect: Duration::from_secs(10), ..HttpOptions::new(url) };
    let data = serde_json::json!({ "host": host }).to_string();
    let outcome = finish(&http(change(options)), job_with(&data), &run()).await;
    match outcome {
        bullock::job::outcome::Outcome::Completed(_) => result(outcome).to_string(),
        other => failure(other).message,
    }
}

fn hosts(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[tokio::test]
async fn a_job_chooses_only_among_allowed_hosts() {
    let server = echo().await;
    let allow = |options| HttpOptions { allow_hosts: hosts(&["localhost", "*.example.com"]), ..options };
    for host in ["evil.test", "example.com", "evilexample.com", "127.0.0.1", "2130706433"] {
        let told = with_host(&server, host, allow).await;
        assert!(told.contains("is not in allow_hosts"), "{host}: {told}");
    }
    for host in ["", "localhost/x", "localhost@evil", "a b", "localhost:1", "[::1]", "LOCAL\nHOST", "ä"] {
        let told = with_host(&server, host, allow).await;
        assert!(told.contains("is no host name"), "{host}: {told}");
    }
}

#[tokio::test]
async fn an_allowed_host_must_still_be_public_unless_private_ones_are_allowed() {
    let server = echo().await;
    let named = |options| HttpOptions { allow_hosts: hosts(&["localhost"]), ..options };
    let told = with_host(&server, "LocalHost", named).await;
    assert!(told.contains("localhost resolves to"), "{told}");
    let literal = |options| HttpOptions { allow_hosts: hosts(&["127.0.0.1"]), ..options };
    let told = with_host(&server, "127.0.0.1", literal).await;
    assert!(told.contains("127.0.0.1 is a loopback address"), "{told}");
    let private = |options| HttpOptions { allow_private: true, ..named(options) };
    assert_eq!(with_host(&server, "localhost", private).await, "\"/x\"");
}

#[tokio::test]
async fn proxies_of_the_environment_are_not_used() {
    // A child of our own, because the environment of this process belongs to all tests.
    let me = std::env::current_exe().unwrap();
    let proxy = "http://127.0.0.1:1";
    let child = tokio::process::Command::new(me)
        .args(["--exact", "addresses::many_jobs_reach_their_backend_directly", "--include-ignored"])
        .env("HTTP_PROXY", proxy)
        .env("http_proxy", proxy)
        .env("ALL_PROXY", proxy)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(super::support::DEADLINE, child).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
async fn many_jobs_reach_their_backend_directly() {
    let server = echo().await;
    let handler = Arc::new(http(server.options("/x")));
    for _ in 0..3 {
        assert_eq!(result(finish(&*handler, job(), &run()).await), "/x");
    }
}
