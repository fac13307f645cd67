//! `bullock check`.

use serde_json::Value;

use crate::backend::Backend;
use crate::program::{config, run};
use crate::support::process::free_port;
use crate::support::redis::Redis;

#[tokio::test]
async fn all_that_is_well_is_one_line_each_and_exit_0() {
    let (redis, backend) = (Redis::start_with(&["--appendonly", "yes"]), Backend::start().await);
    let text = config(&redis.url(), "mail", &format!("{}/ok", backend.url));
    let ended = run(&text, &["check", "--strict"], &[]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    for line in ["redis version", "primary", "noeviction", "append-only file", "mail: rights", "answers"] {
        assert!(ended.output.contains(line), "{line} in\n{}", ended.output);
    }
    assert!(ended.output.lines().all(|line| line.starts_with("ok")), "{}", ended.output);
}

#[tokio::test]
async fn a_server_that_keeps_nothing_and_a_backend_that_is_down_are_warnings() {
    let redis = Redis::start();
    let text = config(&redis.url(), "mail", &format!("http://127.0.0.1:{}/", free_port()));
    let ended = run(&text, &["check"], &[]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    assert!(ended.output.contains("durability: NONE"), "{}", ended.output);
    assert!(ended.output.contains("cannot be reached"), "{}", ended.output);
    assert_eq!(run(&text, &["check", "--strict"], &[]).await.code, Some(2));
}

#[tokio::test]
async fn errors_end_with_the_exit_code_of_their_kind() {
    let to = "http://127.0.0.1:9/";
    let nowhere = format!("redis://127.0.0.1:{}", free_port());
    let ended = run(&config(&nowhere, "mail", to), &["check"], &[]).await;
    assert_eq!(ended.code, Some(6), "{}", ended.output);

    let evicts = Redis::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let ended = run(&config(&evicts.url(), "mail", to), &["check"], &[]).await;
    assert_eq!(ended.code, Some(8), "{}", ended.output);

    let ended = run("[queues.mail]\nconcurrency = 0\n[log]\nlevel = \"loud\"\n", &["check"], &[]).await;
    assert_eq!(ended.code, Some(2), "{}", ended.output);
    assert!(ended.output.contains("concurrency") && ended.output.contains("loud"), "{}", ended.output);
}

#[tokio::test]
async fn missing_rights_wrong_keys_and_mixed_layouts_are_named_for_each_queue() {
    let redis = Redis::start();
    let mut connection = redis.connection().await;
    let rules =
        ["SETUSER", "bob", "on", ">pw", "~bull:*", "&bull:*", "+@all", "-publish", "-script|load", "-acl"];
    let _: () = redis::cmd("ACL").arg(&rules).query_async(&mut connection).await.unwrap();
    let to = "http://127.0.0.1:9/";
    let bob = format!("redis://bob:pw@127.0.0.1:{}", redis.port());
    let ended = run(&config(&bob, "mail", to), &["check"], &[]).await;
    assert_eq!(ended.code, Some(4), "{}", ended.output);
    assert!(ended.output.contains("+script|load +publish"), "{}", ended.output);
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    assert!(keys.is_empty(), "a check writes nothing: {keys:?}");

    let _: () = redis::cmd("SET").arg("bull:mail:wait").arg(1).query_async(&mut connection).await.unwrap();
    let meta = ["bull:mq:meta", "version", "bullmq:5"];
    let _: () = redis::cmd("HSET").arg(&meta).query_async(&mut connection).await.unwrap();
    let _: () =
        redis::cmd("SET").arg("bull:mq:meta-paused").arg(1).query_async(&mut connection).await.unwrap();
    let text = format!("{}[queues.mq.handlers.\"*\"]\nhttp = \"{to}\"\n", config(&redis.url(), "mail", to));
    let ended = run(&text, &["check", "--json"], &[]).await;
    assert_eq!(ended.code, Some(2), "{}", ended.output);
    let found: Value = serde_json::from_str(&ended.output).unwrap();
    let errors: Vec<&str> = found
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["verdict"] == "error")
        .map(|finding| finding["detail"].as_str().unwrap())
        .collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].contains("bull:mail:wait is a string; expected a list"), "{errors:?}");
    assert!(errors[1].contains("both Bull 4 (meta-paused) and BullMQ (meta version bullmq:5)"), "{errors:?}");
}
