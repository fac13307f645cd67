//! Configs and arguments that are refused: one line each, exit code 2, nothing started.

use crate::program::run;

const GOOD: &str = "[queues.mail.handlers.\"*\"]\nhttp = \"http://127.0.0.1:3000/jobs\"\n";

async fn refused(config: &str, arguments: &[&str]) -> String {
    let ended = run(config, arguments, &[]).await;
    assert_eq!(ended.code, Some(2), "{}", ended.output);
    ended.output
}

#[tokio::test]
async fn a_missing_file_is_named() {
    let said = refused("", &["run", "-c", "nowhere.toml"]).await;
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("error: cannot read config (--config): no such file: nowhere.toml"), "{said}");
}

#[tokio::test]
async fn an_empty_file_is_told_what_it_lacks() {
    let said = refused("\n", &["run"]).await;
    assert!(said.contains("no queue is configured (bullock.toml)"), "{said}");
    assert!(said.contains("[queues.<name>]") && said.contains("handlers.<job name>"), "{said}");
}

#[tokio::test]
async fn a_syntax_error_comes_with_line_and_column() {
    let said = refused("[redis\nurl = 1\n", &["run"]).await;
    assert!(said.contains("(bullock.toml:1:"), "{said}");
}

#[tokio::test]
async fn an_unknown_key_gets_a_suggestion() {
    let said = refused(&format!("{GOOD}[queues.mail]\nconcurency = 4\n"), &["run"]).await;
    assert!(said.contains("concurency") && said.contains("did you mean \"concurrency\"?"), "{said}");
}

#[tokio::test]
async fn two_queues_or_handlers_of_one_name_are_refused_with_both_places() {
    let said = refused(&format!("{GOOD}{GOOD}"), &["run"]).await;
    assert!(said.contains(":3") && said.contains('1'), "{said}");
    let twice = "[queues.mail.handlers]\nx = { http = \"http://127.0.0.1/\" }\nx = { http = \"http://127.0.0.1/\" }\n";
    let said = refused(twice, &["run"]).await;
    assert!(said.contains(":3") && said.contains('2'), "{said}");
}

#[tokio::test]
async fn a_queue_without_a_handler_is_named() {
    let said = refused("[queues.mail]\nconcurrency = 2\n", &["run"]).await;
    assert!(said.contains("mail") && said.contains("handler"), "{said}");
}

#[tokio::test]
async fn everything_wrong_is_said_at_once_and_in_the_order_of_the_file() {
    let config = format!("{GOOD}[queues.mail]\nconcurrency = 0\n[worker]\nlease = \"30 parsecs\"\n");
    let said = refused(&config, &["run"]).await;
    assert_eq!(said.lines().filter(|line| line.starts_with("error: ")).count(), 2, "{said}");
    assert!(said.find("concurrency") < said.find("lease"), "{said}");
}

#[tokio::test]
async fn a_redis_url_that_is_none_never_shows_its_password() {
    for url in ["http://127.0.0.1", "redis://:hunter2#@127.0.0.1", "redis://:hunter2@", "redis://h:99999"] {
        let config = format!("{GOOD}[redis]\nurl = \"{url}\"\n");
        let said = refused(&config, &["run"]).await;
        assert!(said.contains("redis.url") && !said.contains("hunter2"), "{said}");
    }
}

#[tokio::test]
async fn an_unknown_flag_or_command_ends_with_the_usage() {
    for arguments in [&["run", "--quick"][..], &["walk"], &["run", "--config"]] {
        let said = refused(GOOD, arguments).await;
        assert!(said.contains("--help"), "{said}");
    }
    let said = refused(GOOD, &["run", "--queues", "nosuch"]).await;
    assert!(said.contains("nosuch"), "{said}");
}

#[tokio::test]
async fn a_port_open_to_others_without_a_token_is_refused() {
    let said = refused(&format!("{GOOD}[admin]\nlisten = \"0.0.0.0:7979\"\n"), &["run"]).await;
    assert!(said.contains("admin.listen") && said.contains("token"), "{said}");
}

#[tokio::test]
async fn config_show_prints_what_is_in_force_where_it_came_from_and_no_secret() {
    let config = format!("{GOOD}secret = \"${{S}}\"\n[redis]\nurl = \"redis://:hunter2@127.0.0.1\"\n");
    let secret = ("S", "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo=");
    let env = [secret, ("BULLOCK_WORKER__LEASE", "20s")];
    let ended = run(&config, &["config", "show"], &env).await;
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    for part in ["lease = \"20s\"", "env BULLOCK_WORKER__LEASE", "renew = \"5s\"  # default", "bullock.toml:"]
    {
        assert!(ended.output.contains(part), "{part} in {}", ended.output);
    }
    assert!(!ended.output.contains("hunter2") && !ended.output.contains("YWJjZGV"), "{}", ended.output);
    let ended = run(&config, &["config", "show", "--json"], &env).await;
    let shown: serde_json::Value = serde_json::from_str(&ended.output).unwrap();
    assert_eq!(shown["worker"]["lease"], "20s");
}

#[tokio::test]
async fn config_schema_is_a_json_schema() {
    let ended = run("", &["config", "schema"], &[]).await;
    let schema: serde_json::Value = serde_json::from_str(&ended.output).unwrap();
    assert!(schema["$schema"].as_str().unwrap().contains("json-schema.org"));
    assert!(schema["properties"]["queues"].is_object());
}
