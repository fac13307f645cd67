use bullock::admin::Role;
use serde_json::json;

use crate::stage::{BULL, BULLMQ, Stage, Stream, send, token};
use crate::support::http::Answer;
use crate::support::node::BullQueue;

fn guarded() -> Stage {
    Stage::start_with(|options| {
        options.tokens = vec![
            token("all", Role::Operator, &["*"]),
            token("woo", Role::Viewer, &["woo:*"]),
            token("root", Role::Admin, &["*"]),
        ];
    })
}

async fn log_in(stage: &Stage, token: &str) -> Answer {
    stage.send("POST", "/api/v1/login", &[], Some(&json!({"token": token}).to_string())).await
}

/// What a browser sends back.
fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").expect("a cookie").split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_is_swapped_for_a_cookie_that_no_script_and_no_other_site_can_use() {
    let stage = guarded();
    let nobody = stage.get("/api/v1/session").await;
    assert_eq!(nobody.json(), json!({"authenticated": false, "loginNeeded": true}));
    let answer = log_in(&stage, "woo").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["role"], "viewer");
    let set = answer.header("set-cookie").unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/;", "Max-Age=43200"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure") && !set.contains("woo"), "{set}");
    let cookie = cookie(&answer);
    let headers = [("cookie", cookie.as_str())];
    let session = stage.send("GET", "/api/v1/session", &headers, None).await.json();
    assert_eq!((&session["name"], &session["via"]), (&json!("woo"), &json!("cookie")));
    assert_eq!(session["queues"], json!(["woo:*"]));
    assert!(session["expiresAt"].as_u64().is_some_and(|at| at > 1_700_000_000_000), "{session}");
    assert_eq!(stage.send("GET", "/metrics", &headers, None).await.status, 200);
    assert_eq!(stage.send("POST", "/api/v1/logout", &headers, None).await.status, 204);
    assert_eq!(stage.send("GET", "/metrics", &headers, None).await.status, 401, "a closed session is over");
}

#[tokio::test]
async fn a_cookie_of_a_server_with_tls_before_it_is_for_tls_and_its_path_only() {
    let stage = Stage::start_with(|options| {
        options.tokens = vec![token("all", Role::Operator, &["*"])];
        options.base_path = "/jobs/".to_owned();
        options.secure_cookies = true;
    });
    let body = json!({"token": "all"}).to_string();
    let answer = stage.send("POST", "/jobs/api/v1/login", &[], Some(&body)).await;
    let set = answer.header("set-cookie").unwrap();
    assert!(set.contains("Path=/jobs/;") && set.ends_with("; Secure"), "{set}");
    assert_eq!(stage.get("/jobs/livez").await.status, 200);
    assert_eq!(stage.get("/livez").await.status, 200, "probes come from within");
    assert_eq!(stage.get("/jobsx/livez").await.status, 404);
    let page = stage.get("/jobs/").await;
    assert_eq!(page.status, 200);
    assert!(!page.body.contains("=\"./"), "{}", page.body);
}

#[tokio::test]
async fn logins_are_guessed_ten_times_and_not_from_other_sites() {
    let stage = guarded();
    let body = json!({"token": "all"}).to_string();
    let foreign = [("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")];
    for header in foreign {
        assert_eq!(stage.send("POST", "/api/v1/login", &[header], Some(&body)).await.status, 403);
        assert_eq!(stage.send("POST", "/api/v1/logout", &[header], None).await.status, 403);
    }
    for body in ["", "{}", "{\"token\":7}"] {
        let status = stage.send("POST", "/api/v1/login", &[], Some(body)).await.status;
        assert_eq!(status, 400, "{body}");
    }
    for n in 0..10 {
        let answer = log_in(&stage, &format!("guess-{n}")).await;
        assert_eq!((answer.status, answer.problem().as_str()), (401, "unauthorized"));
        assert!(answer.header("set-cookie").is_none());
    }
    assert_eq!(log_in(&stage, "all").await.status, 429, "even if it were right");
}

#[tokio::test]
async fn a_cookie_acts_only_beside_the_dashboards_own_header() {
    let stage = guarded();
    let cookie = cookie(&log_in(&stage, "all").await);
    let cookie = ("cookie", cookie.as_str());
    let own = ("x-requested-with", "bullock");
    // A run's token is something else than a session: nothing is opened by one that is meant for the other.
    let path = "/api/v1/queues/woo%3Acustomers/jobs/1/heartbeat";
    assert_eq!(stage.send("POST", path, &[cookie, own], None).await.status, 401);
    assert_eq!(stage.send("GET", "/metrics", &[cookie], None).await.status, 200);
    for other in ["bullock_session=", "bullock_session=0", "session=x"] {
        assert_eq!(stage.send("GET", "/metrics", &[("cookie", other)], None).await.status, 401, "{other}");
    }
    let twenty =
        [("cookie", "bullock_session=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")];
    for _ in 0..20 {
        assert_eq!(stage.send("GET", "/metrics", &twenty, None).await.status, 401);
    }
    assert_eq!(log_in(&stage, "all").await.status, 200, "an old cookie is no guess");
}

#[tokio::test]
async fn a_one_time_link_signs_in_its_first_user() {
    let mut options = bullock::admin::ServerOptions::new(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
    options.tokens = vec![token("all", Role::Operator, &["*"])];
    let server = bullock::admin::Server::bind(options).unwrap();
    let (address, link) = (server.local_addr(), server.one_time_link().unwrap());
    let stop = tokio_util::sync::CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    tokio::spawn(server.run(stop));
    let get = async |path: &str, cookie: &str| send(address, "GET", path, &[("cookie", cookie)], None).await;
    let first = get(&link, "").await;
    assert_eq!((first.status, first.header("location")), (303, Some("/")));
    let session = get("/api/v1/session", &cookie(&first)).await.json();
    assert_eq!((&session["role"], &session["authenticated"]), (&json!("admin"), &json!(true)));
    for link in [link.as_str(), "/login/once/guess"] {
        let again = get(link, "").await;
        assert_eq!((again.status, again.header("set-cookie")), (303, None), "{link}");
    }
}

#[tokio::test]
async fn events_of_queues_that_a_token_is_not_for_are_not_delivered() {
    let stage = guarded();
    let mut bull = BullQueue::open(&stage.redis.url(), BULL).await;
    let mut mq = BullQueue::open_mq(6, &stage.redis.url(), BULLMQ, &json!({})).await;
    let mut events = Stream::open(stage.address, "?type=job.*", &[("authorization", "Bearer woo")]).await;
    mq.add("secret", json!({}), json!({})).await;
    let id = bull.add("open", json!({}), json!({"jobId": "b-1"})).await;
    let event = events.next().await;
    assert_eq!((&event["queue"], &event["jobId"]), (&json!(BULL), &json!(id)));
    let woo = [("authorization", "Bearer woo")];
    assert_eq!(stage.send("GET", "/api/v1/scale?queue=orders", &woo, None).await.status, 403);
    assert_eq!(stage.send("GET", "/api/v1/scale?queue=woo:customers", &woo, None).await.status, 200);
    bull.close().await;
    mq.close().await;
}

#[tokio::test]
async fn a_stream_needs_a_viewer_of_this_site_and_ends_with_the_session() {
    let stage = guarded();
    assert_eq!(stage.get("/api/v1/events").await.status, 401);
    let cookie = cookie(&log_in(&stage, "all").await);
    let headers = [("cookie", cookie.as_str())];
    let foreign = [headers[0], ("sec-fetch-site", "cross-site")];
    assert_eq!(stage.send("GET", "/api/v1/events", &foreign, None).await.status, 403);
    let events = Stream::open(stage.address, "", &headers).await;
    assert_eq!(events.status, 200);
    assert_eq!(stage.send("POST", "/api/v1/logout", &headers, None).await.status, 204);
    let mut queue = BullQueue::open(&stage.redis.url(), BULL).await;
    queue.add("after", json!({}), json!({})).await;
    events.end().await;
    queue.close().await;
}

#[tokio::test]
async fn pages_may_load_their_own_files_and_nothing_else() {
    let stage = Stage::start();
    let page = stage.get("/queues/woo%3Acustomers").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    for part in ["default-src 'none'", "script-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    for name in ["x-frame-options", "x-content-type-options", "referrer-policy"] {
        assert!(page.header(name).is_some(), "{name}");
    }
    for path in ["/../Cargo.toml", "/%2e%2e%2fCargo.toml", "//etc/passwd", "/assets\\x", "/%00", "/api/v1/x"]
    {
        let answer = stage.get(path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (404, "not-found"), "{path}");
    }
}
