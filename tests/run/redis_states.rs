//! Servers that cannot be used, or not as they are: the line, the exit code, and what happens while running.

use std::time::Duration;

use bullock::app::{self, Launch, Started};
use bullock::config::Config;
use nix::sys::signal::Signal;

use crate::backend::Backend;
use crate::program::{Program, config, run};
use crate::support::bullock::Bullock;
use crate::support::http;
use crate::support::node::BullQueue;
use crate::support::process::free_port;
use crate::support::redis::Redis;
use crate::support::wait;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const NOBODY: &str = "http://127.0.0.1:9/";

async fn refused(url: &str, code: i32) -> String {
    let ended = run(&config(url, "mail", NOBODY), &["run", "--fail-fast"], &[]).await;
    assert_eq!(ended.code, Some(code), "{}", ended.output);
    ended.output.lines().last().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn without_redis_it_waits_until_it_is_stopped_and_with_fail_fast_it_ends() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    let mut waiting = Program::start(&config(&url, "mail", NOBODY), &["run"], &[]);
    waiting.says("waiting for redis").await;
    waiting.signal(Signal::SIGTERM);
    assert_eq!(waiting.end().await.code, Some(0), "{}", waiting.output());
    let said = refused(&url, 6).await;
    assert!(said.starts_with("error: cannot reach Redis (redis://127.0.0.1:"), "{said}");
}

#[tokio::test]
async fn a_redis_that_comes_later_is_taken() {
    let (redis, backend) = (Redis::start(), Backend::start().await);
    // A door in front of the server that opens only later.
    let door = tokio::net::TcpSocket::new_v4().unwrap();
    door.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("redis://{}", door.local_addr().unwrap());
    let worker = Program::start(&config(&url, "mail", &format!("{}/ok", backend.url)), &["run"], &[]);
    worker.says("waiting for redis").await;
    let (door, port) = (door.listen(64).unwrap(), redis.port());
    let open = tokio::spawn(async move {
        while let Ok((mut inside, _)) = door.accept().await {
            tokio::spawn(async move {
                let mut outside = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
            });
        }
    });
    let mut queue = BullQueue::open(&redis.url(), "mail").await;
    let id = queue.add("welcome", json!({}), json!({})).await;
    assert_eq!(queue.finished(&id).await, Ok(json!({ "by": "http" })));
    queue.close().await;
    open.abort();
}

#[tokio::test]
async fn no_password_a_wrong_one_and_missing_rights_are_three_messages() {
    let redis = Redis::start_with(&["--requirepass", "hunter2"]);
    let said = refused(&redis.url(), 4).await;
    assert!(said.contains("asks for a password (NOAUTH)"), "{said}");

    let wrong = format!("redis://:hunter3@127.0.0.1:{}", redis.port());
    let said = refused(&wrong, 4).await;
    assert!(said.contains("wrong password for Redis user \"default\" (WRONGPASS)"), "{said}");
    assert!(!said.contains("hunter"), "{said}");

    let client = redis::Client::open(format!("redis://:hunter2@127.0.0.1:{}", redis.port())).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let rules = ["SETUSER", "bob", "on", ">hunter4", "~bull:*", "&*", "+@all", "-evalsha", "-hset"];
    let _: () = redis::cmd("ACL").arg(&rules).query_async(&mut connection).await.unwrap();
    let bob = format!("redis://bob:hunter4@127.0.0.1:{}", redis.port());
    let said = refused(&bob, 4).await;
    assert!(said.contains("NOPERM") && said.contains("+evalsha +hset"), "{said}");
    assert!(!said.contains("hunter"), "{said}");
}

#[tokio::test]
async fn a_user_without_info_config_and_client_list_works() {
    let redis = Redis::start();
    let mut connection = redis.connection().await;
    let rules =
        ["SETUSER", "bob", "on", ">pw", "~bull:*", "&bull:*", "+@all", "-info", "-config", "-client", "-acl"];
    let _: () = redis::cmd("ACL").arg(&rules).query_async(&mut connection).await.unwrap();
    let backend = Backend::start().await;
    let url = format!("redis://bob:pw@127.0.0.1:{}", redis.port());
    let text = config(&url, "mail", &format!("{}/ok", backend.url))
        .replace("[admin]\nlisten = \"127.0.0.1:0\"\n", "");
    let worker = Bullock::run(&text).await;
    let mut queue = BullQueue::open(&redis.url(), "mail").await;
    let id = queue.add("welcome", json!({}), json!({})).await;
    assert_eq!(queue.finished(&id).await, Ok(json!({ "by": "http" })));
    queue.close().await;
    assert_eq!(worker.stop().await.code, Some(0));
}

#[tokio::test]
async fn a_server_that_evicts_keys_is_refused_unless_told_otherwise() {
    let redis = Redis::start_with(&["--maxmemory-policy", "volatile-lru"]);
    let said = refused(&redis.url(), 8).await;
    assert!(
        said.contains("volatile-lru") && said.contains("CONFIG SET maxmemory-policy noeviction"),
        "{said}"
    );
    let all_the_same =
        config(&redis.url(), "mail", NOBODY).replace("[admin]", "eviction_check = false\n[admin]");
    let program = Program::start(&all_the_same, &["run"], &[]);
    program.says("the queue has no keys yet").await;
}

#[tokio::test]
async fn a_replica_a_database_that_is_not_there_and_a_server_without_tls_are_named() {
    let primary = Redis::start();
    let replica = Redis::start_with(&["--replicaof", "127.0.0.1", &primary.port().to_string()]);
    let said = refused(&replica.url(), 6).await;
    assert!(said.contains("connected to a read-only replica"), "{said}");
    let said = refused(&format!("{}/99", primary.url()), 2).await;
    assert!(said.contains("database") && said.contains("DB index is out of range"), "{said}");
    let said = refused(&format!("rediss://127.0.0.1:{}", primary.port()), 6).await;
    assert!(said.contains("TLS"), "{said}");
    // That will not come by waiting, so nobody need say --fail-fast.
    let tls = format!("rediss://127.0.0.1:{}", primary.port());
    let ended = run(&config(&tls, "mail", NOBODY), &["run"], &[]).await;
    assert_eq!(ended.code, Some(6), "{}", ended.output);
    assert!(ended.output.contains("peer is not TLS"), "{}", ended.output);
}

#[tokio::test]
async fn a_queue_that_both_dialects_write_to_is_left_alone() {
    let redis = Redis::start();
    let mut connection = redis.connection().await;
    let _: () = redis::cmd("HSET")
        .arg("bull:mail:meta")
        .arg("opts.maxLenEvents")
        .arg(10000)
        .query_async(&mut connection)
        .await
        .unwrap();
    let _: () =
        redis::cmd("SET").arg("bull:mail:meta-paused").arg(1).query_async(&mut connection).await.unwrap();
    let said = refused(&redis.url(), 2).await;
    let why = "queue \"mail\" is refused: its keys are of both Bull 4 (meta-paused) and BullMQ (meta opts.maxLenEvents)";
    assert!(said.contains(why), "{said}");
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    keys.sort();
    assert_eq!(keys, ["bull:mail:meta", "bull:mail:meta-paused"]);
}

#[tokio::test]
async fn a_port_in_use_is_named_before_any_job_is_touched() {
    let redis = Redis::start();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended =
        run(&config(&redis.url(), "mail", NOBODY), &["run"], &[("BULLOCK_ADMIN__LISTEN", &address)]).await;
    assert_eq!(ended.code, Some(2), "{}", ended.output);
    assert!(
        ended.output.contains("the admin port is in use") && ended.output.contains(&address),
        "{}",
        ended.output
    );
}

#[tokio::test]
async fn a_key_of_the_wrong_type_halts_its_queue_alone_and_readyz_names_it() {
    let redis = Redis::start();
    let mut connection = redis.connection().await;
    let _: () = redis::cmd("SET").arg("bull:bad:wait").arg("x").query_async(&mut connection).await.unwrap();
    let backend = Backend::start().await;
    let to = format!("{}/ok", backend.url);
    let text = format!("{}[queues.bad.handlers.\"*\"]\nhttp = \"{to}\"\n", config(&redis.url(), "good", &to));
    let program = Program::start(&text, &["run"], &[]);
    let admin = program.word_after("admin server on ").await;
    let mut queue = BullQueue::open(&redis.url(), "good").await;
    let id = queue.add("welcome", json!({}), json!({})).await;
    assert_eq!(queue.finished(&id).await, Ok(json!({ "by": "http" })));
    queue.close().await;
    let body = wait::value("/readyz to name the key", || async {
        let (status, body) = http::get(&admin, "/readyz").await.ok()?;
        (status == 503 && body.contains("bull:bad:wait")).then_some(body)
    })
    .await;
    assert!(body.contains("[-]queue bad failed: bull:bad:wait is a string, expected a list"), "{body}");
    assert!(body.contains("[+]queue good ok"), "{body}");
    // Mended, it is taken up again.
    let _: () = redis::cmd("DEL").arg("bull:bad:wait").query_async(&mut connection).await.unwrap();
    wait::until("readiness", async || matches!(http::get(&admin, "/readyz").await, Ok((200, _)))).await;
}

#[tokio::test]
async fn an_eviction_policy_changed_under_a_running_worker_fails_readiness_until_it_is_mended() {
    let redis = Redis::start();
    let mut connection = redis.connection().await;
    let config =
        Config::from_text("test", &config(&redis.url(), "mail", NOBODY), std::iter::empty()).unwrap();
    let (told, started) = tokio::sync::oneshot::channel::<Started>();
    let launch = Launch {
        eviction_recheck: Duration::from_millis(20),
        on_start: Some(Box::new(move |started| drop(told.send(started)))),
        ..Launch::default()
    };
    let worker = tokio::spawn(app::run(config, launch));
    let started = started.await.unwrap();
    let admin = format!("http://{}", started.admin.unwrap());
    let ready = async || http::get(&admin, "/readyz").await.unwrap();
    wait::until("readiness", async || ready().await.0 == 200).await;
    let mut set = async |policy: &str| {
        let _: () = redis::cmd("CONFIG")
            .arg(&["SET", "maxmemory-policy", policy])
            .query_async(&mut connection)
            .await
            .unwrap();
    };
    set("allkeys-lru").await;
    wait::until("the reason", async || {
        let (status, body) = ready().await;
        status == 503 && body.contains("[-]redis failed: it may delete jobs: maxmemory-policy is allkeys-lru")
    })
    .await;
    set("noeviction").await;
    wait::until("readiness", async || ready().await.0 == 200).await;
    started.stops.ask();
    assert!(worker.await.unwrap().is_ok());
}

/// A door in front of a real server, which says that it is an old one.
async fn aged(port: u16) -> String {
    let door = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("redis://{}", door.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((outside, _)) = door.accept().await {
            tokio::spawn(async move {
                let inside = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let ((mut asks, mut hears), (mut says, mut is_asked)) =
                    (outside.into_split(), inside.into_split());
                let asking = tokio::io::copy(&mut asks, &mut is_asked);
                let answering = async {
                    let mut said = vec![0; 64 * 1024];
                    while let Ok(length @ 1..) = says.read(&mut said).await {
                        let mark = b"redis_version:";
                        if let Some(at) = said[..length].windows(mark.len()).position(|part| part == mark) {
                            said[at + mark.len()] = b'5'; // as long as what was there
                        }
                        if hears.write_all(&said[..length]).await.is_err() {
                            break;
                        }
                    }
                };
                let _ = tokio::join!(asking, answering);
            });
        }
    });
    url
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused_with_both_versions() {
    let redis = Redis::start();
    let said = refused(&aged(redis.port()).await, 8).await;
    assert!(
        said.starts_with("error: redis is too old: 5.") && said.contains("expected 6.2 or newer"),
        "{said}"
    );
}
