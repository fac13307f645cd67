//! Redis URLs that cannot be: the fault, its position, and never the password.

use bullock::config::shown_url;

use crate::{HANDLER, accepted, errors, refused};

const EXPECTED: &str = "redis://[user:password@]host[:port][/db], rediss://…, redis+unix:///path, unix:///path, redis+sentinel://…host,host/master[/db] or redis+cluster://…host,host";

#[test]
fn each_fault_is_named_with_its_position() {
    let cases = [
        (
            "http://x",
            "has the scheme http://",
            "http://x",
            "the scheme of a Redis server is redis://, with TLS rediss://",
        ),
        ("127.0.0.1:6379", "has no scheme", "127.0.0.1:6379", "begin it with redis://"),
        ("redis://", "has no host", "redis://", "write the host after ://, as in redis://127.0.0.1:6379"),
        (
            "redis://h:99999",
            "has a port that is out of range",
            "redis://h:99999",
            "ports are 1..=65535; Redis listens on 6379 unless told otherwise",
        ),
        (
            "redis://h:0",
            "has a port that is out of range",
            "redis://h:0",
            "ports are 1..=65535; Redis listens on 6379 unless told otherwise",
        ),
        (
            "redis://:p@ss@h",
            "has a raw \"@\" in user or password at character 11",
            "redis://***@h",
            "percent-encode it: \"@\" is %40",
        ),
        (
            "redis://:p#ss@h",
            "has a raw \"#\" in user or password at character 11",
            "redis://***@h",
            "percent-encode it: \"#\" is %23",
        ),
        (
            "redis://u:p/ss@h/0",
            "has a raw \"/\" in user or password at character 12",
            "redis://***@h/0",
            "percent-encode it: \"/\" is %2F",
        ),
        (
            "redis://u:%zz@h/0",
            "has a % without two hex digits in user or password at character 11",
            "redis://***@h/0",
            "percent-encode it: % is %25",
        ),
        (
            "redis://:hunter2",
            "has no host",
            "redis://***",
            "write the host after ://, as in redis://127.0.0.1:6379",
        ),
        (
            "redis://h/abc",
            "has a database that is no number",
            "redis://h/abc",
            "write /0, or nothing, after host and port",
        ),
        ("redis://h/0?x=1", "has an unknown parameter", "redis://h/0?***", "after ? only protocol may stand"),
        (
            "redis+unix://run/r.sock",
            "has no absolute path",
            "redis+unix://run/r.sock",
            "write three slashes, as in redis+unix:///run/redis.sock",
        ),
        ("", "is empty", "", "leave it out for a private redis-server"),
    ];
    for (url, fault, shown, hint) in cases {
        let text = format!("[redis]\nurl = \"{url}\"");
        let line = format!(
            "error: redis.url {fault} (bullock.toml:2): \"{shown}\"; expected {EXPECTED}. hint: {hint}"
        );
        refused(&[(text.as_str(), line.as_str())]);
    }
}

#[test]
fn good_urls_are_kept_as_they_are() {
    for url in [
        "redis://127.0.0.1",
        "redis://u:p%40ss@db.example.com:6380/3",
        "rediss://[::1]:6379/0?protocol=resp3",
        "redis+unix:///run/redis.sock?db=2&pass=x",
        "unix:///run/redis.sock",
        "redis+sentinel://u:p@s1,s2:26380,[::1]:26381/main/3?sentinel_password=x&tls=true",
        "rediss+sentinel://s1/main",
    ] {
        let config = accepted(&format!("[redis]\nurl = \"{url}\"\n{HANDLER}"));
        assert_eq!(config.redis.url.unwrap().expose(), url);
    }
    assert!(accepted(HANDLER).redis.url.is_none());
}

#[test]
fn a_cluster_needs_hash_tags_and_has_one_database() {
    let url = "redis+cluster://:pw@n1:7000,n2";
    let config = accepted(&format!("[redis]\nurl = \"{url}\"\nprefix = \"{{bull}}\"\n{HANDLER}"));
    assert!(config.redis.url.unwrap().is_cluster());
    let tagged = format!("[redis]\nurl = \"{url}\"\n[queues.\"{{a}}\".handlers.x]\nhttp = \"http://h/x\"\n");
    accepted(&tagged);
    let said = errors(&tagged.replace("{a}", "a"));
    assert!(said.contains("queue \"a\" has no hash tag, and redis.url is a cluster's"), "{said}");
    assert!(said.contains("redis.prefix = \"{bull}\""), "{said}");
    for (url, fault) in [
        ("redis+cluster://n1/2", "names a database"),
        ("redis+cluster://n1,", "has no host"),
        ("redis+sentinel://s1:26379", "names no master"),
        ("redis+sentinel://s1/main/x", "has a database that is no number"),
        ("redis+sentinel://s1/main?password=hunter2", "has an unknown parameter"),
    ] {
        let said = errors(&format!("[redis]\nurl = \"{url}\"\n{HANDLER}"));
        assert!(said.contains(fault) && !said.contains("hunter2"), "{url}: {said}");
    }
}

#[test]
fn no_form_of_the_config_shows_the_password() {
    let text = format!(
        "[redis]\nurl = \"redis://ops:hunter2@db:6379/0\"\n{HANDLER}secret = \"hunter2-hunter2-hunter2-hunter2\"\nheaders = {{ authorization = \"Bearer hunter2\" }}\n"
    );
    let config = accepted(&text);
    let url = config.redis.url.as_ref().unwrap();
    for form in
        [format!("{config:?}"), format!("{config:#?}"), config.to_toml_redacted().to_owned(), url.to_string()]
    {
        assert!(!form.contains("hunter2"), "{form}");
    }
    assert!(config.to_toml_redacted().contains("url = \"redis://***@db:6379/0\"  # bullock.toml:2"));
    let broken = errors(&text.replace("[redis]", "[redis]\nx = 1").replace("db:6379/0", "db:x"));
    assert!(!broken.contains("hunter2"), "{broken}");
}

#[test]
fn urls_are_shown_without_what_is_secret() {
    for (url, shown) in [
        ("redis://a:b@h", "redis://***@h"),
        ("redis://a:b@c@h:1/2", "redis://***@h:1/2"),
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://[::1]:6379", "redis://[::1]:6379"),
        ("redis://[::1]", "redis://[::1]"),
        ("ops:hunter2@h", "***"),
        ("unix:///r.sock?pass=x", "unix:///r.sock?***"),
    ] {
        assert_eq!(shown_url(url), shown);
    }
}
