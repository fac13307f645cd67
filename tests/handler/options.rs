//! Options that are refused before the first job, each for a stated reason.

use std::time::Duration;

use bullock::handler::OptionError;
use bullock::handler::exec::{ExecHandler, ExecOptions};
use bullock::handler::http::{FORBIDDEN_HEADERS, HttpHandler, HttpOptions};
use bullock::http::Clients;
use bullock::http::sign::{Secret, SecretError};

fn problems(options: HttpOptions) -> Vec<String> {
    let made = HttpHandler::new(options, &Clients::default());
    made.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[track_caller]
fn refused(url: &str, why: &str) {
    let problems = problems(HttpOptions::new(url));
    assert!(problems.len() == 1 && problems[0].contains(why), "{url}: {problems:?}");
}

#[test]
fn a_url_that_cannot_be_called_is_refused_with_its_reason() {
    refused("ftp://127.0.0.1/", "the scheme \"ftp\" is not supported");
    refused("//127.0.0.1/x", "no complete URL");
    refused("/x", "no complete URL");
    refused("http://", "no URL");
    refused("http://user:pw@127.0.0.1/", "credentials do not belong in a URL");
    refused("http://127.0.0.1/#part", "leave it out");
    refused("http://169.254.169.254/latest/", "metadata service");
    refused("http://[::ffff:169.254.169.254]/", "metadata service");
    refused("http://2852039166/", "metadata service");
    refused("unix://app.sock/x", "absolute");
    refused("unix:///run/app/x", "where does the socket end?");
    refused("http://{{data.host}}/x", "allow_hosts");
    refused("http://127.0.0.1/{{unknown}}", "there are {{queue}}, {{id}}, {{name}} and {{data.<member>}}");
    refused("http://127.0.0.1/{{data.}}", "is not known");
    refused("http://127.0.0.1/{{id", "has no }}");
}

#[test]
fn no_password_of_a_url_is_shown() {
    let shown = problems(HttpOptions::new("http://user:hunter2@127.0.0.1/")).join("\n");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_written_out_address_may_be_private() {
    for url in [
        "http://127.0.0.1:3000/",
        "http://10.1.2.3/x",
        "http://[::1]:80/",
        "https://localhost/",
        "http://a.b/",
    ] {
        assert_eq!(problems(HttpOptions::new(url)), [""; 0], "{url}");
    }
    let meant = HttpOptions { allow_private: true, ..HttpOptions::new("http://169.254.169.254/") };
    assert_eq!(problems(meant), [""; 0]);
}

#[test]
fn headers_of_the_connection_and_of_ours_are_refused() {
    let ours = ["Host", "Content-Length", "JOB-ID", "Webhook-Signature", "Idempotency-Key"];
    for name in ours.iter().chain(FORBIDDEN_HEADERS) {
        let headers = vec![((*name).to_owned(), "x".to_owned())];
        let problems = problems(HttpOptions { headers, ..HttpOptions::new("http://127.0.0.1/") });
        assert!(problems[0].contains("cannot be configured"), "{name}: {problems:?}");
    }
}

#[test]
fn line_breaks_in_headers_are_refused_and_the_value_is_not_shown() {
    let headers = vec![
        ("authorization".to_owned(), "hunter2\r\nX: y".to_owned()),
        ("a\r\nb".to_owned(), "x".to_owned()),
        (String::new(), "x".to_owned()),
    ];
    let problems = problems(HttpOptions { headers, ..HttpOptions::new("http://127.0.0.1/") });
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].contains("line break") && !problems[0].contains("hunter2"));
    assert!(problems[1].contains("a\\r\\nb"));
}

#[test]
fn all_problems_are_told_at_once() {
    let options = HttpOptions {
        permanent: vec![200],
        connect: Duration::ZERO,
        heartbeat: Duration::ZERO,
        first_byte: Some(Duration::ZERO),
        response_max: 0,
        cancel_url: Some("http://127.0.0.1/{{id}}".into()),
        ..HttpOptions::new("gopher://x/")
    };
    let problems = HttpHandler::new(options, &Clients::default()).err().unwrap();
    let mut names: Vec<_> = problems.iter().map(|OptionError { option, .. }| *option).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["cancel_url", "connect", "first_byte", "heartbeat", "http", "permanent", "response_max"]
    );
}

#[test]
fn a_weak_secret_is_refused_without_being_shown() {
    for (text, why) in [
        ("hunter2", SecretError::TooShort(7)),
        ("whsec_aHVudGVyMg==", SecretError::TooShort(7)),
        ("whsec_not base64 at all, hunter2!", SecretError::NotBase64),
        ("changeme-changeme-changeme-hunter2", SecretError::Placeholder),
        ("", SecretError::TooShort(0)),
    ] {
        let error = Secret::parse(text).unwrap_err();
        assert_eq!(error, why, "{text}");
        assert!(!error.to_string().contains("hunter2"));
    }
    let secret = Secret::parse("a-long-enough-hunter2-secret").unwrap();
    assert_eq!(format!("{secret:?}"), "Secret(***)");
}

fn exec_problems(options: ExecOptions) -> Vec<String> {
    ExecHandler::new(options).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn a_command_that_cannot_run_is_refused_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("plain.sh"), "echo").unwrap();
    let plain = dir.path().join("plain.sh").display().to_string();
    for (argv, why) in [
        (vec![], "is empty"),
        (vec![""], "name is empty"),
        (vec!["no-such-program-anywhere"], "was not found in PATH"),
        (vec!["/no/such/program"], "does not exist"),
        (vec!["/"], "is not a file"),
        (vec![plain.as_str()], "is not executable (chmod +x)"),
        (vec!["./../../bin/sh"], "leaves the directory"),
        (vec!["sh", "a\0b"], "NUL"),
        (vec!["sh", "{{id}}"], "after an argument \"--\""),
        (vec!["sh", "--", "--id={{id}}"], "whole argument"),
        (vec!["sh", "--", "{{data.x}}"], "data comes on stdin"),
    ] {
        let problems = exec_problems(ExecOptions::new(argv.iter().copied()));
        assert!(problems.len() == 1 && problems[0].contains(why), "{argv:?}: {problems:?}");
    }
}

#[test]
fn other_options_of_a_command_are_checked_too() {
    let options = ExecOptions {
        env: vec!["A=b".into(), String::new()],
        cwd: Some("/no/such/directory".into()),
        kill_grace: Duration::ZERO,
        heartbeat: Some(Duration::ZERO),
        ..ExecOptions::new(["sh"])
    };
    assert_eq!(exec_problems(options).len(), 5);
}
