//! `script/image` makes the tree; the unit and the image's health check are run in it.

use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use super::support::bullock::BINARY;
use super::support::process::{Output, Process, free_port};
use super::support::redis::Redis;
use super::support::wait;
use super::{read, root};

const CONFIG: &str = r#"
[queues.emails.handlers."*"]
exec = ["echo", '{"result":"done"}']
"#;

/// What follows `name` on its line.
fn line<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines()
        .find_map(|line| line.trim().strip_prefix(name))
        .unwrap_or_else(|| panic!("no {name}:\n{text}"))
}

/// A command line of the unit or of the Dockerfile, as it is in the tree.
fn in_tree(tree: &Path, words: &[String], environment: &[(&str, &str)]) -> Command {
    let place = |word: &String| match word.strip_prefix('/') {
        Some(path) => tree.join(path).into_os_string(),
        None => word.into(),
    };
    let mut command = Command::new(place(&words[0]));
    command.args(words[1..].iter().map(place)).current_dir(tree.join("etc/bullock"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).envs(environment.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test]
async fn the_tree_of_the_image_holds_a_worker_that_the_unit_starts_and_the_health_check_finds() {
    let place = tempfile::tempdir().unwrap();
    let tree = place.path();
    let made =
        Command::new(root().join("script/image")).arg(tree).env("BULLOCK_BIN", BINARY).output().unwrap();
    let said = String::from_utf8_lossy(&made.stdout).into_owned() + &String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success() && said.contains(concat!("bullock ", env!("CARGO_PKG_VERSION"))), "{said}");
    for file in [
        "usr/local/share/man/man1/bullock-run.1",
        "usr/share/doc/bullock/LICENSE",
        "usr/lib/systemd/system/bullock.service",
    ] {
        assert!(tree.join(file).is_file(), "{file}");
    }

    std::fs::write(tree.join("etc/bullock/bullock.toml"), CONFIG).unwrap();
    let redis = Redis::start();
    let (url, listen) = (redis.url(), format!("127.0.0.1:{}", free_port()));
    let environment = [("REDIS_URL", url.as_str()), ("BULLOCK_ADMIN__LISTEN", listen.as_str())];
    let unit = read("config/bullock.service");
    let dockerfile = read("Dockerfile");
    let (_, check) = dockerfile.split_once("HEALTHCHECK").unwrap().1.split_once("CMD ").unwrap();
    let check: Vec<String> = serde_json::from_str(check.lines().next().unwrap()).unwrap();
    let health = || in_tree(tree, &check, &environment).output().unwrap();
    let dead = health();
    let why = String::from_utf8_lossy(&dead.stderr).into_owned();
    assert_eq!(dead.status.code(), Some(6), "{why}");
    assert!(why.starts_with("error: no worker answers (http://127.0.0.1:"), "{why}");

    let before = in_tree(tree, &words(line(&unit, "ExecStartPre=")), &environment).output().unwrap();
    assert!(before.status.success(), "{}", String::from_utf8_lossy(&before.stderr));
    let mut start = in_tree(tree, &words(line(&unit, "ExecStart=")), &environment);
    let mut worker = Process::spawn(&mut start).unwrap();
    let output = Output::default();
    output.follow_stderr(worker.child().stderr.take().unwrap());
    output.follow_stdout(worker.child().stdout.take().unwrap());
    wait::until("the health check to find it", async || health().status.success()).await;
    let add: Vec<String> =
        ["/usr/local/bin/bullock", "job", "add", "emails", "x", "--wait"].map(str::to_owned).into();
    let done = in_tree(tree, &add, &environment).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stdout), "\"done\"\n", "{done:?}");

    // KillSignal of the unit.
    assert_eq!(line(&unit, "KillSignal="), "SIGTERM");
    worker.signal(Signal::SIGTERM);
    let status = worker.wait(3 * wait::DEADLINE).await;
    assert!(status.success(), "{status}\n{}", output.text());
    assert_eq!(health().status.code(), Some(6));
}

#[test]
fn what_starts_the_image_is_in_its_tree_and_is_not_root() {
    let dockerfile = read("Dockerfile");
    let last = dockerfile.rsplit_once("\nFROM ").unwrap().1;
    assert!(last.starts_with("gcr.io/distroless/cc-debian12:nonroot\n"), "{last}");
    assert_eq!(line(last, "ENTRYPOINT "), "[\"/usr/local/bin/bullock\"]");
    assert!(line(last, "USER ").starts_with(|c: char| c.is_ascii_digit() && c != '0'), "{last}");
    assert!(
        dockerfile.contains("\nRUN script/image /image\n") && last.contains("COPY --from=build /image /")
    );
    // The grace of a stop is shorter than what systemd and Docker wait.
    assert_eq!(line(&read("config/bullock.service"), "TimeoutStopSec="), "45");
}
