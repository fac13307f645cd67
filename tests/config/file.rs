//! The file as a whole: missing, empty, not TOML, names unknown or written twice, open to others.

use std::os::unix::fs::PermissionsExt;

use bullock::config::{Config, Need, Sources};

use crate::{HANDLER, errors, refused};

#[test]
fn a_missing_file_is_named() {
    let path = tempfile::tempdir().unwrap().path().join("gone.toml");
    let problems = Config::load(Some(&path), std::iter::empty()).unwrap_err();
    assert_eq!(
        problems.to_string(),
        format!(
            "error: cannot read config (--config): no such file: {}; expected a TOML file. hint: name it with -c, or create it",
            // Long paths are cut like any other value.
            path.display()
        )
        .replace(&path.display().to_string(), &shortened(&format!("no such file: {}", path.display())))
    );
}

/// The path within a value of at most 60 characters.
fn shortened(value: &str) -> String {
    let cut: String = value.chars().take(60).collect();
    let cut = if cut.len() < value.len() { format!("{cut}…") } else { cut };
    cut["no such file: ".len()..].to_owned()
}

#[test]
fn a_directory_is_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let problems = Config::load(Some(dir.path()), std::iter::empty()).unwrap_err();
    assert!(
        problems.to_string().starts_with("error: cannot read config (--config): is a directory: "),
        "{problems}"
    );
}

#[test]
fn an_empty_file_lists_the_two_required_tables() {
    let line = "error: no queue is configured (bullock.toml): expected the two required tables [queues.<name>] and [queues.<name>.handlers.<job name>]. hint: two lines are a whole one: [queues.emails.handlers.\"*\"] and http = \"http://127.0.0.1:3000/jobs\"";
    assert_eq!(errors(""), line);
    assert_eq!(errors("# only a comment\n"), line);
}

#[test]
fn commands_that_only_connect_need_no_queue() {
    let sources = Sources {
        file: None,
        env: std::collections::BTreeMap::new(),
        flags: Vec::new(),
        need: Need::Connection,
    };
    let config = Config::load_from(&sources).unwrap();
    assert!(config.queues.is_empty() && config.redis.url.is_none());
}

#[test]
fn a_syntax_error_shows_line_column_and_the_line() {
    assert_eq!(
        errors("[queues.a]\n[queues.b\n"),
        "error: syntax error, unclosed table (bullock.toml:2:10): [queues.b; expected `]`. hint: correct this line; text needs quotes, as in key = \"value\""
    );
}

#[test]
fn yaml_is_recognised() {
    assert_eq!(
        errors("queues:\n"),
        "error: syntax error, key with no value (bullock.toml:1:8): queues:; expected `=`. hint: this looks like YAML; the config is TOML: [section] lines and key = value"
    );
}

#[test]
fn a_line_that_cannot_be_read_does_not_show_its_password() {
    let lines = errors("[redis]\nurl = redis://ops:hunter2@db\n[queues.a.handlers.x]\nsecret = hunter2\n");
    assert!(!lines.contains("hunter2"), "{lines}");
    assert!(
        lines.contains("(bullock.toml:2:7): url …;") && lines.contains("(bullock.toml:4:10): secret …;"),
        "{lines}"
    );
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_name() {
    refused(&[
        (
            "[queues.a]\nconcurency = 3",
            "error: unknown key (bullock.toml:2): queues.a.concurency; expected one of dialect, prefix, concurrency, rate, retention, metrics, payload_max, dead_letter, org, fair, limits, schedules, handlers in [queues.a]. hint: did you mean \"concurrency\"?",
        ),
        (
            "[queue.a]",
            "error: unknown key (bullock.toml:1): queue; expected one of redis, admin, worker, backoff, log, audit, alerts, metrics, otel, queues, hooks in the top level. hint: did you mean \"queues\"?",
        ),
        (
            "lease = \"3s\"",
            "error: unknown key (bullock.toml:1): lease; expected one of redis, admin, worker, backoff, log, audit, alerts, metrics, otel, queues, hooks in the top level. hint: it belongs in [worker]",
        ),
    ]);
}

#[test]
fn what_is_written_twice_names_both_places() {
    refused(&[
        (
            "[queues.a]\nconcurrency = 1\nconcurrency = 2",
            "error: duplicate key, first on line 2 and again on line 3 (bullock.toml:3): concurrency; expected each name once. hint: merge the two, or delete one of them",
        ),
        (
            "[queues.\"b:c\"]\n\n[queues.a]\n[queues.'b:c']",
            "error: duplicate table, first on line 1 and again on line 4 (bullock.toml:4): 'b:c'; expected each name once. hint: merge the two, or delete one of them",
        ),
    ]);
}

#[test]
fn all_problems_come_at_once_in_the_order_of_the_file() {
    let lines =
        errors("[worker]\nlease = 30\nname = \"a b\"\n[queues.a]\nconcurrency = 0\n[queues.b]\nspeed = 1\n");
    let places: Vec<&str> = lines.lines().map(|line| line.split(['(', ')']).nth(1).unwrap()).collect();
    assert_eq!(
        places,
        [
            "bullock.toml:2",
            "bullock.toml:3",
            "bullock.toml:4",
            "bullock.toml:5",
            "bullock.toml:6",
            "bullock.toml:7"
        ],
        "{lines}"
    );
}

#[test]
fn every_error_is_one_line_whatever_the_value_holds() {
    let lines = errors(
        "[worker]\nname = \"a\\n\\u001b[31merror: \\u202efake\"\n\"x\\ny\" = 1\n[queues.\"q\\r\\n\"]\n",
    );
    for line in lines.lines() {
        assert!(
            line.starts_with("error: ") && line.contains("; expected ") || line.contains(": expected "),
            "{line}"
        );
        assert!(
            line.contains(" hint: ") && !line.chars().any(|c| c.is_control() || c == '\u{202e}'),
            "{line:?}"
        );
    }
    assert_eq!(lines.lines().count(), 4, "{lines}");
}

#[test]
fn long_values_are_cut() {
    let lines = errors(&format!("[worker]\nlease = \"{}\"\n{HANDLER}", "9".repeat(5000)));
    assert!(lines.len() < 300, "{lines}");
}

#[test]
fn a_file_that_is_not_utf_8_names_the_line() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("b.toml"), b"[worker]\nname = \"\xff\"\n").unwrap();
    let problems = Config::load(Some(&dir.path().join("b.toml")), std::iter::empty()).unwrap_err();
    let place = &problems.0[0].place;
    assert!(place.to_string().ends_with("b.toml:2"), "{place}");
    assert_eq!(problems.0[0].what, "config is not UTF-8");
}

#[test]
fn a_file_that_anybody_may_change_or_that_shows_a_secret_is_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("b.toml");
    std::fs::write(&path, format!("{HANDLER}secret = \"a-secret-of-more-than-24-bytes\"\n")).unwrap();
    let warnings = |mode: u32| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let config = Config::load(Some(&path), std::iter::empty()).unwrap();
        config.warnings.iter().map(|warning| warning.what.clone()).collect::<Vec<_>>()
    };
    assert_eq!(warnings(0o600), Vec::<String>::new());
    assert_eq!(warnings(0o644), ["the config holds a secret and can be read by anybody"]);
    assert_eq!(warnings(0o602), ["the config can be changed by anybody, who could run programs through it"]);
}
