//! Handlers: targets, headers, secrets, programs, and which options go together.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use bullock::config::{Body, Config, ExecHandler, Handler, HandlerKind, HttpHandler, Need, Sources, Target};

use crate::{accepted, errors, load};

/// The one error line of a handler `x`.
fn handler_refused(options: &str, line: &str) {
    assert_eq!(
        errors(&format!("[queues.a.handlers.x]\n{options}\n")),
        format!("error: queues.a.handlers.x{line}"),
        "for:\n{options}"
    );
}

fn handler(options: &str) -> Handler {
    accepted(&format!("[queues.a]\nconcurrency = 4\n[queues.a.handlers.x]\n{options}\n")).queues["a"].handlers
        ["x"]
        .clone()
}

fn http(options: &str) -> HttpHandler {
    match handler(options).kind {
        HandlerKind::Http(http) => http,
        other => panic!("this is no http: {options}: {other:?}"),
    }
}

fn exec(options: &str) -> ExecHandler {
    match handler(options).kind {
        HandlerKind::Exec(exec) => exec,
        other => panic!("this is no exec: {options}: {other:?}"),
    }
}

#[test]
fn a_target_that_cannot_be_called_is_refused_for_its_own_reason() {
    let begin = "begin it with http://, https:// or unix://";
    let metadata = "such addresses hand out the machine's credentials; allow_private = true lifts this rule";
    let fragment = "a fragment (#…) is never sent; delete it, or write # as %23";
    let socket = "the socket's name ends in .sock, as in unix:///run/app.sock/jobs";
    let cases = [
        ("ftp://x/y", "has the scheme ftp://", "ftp://x/y", begin),
        ("file:///etc/passwd", "has the scheme file://", "file:///etc/passwd", begin),
        ("//host/x", "has no scheme", "//host/x", begin),
        (
            "http://u:p@host/x",
            "holds a user or password",
            "http://***@host/x",
            "put it in headers = { authorization = \"Basic ${APP_BASIC}\" }",
        ),
        ("http://h/x#frag", "holds a fragment", "http://h/x#***", fragment),
        (
            "http://169.254.169.254/x",
            "is a link-local or metadata address",
            "http://169.254.169.254/x",
            metadata,
        ),
        ("http://0xa9fea9fe/", "is a link-local or metadata address", "http://0xa9fea9fe/", metadata),
        ("http://2852039166/", "is a link-local or metadata address", "http://2852039166/", metadata),
        (
            "http://[::ffff:169.254.169.254]/",
            "is a link-local or metadata address",
            "http://[::ffff:169.254.169.254]/",
            metadata,
        ),
        ("http://[fe80::1]/", "is a link-local or metadata address", "http://[fe80::1]/", metadata),
        (
            "http://metadata.google.internal/",
            "is a link-local or metadata address",
            "http://metadata.google.internal/",
            metadata,
        ),
        ("http://", "is no URL: empty host", "http://", "write it as in http://127.0.0.1:3000/jobs"),
        (
            "http://h:99999/",
            "is no URL: invalid port number",
            "http://h:99999/",
            "write it as in http://127.0.0.1:3000/jobs",
        ),
        (
            "unix://run/x.sock",
            "has no absolute path",
            "unix://run/x.sock",
            "write three slashes, as in unix:///run/app.sock/jobs",
        ),
        ("unix:///run/x/y", "names no socket", "unix:///run/x/y", socket),
    ];
    for (url, fault, shown, hint) in cases {
        handler_refused(
            &format!("http = \"{url}\""),
            &format!(
                ".http {fault} (bullock.toml:2): \"{shown}\"; expected http://, https:// or unix:///run/app.sock/path. hint: {hint}"
            ),
        );
    }
}

#[test]
fn what_is_written_out_may_be_loopback_or_private() {
    for url in [
        "http://127.0.0.1:3000/jobs",
        "http://10.0.0.7/x",
        "https://app.example.com/x?y=1",
        "http://localhost",
    ] {
        assert_eq!(http(&format!("http = \"{url}\"")).target, Target::Tcp { url: url.to_owned() });
    }
    let lifted = http("http = \"http://169.254.169.254/x\"\nallow_private = true");
    assert!(lifted.allow_private);
    let unix = |socket: &str, path: &str| Target::Unix { socket: socket.into(), path: path.to_owned() };
    assert_eq!(
        http("http = \"unix:///run/app.sock/api/sync?x=1\"").target,
        unix("/run/app.sock", "/api/sync?x=1")
    );
    assert_eq!(http("http = \"unix:///run/app.sock\"").target, unix("/run/app.sock", "/"));
}

#[test]
fn templates_name_known_variables_in_path_and_query_only() {
    let expected = "expected http://, https:// or unix:///run/app.sock/path. hint:";
    handler_refused(
        "http = \"http://h/{{unknown}}\"",
        &format!(
            ".http names an unknown variable {{{{unknown}}}} (bullock.toml:2): \"http://h/{{{{unknown}}}}\"; {expected} known are {{{{queue}}}}, {{{{id}}}}, {{{{name}}}}; a job's data is in the body"
        ),
    );
    handler_refused(
        "http = \"http://{{id}}/x\"",
        &format!(
            ".http has a template in scheme or host (bullock.toml:2): \"http://{{{{id}}}}/x\"; {expected} a job must not choose where its request goes; templates stand in path and query"
        ),
    );
    handler_refused(
        "http = \"http://h/{{id\"",
        &format!(
            ".http has {{{{ without }}}} (bullock.toml:2): \"http://h/{{{{id\"; {expected} close it, or write a single brace"
        ),
    );
    http("http = \"http://h/{{queue}}/{{name}}?id={{id}}\"");
}

#[test]
fn headers_that_break_the_request_are_refused_without_their_value() {
    let cases = [
        (
            "{ Host = \"x\" }",
            "headers.Host is a header that bullock sets itself",
            "another header",
            "delete it",
        ),
        (
            "{ Content-Length = \"1\" }",
            "headers.Content-Length is a header that bullock sets itself",
            "another header",
            "delete it",
        ),
        (
            "{ transfer-encoding = \"chunked\" }",
            "headers.transfer-encoding is a header that bullock sets itself",
            "another header",
            "delete it",
        ),
        (
            "{ Job-Id = \"1\" }",
            "headers.Job-Id is a header that bullock sets itself",
            "another header",
            "delete it",
        ),
        (
            "{ webhook-id = \"1\" }",
            "headers.webhook-id is a header that bullock sets itself",
            "another header",
            "delete it",
        ),
        (
            "{ a = \"x\\r\\nHost: y\" }",
            "headers.a has a value that no header can have",
            "visible ASCII in one line",
            "take out line breaks and other control characters",
        ),
        (
            "{ \"a\\r\\nb\" = \"x\" }",
            "headers.\"a\\r\\nb\" has a name that no header can have",
            "letters, digits and -",
            "write the name as in HTTP, without the colon",
        ),
        (
            "{ a = \"1\", A = \"2\" }",
            "headers.A is written twice",
            "each header once",
            "header names are the same in upper and lower case; delete one",
        ),
    ];
    for (headers, fault, expected, hint) in cases {
        handler_refused(
            &format!("http = \"http://h/x\"\nheaders = {headers}"),
            &format!(".{fault} (bullock.toml:3): ***; expected {expected}. hint: {hint}"),
        );
    }
    let headers = http("http = \"http://h/x\"\nheaders = { Authorization = \"Bearer x\" }").headers;
    assert_eq!((headers[0].0.as_str(), headers[0].1.expose()), ("authorization", "Bearer x"));
}

#[test]
fn secrets_that_can_be_guessed_are_refused_without_being_shown() {
    let expected =
        "whsec_ and base64, or at least 24 bytes. hint: echo whsec_$(openssl rand -base64 32) makes one";
    for (secret, fault) in [
        ("\"hunter2\"", "is too short"),
        ("\"whsec_aHVudGVyMg==\"", "is too short"),
        ("\"whsec_hunter2!\"", "is not base64 after whsec_"),
        ("\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"", "is that of an example"),
        ("[\"a-good-secret-of-32-bytes-length\", \"hunter2\"]", "is too short"),
    ] {
        handler_refused(
            &format!("http = \"http://h/x\"\nsecret = {secret}"),
            &format!(".secret {fault} (bullock.toml:3): ***; expected {expected}"),
        );
    }
    let secrets = http("http = \"http://h/x\"\nsecret = [\"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz\", \"a-good-secret-of-32-bytes-length\"]").secrets;
    assert_eq!(secrets[0].expose(), "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz");
    assert_eq!(format!("{:?} {}", secrets[0], secrets[1]), "*** ***");
    assert_eq!(serde_json::to_string(&secrets[0]).unwrap(), "\"***\"");
}

#[test]
fn a_program_that_cannot_be_run_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("plain.sh"), "").unwrap();
    let run = |exec: &str| in_directory(dir.path(), exec).unwrap_err();
    let expected = "expected [\"program\", \"argument\", …]. hint:";
    for (argv, fault, hint) in [
        ("[\"no-such-program\"]", "names a program that is not on PATH", "install it, or write its path"),
        ("[\"../x\"]", "leads out of the config's directory", "write an absolute path"),
        (
            "[\"./gone.sh\"]",
            "names a file that does not exist",
            "paths are relative to cwd, which is the config file's directory unless set",
        ),
        ("[\"./plain.sh\"]", "names a file that is not executable", "chmod +x ./plain.sh"),
        ("[]", "has a bad number of entries", "write the program and its arguments"),
    ] {
        let lines = run(&format!("exec = {argv}"));
        assert!(lines.starts_with(&format!("error: queues.a.handlers.x.exec {fault} (")), "{lines}");
        assert!(lines.ends_with(&format!("b.toml:2): {argv}; {expected} {hint}")), "{lines}");
    }
    handler_refused(
        "exec = \"node job.js\"",
        ".exec has the wrong type (bullock.toml:2): \"node job.js\"; expected an array of texts. hint: write the program and each argument as its own text; there is no shell: exec = [\"node\", \"job.js\"]",
    );
}

/// Loads a handler from a file in a directory.
fn in_directory(directory: &Path, options: &str) -> Result<Config, String> {
    let file = directory.join("b.toml");
    std::fs::write(&file, format!("[queues.a.handlers.x]\n{options}\n")).unwrap();
    let env = [("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())];
    Config::load(Some(&file), env.into_iter()).map_err(|problems| problems.to_string())
}

#[test]
fn programs_are_found_from_the_directory_of_the_config() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("jobs")).unwrap();
    let script = dir.path().join("jobs/run.sh");
    std::fs::write(&script, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    for options in ["exec = [\"jobs/run.sh\"]", "exec = [\"./run.sh\"]\ncwd = \"jobs\""] {
        let config = in_directory(dir.path(), options).unwrap();
        let HandlerKind::Exec(exec) = &config.queues["a"].handlers["x"].kind else { panic!("not exec") };
        assert_eq!(exec.program, script);
        assert!(exec.cwd.is_absolute());
    }
    let cat = exec("exec = [\"cat\", \"--\", \"{{id}}\"]");
    assert!(cat.program.ends_with("cat") && cat.program.is_absolute());
    assert_eq!((cat.argv.len(), cat.env), (3, vec!["PATH".to_owned(), "HOME".to_owned()]));
}

#[test]
fn commands_that_only_connect_do_not_look_for_programs() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("b.toml");
    std::fs::write(&file, "[queues.a.handlers.x]\nexec = [\"no-such-program\"]\n").unwrap();
    let sources = Sources {
        file: Some(&file),
        env: std::collections::BTreeMap::new(),
        flags: Vec::new(),
        need: Need::Connection,
    };
    assert!(Config::load_from(&sources).is_ok());
}

#[test]
fn a_template_in_argv_is_a_whole_argument_after_two_dashes() {
    let expected = "expected [\"program\", \"argument\", …]. hint:";
    handler_refused(
        "exec = [\"cat\",\"{{id}}\"]",
        &format!(
            ".exec has a template that could be read as an option (bullock.toml:2): [\"cat\",\"{{{{id}}}}\"]; {expected} put \"--\" before it: [\"node\", \"job.js\", \"--\", \"{{{{id}}}}\"]"
        ),
    );
    handler_refused(
        "exec = [\"cat\",\"--\",\"x{{id}}\"]",
        &format!(
            ".exec has a template inside an argument (bullock.toml:2): [\"cat\",\"--\",\"x{{{{id}}}}\"]; {expected} a template is an argument of its own: [\"node\", \"job.js\", \"--\", \"{{{{id}}}}\"]"
        ),
    );
    handler_refused(
        "exec = [\"cat\",\"--\",\"{{data}}\"]",
        &format!(
            ".exec names an unknown variable {{{{data}}}} (bullock.toml:2): [\"cat\",\"--\",\"{{{{data}}}}\"]; {expected} known are {{{{queue}}}}, {{{{id}}}}, {{{{name}}}}; a job's data is in the body"
        ),
    );
}

#[test]
fn two_kinds_or_none_for_a_job_name_are_named() {
    handler_refused(
        "http = \"http://h/x\"\nexec = [\"cat\"]",
        " is several handlers for one job name: http and exec (bullock.toml:1): expected http, exec or sync. hint: delete all but one",
    );
    handler_refused(
        "concurrency = 1",
        " has no http, no exec and no sync (bullock.toml:1): expected http, exec or sync. hint: add http = \"http://127.0.0.1:3000/jobs\" or exec = [\"node\", \"job.js\"]",
    );
    assert_eq!(
        errors("[queues.a]\nconcurrency = 1\n"),
        "error: queue a has no handler (bullock.toml:1): expected a table [queues.a.handlers.<job name>]. hint: add [queues.a.handlers.\"*\"] with http = \"http://127.0.0.1:3000/jobs\" or exec = [\"node\", \"job.js\"]"
    );
    let misspelt = errors("[queues.a.handlers.x]\nhtpp = \"http://h/x\"\n");
    assert!(
        misspelt.ends_with("hint: did you mean \"http\"?") && misspelt.lines().count() == 1,
        "{misspelt}"
    );
}

#[test]
fn options_of_the_other_kind_are_refused() {
    handler_refused(
        "exec = [\"cat\"]\nsecret = \"a-good-secret-of-32-bytes-length\"",
        ".secret belongs to http handlers, and this is none (bullock.toml:3): ***; expected it left out. hint: delete it; it would have no effect",
    );
    handler_refused(
        "http = \"http://h/x\"\ncwd = \"/tmp\"",
        ".cwd belongs to exec handlers, and this is none (bullock.toml:3): \"/tmp\"; expected it left out. hint: delete it; it would have no effect",
    );
    handler_refused(
        "exec = [\"cat\"]\nenv = [\"TOKEN=hunter2\"]",
        ".env holds \"TOKEN\", which is no name of a variable (bullock.toml:3): [\"TOKEN=hunter2\"]; expected names such as [\"PATH\", \"HOME\"]. hint: only names stand here; the values are those of bullock's own environment"
            .replace("[\"TOKEN=hunter2\"]", "***").as_str(),
    );
}

#[test]
fn limits_that_contradict_one_another_state_both_numbers() {
    handler_refused(
        "http = \"http://h/x\"\nrun_limit = \"10s\"\nheartbeat = \"20s\"",
        ".heartbeat is 20s, longer than run_limit, which is 10s (bullock.toml:4): \"20s\"; expected at most 10s. hint: a run ends at run_limit whatever it does; raise run_limit or shorten this",
    );
    handler_refused(
        "http = \"http://h/x\"\nrun_limit = \"31d\"",
        ".run_limit is out of range (bullock.toml:3): \"31d\"; expected e.g. \"30s\", 10ms..=30d, or \"none\". hint: write a number and one of ms, s, m, h, d, w",
    );
    handler_refused(
        "http = \"http://h/x\"\nconcurrency = 5",
        ".concurrency is more than the queue has (bullock.toml:3): 5; expected at most 1, the queue's concurrency. hint: raise the queue's concurrency, or leave this out",
    );
}

#[test]
fn a_handler_becomes_plain_values() {
    let plain = handler("http = \"http://h/x\"");
    assert_eq!(
        (plain.heartbeat, plain.no_progress, plain.run_limit),
        (Some(Duration::from_mins(1)), None, None)
    );
    assert_eq!((plain.response_bytes_max, plain.concurrency), (1 << 20, None));
    let HandlerKind::Http(http) = plain.kind else { panic!("not http") };
    assert_eq!((http.body, http.connect, http.first_byte), (Body::Data, Duration::from_secs(5), None));
    assert_eq!((http.permanent, http.max_deferrals), (vec![400, 410, 422], 20));
    assert_eq!(http.retry_after_max, Duration::from_hours(1));
    let set = handler(
        "http = \"http://h/x\"\nbody = \"bullmq-proxy\"\nheartbeat = \"none\"\nfirst_byte = \"2s\"\npermanent = [404]\nconcurrency = 2",
    );
    assert_eq!((set.heartbeat, set.concurrency), (None, Some(2)));
    assert!(load("[queues.a.handlers.x]\nhttp = \"http://h/x\"\npermanent = [200]\n").is_err());
}
