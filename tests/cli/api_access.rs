//! Who a command is over the admin API, and what becomes of it when the server refuses, is away, or loses an answer.

use serde_json::{Value, json};

use super::Place;
use super::served::{Lossy, Served};

#[tokio::test]
async fn a_token_does_what_its_role_allows_and_the_audit_log_names_it() {
    let served = Served::start().await;
    served.place.add(&["mail", "x", "--job-id", "one"]).await;
    served.place.add(&["mail", "x", "--job-id", "two"]).await;
    let code = async |token: &str, arguments: &[&str]| served.run_as(token, arguments).await.code;
    for (wanted, token, arguments) in [
        (0, "see-viewer", &["queue", "ls"][..]),
        (4, "see-viewer", &["queue", "pause", "mail"]),
        (0, "ops-operator", &["queue", "pause", "mail", "--reason", "a sale"]),
        (4, "ops-operator", &["job", "rm", "mail", "one"]),
        (0, "all-admin", &["job", "rm", "mail", "one"]),
        (4, "acme-only", &["queue", "ls"]),
        (4, "acme-only", &["job", "show", "mail", "two"]),
        (0, "acme-only", &["sync", "start", "orders", "pull", "--id", "a", "--org", "acme"]),
        (3, "acme-only", &["sync", "start", "orders", "pull", "--org", "globex"]),
        (0, "acme-only", &["sync", "show", "orders", "a"]),
        (0, "acme-only", &["sync", "pause", "orders", "a", "--reason", "ours"]),
        (0, "acme-only", &["sync", "force-done", "orders", "a", "--reason", "ours"]),
        (3, "acme-only", &["sync", "show", "mail", "two"]),
        (4, "wrong", &["queue", "ls"]),
        (4, "", &["queue", "ls"]),
    ] {
        assert_eq!(code(token, arguments).await, wanted, "{token} {arguments:?}");
    }
    let acts: Value =
        serde_json::from_str(&served.run(&["audit", "--what", "pause", "--json"]).await.stdout).unwrap();
    assert_eq!(
        (&acts[0]["by"], &acts[0]["why"], &acts[0]["from"]),
        (&json!("ops-operator"), &json!("a sale"), &json!("api@127.0.0.1"))
    );
    let refused = served.run_as("see-viewer", &["queue", "pause", "mail"]).await;
    let error = super::one_error(&refused);
    assert!(error.starts_with("error: not allowed (") && error.contains("hint: use a token"), "{error}");
}

#[tokio::test]
async fn a_token_comes_from_a_file_and_is_never_shown() {
    let served = Served::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "see-viewer\n").unwrap();
    let at = format!("@{}", file.display());
    let run = async |token: &str| {
        super::cli(&["queue", "ls", "-v", "--api", &served.url, "--token", token], &[]).await
    };
    assert_eq!(run(&at).await.code, 0);
    assert_eq!(run("see-viewer").await.code, 0);
    let slip = run("s3cret with a blank").await;
    assert_eq!(slip.code, 2, "{slip:?}");
    assert!(!slip.stderr.contains("s3cret"), "{slip:?}");
    assert_eq!(run("@/none").await.code, 2);
    assert_eq!(super::cli(&["queue", "ls", "--api", &served.url], &[("BULLOCK_TOKEN", &at)]).await.code, 0);
    let both = super::cli(&["queue", "ls", "--api", &served.url, "-r", &served.place.redis.url()], &[]).await;
    assert_eq!(both.code, 2, "{both:?}");
    // A Redis on the command line wins over an API in the environment.
    let redis = served.place.redis.url();
    let wins = super::cli(&["queue", "ls", "-r", &redis], &[("BULLOCK_API", "http://127.0.0.1:1")]).await;
    assert_eq!(wins.code, 0);
    assert!(!served.log.text().contains("see-viewer"), "{}", served.log.text());
}

#[tokio::test]
async fn a_server_below_a_base_path_is_named_with_it() {
    let served = Served::start_with("base_path = \"/ops\"").await;
    served.place.add(&["mail", "x"]).await;
    let ask = async |path: &str| {
        let url = format!("{}{path}", served.url);
        super::cli(&["queue", "ls", "--api", &url], &[("BULLOCK_TOKEN", "see-viewer")]).await
    };
    for path in ["/ops", "/ops/", "/ops/api/v1"] {
        let answer = ask(path).await;
        assert_eq!((answer.code, answer.stdout.split('\t').next()), (0, Some("mail")), "{answer:?}");
    }
    let astray = ask("/other").await;
    assert_eq!(astray.code, 3, "{astray:?}");
}

#[tokio::test]
async fn a_server_that_is_away_or_silent_or_something_else_has_its_own_exit_code() {
    let away = super::cli(&["queue", "ls", "--api", "http://127.0.0.1:1"], &[]).await;
    assert_eq!(away.code, 6, "{away:?}");
    assert!(super::one_error(&away).starts_with("error: cannot reach the admin API (http://127.0.0.1:1)"));
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let answer = super::cli(&["queue", "ls", "--api", &url], &[]).await;
    assert_eq!(answer.code, 7, "{answer:?}");
    let not_json = Place::start();
    let url = format!("http://{}", not_json.redis.url().trim_start_matches("redis://"));
    let answer = super::cli(&["queue", "ls", "--api", &url], &[]).await;
    assert_eq!(answer.code, 6, "{answer:?}");
}

#[tokio::test]
async fn a_job_that_is_sent_twice_because_an_answer_was_lost_is_added_once() {
    let served = Served::start().await;
    served.place.add(&["mail", "x", "--job-id", "first"]).await;
    let lossy = Lossy::before(&served.url).await;
    let arguments = ["job", "add", "mail", "x", "--api", &lossy.url, "--json"];
    let answer = super::cli(&arguments, &[("BULLOCK_TOKEN", "ops-operator")]).await;
    assert_eq!(answer.code, 0, "{answer:?}");
    let added: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(added["existed"], false);
    assert_eq!(lossy.lost(), 1);
    let jobs = served.place.json(&["job", "ls", "mail"]).await;
    assert_eq!(jobs.as_array().unwrap().len(), 2, "{jobs}");
    // What would not be the same is not sent again.
    let lossy = Lossy::before(&served.url).await;
    let arguments = ["job", "rm", "mail", "first", "--api", &lossy.url];
    let answer = super::cli(&arguments, &[("BULLOCK_TOKEN", "all-admin")]).await;
    assert_eq!((answer.code, lossy.lost()), (6, 1), "{answer:?}");
    let left = served.place.json(&["job", "ls", "mail"]).await;
    assert_eq!(left.as_array().unwrap().len(), 1, "it was done: {left}");
}
