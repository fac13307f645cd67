//! Variables and flags over the file, and `${VAR}` in it.

use std::collections::BTreeMap;
use std::time::Duration;

use bullock::config::{Config, Flag, Need, Sources};

use crate::{HANDLER, errors_with, load_with};

fn loaded(text: &str, vars: &[(&str, &str)]) -> Config {
    load_with(text, vars).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn a_variable_wins_over_the_file() {
    let text = format!(
        "[worker]\nlease = \"20s\"\n[queues.\"woo:customers\"]\nhandlers.x.http = \"http://h/x\"\n{HANDLER}"
    );
    let config = loaded(
        &text,
        &[
            ("BULLOCK_WORKER__LEASE", "30s"),
            ("BULLOCK_ADMIN__LISTEN", ""),
            ("BULLOCK_REDIS__EVICTION_CHECK", "false"),
            ("BULLOCK_QUEUES__WOO_CUSTOMERS__CONCURRENCY", "7"),
            ("BULLOCK_LOG__DATA_KEYS", "[\"data.store\"]"),
            ("BULLOCK_REDIS_URL", "redis://h:1"),
        ],
    );
    assert_eq!(config.worker.lease, Duration::from_secs(30));
    assert!(config.admin.is_none() && !config.redis.eviction_check);
    assert_eq!(config.queues["woo:customers"].concurrency, 7);
    assert_eq!(config.log.data_keys, ["data.store"]);
    assert_eq!(config.redis.url.as_ref().unwrap().expose(), "redis://h:1");
    let shown = config.to_toml_redacted();
    assert!(shown.contains("lease = \"30s\"  # env BULLOCK_WORKER__LEASE, over bullock.toml:2\n"), "{shown}");
    assert!(shown.contains("renew = \"5s\"  # default\n"), "{shown}");
}

#[test]
fn a_flag_wins_over_a_variable() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("b.toml");
    std::fs::write(&file, format!("[redis]\nurl = \"redis://file\"\n{HANDLER}")).unwrap();
    let sources = Sources {
        file: Some(&file),
        env: BTreeMap::from([("BULLOCK_REDIS__URL".to_owned(), "redis://env".to_owned())]),
        flags: vec![Flag {
            name: "--redis-url".to_owned(),
            key: "redis.url",
            value: "redis://flag".to_owned(),
        }],
        need: Need::Queues,
    };
    let config = Config::load_from(&sources).unwrap();
    assert_eq!(config.redis.url.as_ref().unwrap().expose(), "redis://flag");
    assert!(
        config
            .to_toml_redacted()
            .contains("url = \"redis://flag\"  # --redis-url, over env BULLOCK_REDIS__URL")
    );
    let bad = Flag { value: "redis://u:hunter2@".to_owned(), ..sources.flags[0].clone() };
    let problems = Config::load_from(&Sources { flags: vec![bad], ..sources }).unwrap_err().to_string();
    assert!(
        problems.starts_with("error: redis.url has no host (--redis-url): \"redis://***@\"; expected"),
        "{problems}"
    );
}

#[test]
fn a_bad_value_names_its_variable() {
    let line = |name: &str, value: &str| errors_with(HANDLER, &[(name, value)]);
    assert_eq!(
        line("BULLOCK_WORKER__LEASE", ""),
        "error: worker.lease is empty (env BULLOCK_WORKER__LEASE): \"\"; expected e.g. \"30s\", 1s..=1h. hint: write a number and one of ms, s, m, h, d, w"
    );
    assert_eq!(
        line("BULLOCK_QUEUES__A__CONCURRENCY", "ten"),
        "error: queues.a.concurrency has the wrong type (env BULLOCK_QUEUES__A__CONCURRENCY): \"ten\"; expected a whole number, 1..=10000. hint: write the number without quotes"
    );
}

#[test]
fn a_variable_that_means_nothing_is_refused_with_what_was_meant() {
    let line = |name: &str| errors_with(HANDLER, &[(name, "x")]);
    assert_eq!(
        line("BULLOCK_WORKER__LEESE"),
        "error: unknown variable (env BULLOCK_WORKER__LEESE): leese; expected a section and key of the config, joined by __. hint: did you mean BULLOCK_WORKER__LEASE?"
    );
    assert_eq!(
        line("BULLOCK_ADMIN_LISTEN"),
        "error: unknown variable (env BULLOCK_ADMIN_LISTEN): expected section and key joined by __. hint: did you mean BULLOCK_ADMIN__LISTEN?"
    );
    assert_eq!(
        line("BULLOCK_QUEUES__MAIL__CONCURRENCY"),
        "error: variable for a name that is not in [queues] (env BULLOCK_QUEUES__MAIL__CONCURRENCY): expected one of a. hint: add its table to the config file; in variables all but letters and digits is _"
    );
    assert_eq!(
        line("BULLOCK_SERVERS__URL"),
        "error: not yet: servers (env BULLOCK_SERVERS__URL): \"x\"; expected a config without further Redis servers. hint: leave it out; a later version will bring it"
    );
}

#[test]
fn variables_of_others_that_begin_with_our_name_are_left_alone() {
    // Kubernetes sets these for a service that is called "bullock".
    let vars = [
        ("BULLOCK_SERVICE_HOST", "10.0.0.1"),
        ("BULLOCK_PORT", "tcp://10.0.0.1:7979"),
        ("BULLOCK_PORT_7979_TCP", "x"),
    ];
    loaded(HANDLER, &vars);
}

#[test]
fn a_variable_in_the_file_is_filled_in_and_never_shown() {
    let text = format!(
        "[redis]\nurl = \"${{REDIS_URL}}\"\n[queues.a]\nconcurrency = \"${{SLOTS}}\"\n{HANDLER}secret = \"${{SECRET}}\"\nheaders = {{ authorization = \"Bearer ${{TOKEN}}\", price = \"$${{x}}\" }}\n"
    );
    let vars = [
        ("REDIS_URL", "redis://u:hunter2@h"),
        ("SLOTS", "5"),
        ("SECRET", "hunter2-hunter2-hunter2-hunter2"),
        ("TOKEN", "hunter2"),
    ];
    let config = loaded(&text, &vars);
    assert_eq!(config.redis.url.as_ref().unwrap().expose(), "redis://u:hunter2@h");
    assert_eq!(config.queues["a"].concurrency, 5);
    let shown = config.to_toml_redacted();
    assert!(
        !shown.contains("hunter2") && shown.contains("concurrency = \"${SLOTS}\"  # bullock.toml:4"),
        "{shown}"
    );
    assert!(format!("{:?}", config.queues["a"].handlers["*"].kind).contains("(\"price\", ***)"));
}

#[test]
fn a_variable_in_the_file_that_is_unset_or_empty_is_refused() {
    let text = format!("[redis]\nurl = \"${{REDIS_URL}}\"\n{HANDLER}");
    assert_eq!(
        errors_with(&text, &[]),
        "error: redis.url: ${REDIS_URL} is not set (bullock.toml:2): expected a variable that is set. hint: export REDIS_URL=…"
    );
    assert_eq!(
        errors_with(&text, &[("REDIS_URL", "")]),
        "error: redis.url: ${REDIS_URL} is empty (bullock.toml:2): expected a variable with a value. hint: export REDIS_URL=…"
    );
    assert_eq!(
        errors_with(&format!("[worker]\nname = \"${{x\"\n{HANDLER}"), &[]),
        "error: worker.name: ${ without } (bullock.toml:2): expected ${VAR}. hint: close it with }, or write $${ for a plain ${"
    );
}
