//! Every command that goes over the admin API does the same there as on Redis itself.

use std::collections::BTreeSet;

use bullock::cli::{ALONE, Cli, OVER_API};
use clap::CommandFactory as _;
use serde_json::{Value, json};

use super::served::Served;
use super::support::bullock::Answer;
use super::support::wait;
use super::twins::{Twins, lines, twins};
use super::watch::{failing_worker, slow_worker};

#[tokio::test]
async fn every_command_does_the_same_over_the_api_as_on_redis_itself() {
    let (mut all, _nodes) = twins().await;
    let direct_worker = slow_worker(&all.direct, "slow").await;
    let served_worker = slow_worker(&all.served.place, "slow").await;
    all.same(0, &["job", "add", "slow", "x", "--job-id", "s1"]).await;
    for place in [&all.direct, &all.served.place] {
        wait::until("it to run", async || {
            place.json(&["job", "show", "slow", "s1"]).await["state"] == "active"
        })
        .await;
    }

    looks(&mut all).await;
    acts(&mut all).await;
    syncs(&mut all).await;
    schedules(&mut all).await;
    all.same(0, &["job", "kill", "slow", "s1", "--dry-run"]).await;
    all.same(0, &["job", "cancel", "slow", "s1", "--reason", "no"]).await;
    workers(&mut all).await;
    all.same(0, &["queue", "obliterate", "web", "--dry-run"]).await;
    all.same(0, &["queue", "obliterate", "ghosts", "--yes", "--force"]).await;
    all.like(0, &["audit", "--queue", "orders"]).await;
    all.like(0, &["audit", "--job", "mail/w1", "--what", "remove"]).await;
    all.like(0, &["audit", "--limit", "3"]).await;

    assert!(all.unlike.is_empty(), "{}", all.unlike.join("\n"));
    // A terminal of its own: tests/cli/top.rs. What is told live: below.
    all.tried.extend(["top", "events", "job watch"].map(str::to_owned));
    let known: BTreeSet<String> = OVER_API.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(all.tried, known);
    for worker in [direct_worker, served_worker] {
        worker.stop();
        worker.join().await;
    }
}

async fn looks(all: &mut Twins) {
    for (code, arguments) in [
        (0, &["queue", "ls"][..]),
        (0, &["queue", "ls", "--limit", "2"]),
        (0, &["queue", "show", "mail"]),
        (0, &["queue", "show", "pdf"]),
        (3, &["queue", "show", "none"]),
        (0, &["queue", "stats", "done"]),
        (3, &["queue", "stats", "none"]),
        (0, &["job", "ls", "mail"]),
        (0, &["job", "ls", "pdf"]),
        (0, &["job", "ls", "slow", "--state", "active"]),
        (0, &["job", "ls", "dead", "--state", "failed"]),
        (0, &["job", "ls", "mail", "--where", "data.to=eve"]),
        (0, &["job", "ls", "none"]),
        (0, &["job", "show", "mail", "w1"]),
        (0, &["job", "show", "dead", "boom1"]),
        (0, &["job", "show", "done", "good"]),
        (0, &["job", "show", "pdf", "root"]),
        (3, &["job", "show", "mail", "none"]),
        (3, &["job", "show", "none", "1"]),
        (0, &["job", "logs", "dead", "boom1"]),
        (3, &["job", "logs", "dead", "none"]),
        (0, &["flow", "show", "pdf", "root"]),
        (0, &["flow", "show", "web", "below"]),
        (3, &["flow", "show", "pdf", "none"]),
        (0, &["dead", "ls"]),
        (0, &["dead", "ls", "dead", "--class", "error", "--where", "data.shop=acme", "--limit", "2"]),
        (0, &["dead", "ls", "dead", "--error", "STAMPS", "--by", "error"]),
        (0, &["dead", "ls", "dead", "--by", "class"]),
        (0, &["dead", "show", "dead", "boom2"]),
        (5, &["dead", "show", "mail", "w1"]),
        (3, &["dead", "show", "dead", "none"]),
        (0, &["zombies", "ls", "ghosts"]),
        (3, &["zombies", "ls", "none"]),
        (0, &["worker", "ls", "--queue", "done"]),
        (3, &["worker", "ls", "--queue", "none"]),
        (0, &["history", "--queue", "mail"]),
        (0, &["history", "--queue", "mail", "--by", "day", "--since", "2d", "--org", "acme"]),
        (3, &["history", "--queue", "none"]),
    ] {
        all.like(code, arguments).await;
    }
}

async fn acts(all: &mut Twins) {
    for (code, arguments) in [
        (0, &["queue", "pause", "mail", "--reason", "a break"][..]),
        (0, &["queue", "pause", "mail"]),
        (0, &["queue", "resume", "mail"]),
        (3, &["queue", "pause", "none"]),
        (0, &["job", "add", "mail", "send", "--job-id", "new", "--data", "{\"n\":12345678901234567890}"]),
        (0, &["job", "add", "mail", "send", "--job-id", "new"]),
        (0, &["job", "add", "fresh", "x", "--dialect", "bullmq", "--job-id", "first", "--priority", "3"]),
        (2, &["job", "add", "mail", "x", "--opts", "{\"priority\": -1}"]),
        (7, &["job", "add", "fresh", "x", "--job-id", "second", "--wait", "--timeout", "300ms"]),
        (0, &["job", "retry", "dead", "boom1", "--reason", "mended", "--dry-run"]),
        (0, &["job", "retry", "dead", "boom1", "--reason", "mended"]),
        (5, &["job", "retry", "dead", "boom1"]),
        (5, &["job", "retry", "done", "good"]),
        (3, &["job", "retry", "dead", "none"]),
        (0, &["job", "retry", "dead", "--all-failed", "--limit", "2", "--yes"]),
        (2, &["job", "retry", "dead", "--all-failed"]),
        (0, &["job", "promote", "mail", "later"]),
        (5, &["job", "promote", "mail", "later"]),
        (0, &["job", "rm", "mail", "w1", "--reason", "not wanted"]),
        (3, &["job", "rm", "mail", "w1"]),
        (5, &["job", "rm", "slow", "s1"]),
        (0, &["job", "cancel", "mail", "w2", "--dry-run"]),
        (0, &["job", "cancel", "mail", "w2"]),
        (0, &["job", "cancel", "mail", "w2"]),
        (5, &["job", "kill", "done", "good"]),
        (3, &["job", "kill", "mail", "none"]),
        (0, &["job", "force-done", "mail", "w3", "--reason", "by hand"]),
        (0, &["job", "force-done", "mail", "w3", "--reason", "by hand"]),
        (5, &["job", "force-done", "done", "good", "--reason", "by hand"]),
        (2, &["job", "force-done", "mail", "w3"]),
        (3, &["job", "force-done", "mail", "none", "--reason", "by hand"]),
        (0, &["zombies", "requeue", "ghosts", "z1", "--dry-run"]),
        (0, &["zombies", "requeue", "ghosts", "z1", "--reason", "again"]),
        (5, &["zombies", "requeue", "ghosts", "z1"]),
        (0, &["zombies", "fail", "ghosts", "z2"]),
        (0, &["zombies", "force-done", "ghosts", "--all", "--yes", "--reason", "done by hand"]),
        (0, &["queue", "drain", "mail", "--dry-run"]),
        (2, &["queue", "drain", "mail", "--keep-delayed", "--yes"]),
        (0, &["queue", "drain", "mail", "--yes", "--reason", "old"]),
    ] {
        all.same(code, arguments).await;
    }
    for arguments in [&["job", "ls", "mail"][..], &["job", "ls", "ghosts"], &["job", "ls", "fresh"]] {
        all.like(0, arguments).await;
    }
}

async fn syncs(all: &mut Twins) {
    for (code, arguments) in [
        (
            0,
            &["sync", "start", "orders", "pull", "--id", "one", "--org", "acme", "--data", "{\"shop\":1}"][..],
        ),
        (0, &["sync", "start", "orders", "pull", "--id", "one", "--org", "acme"]),
        (0, &["sync", "start", "orders", "other", "--id", "two", "--key", "k-1"]),
        (0, &["sync", "start", "orders", "other", "--key", "k-1"]),
        (0, &["sync", "show", "orders", "one"]),
        (3, &["sync", "show", "orders", "none"]),
        (0, &["sync", "pause", "orders", "one", "--reason", "a sale"]),
        (0, &["sync", "pause", "orders", "one"]),
        (0, &["sync", "show", "orders", "one"]),
        (0, &["sync", "resume", "orders", "one"]),
        (0, &["sync", "resume", "orders", "one"]),
        (5, &["sync", "retry-items", "orders", "one"]),
        (3, &["sync", "retry-items", "orders", "none"]),
        (0, &["sync", "force-done", "orders", "one", "--reason", "by hand"]),
        (5, &["sync", "pause", "orders", "one"]),
        (5, &["sync", "resume", "orders", "one"]),
    ] {
        all.same(code, arguments).await;
    }
}

async fn schedules(all: &mut Twins) {
    for (code, arguments) in [
        (0, &["schedule", "add", "mail", "digest", "--cron", "0 7 * * *", "--tz", "Europe/Rome"][..]),
        (0, &["schedule", "add", "pdf", "nightly", "--cron", "0 3 * * *", "--data", "{\"full\":true}"]),
        (
            0,
            &["schedule", "add", "pdf", "nightly", "--cron", "0 4 * * *", "--name", "render", "--limit", "9"],
        ),
        (2, &["schedule", "add", "pdf", "nightly", "--cron", "never"]),
        (0, &["schedule", "ls", "pdf"]),
        (3, &["schedule", "ls", "none"]),
        (3, &["schedule", "run", "pdf", "none"]),
        (0, &["schedule", "rm", "pdf", "nightly", "--dry-run"]),
        (3, &["schedule", "rm", "pdf", "none"]),
    ] {
        all.same(code, arguments).await;
    }
    all.like(0, &["schedule", "ls"]).await;
    all.like(0, &["queue", "show", "pdf"]).await;
    let (direct, served) = all.both(&["schedule", "run", "pdf", "nightly"]).await;
    assert_eq!((direct.code, served.code), (0, 0), "{direct:?} {served:?}");
    all.same(0, &["schedule", "rm", "pdf", "nightly", "--reason", "no more"]).await;
}

async fn workers(all: &mut Twins) {
    let name = |listed: &Answer| {
        let lines = listed.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let ours = lines.into_iter().find(|worker| worker["kind"] == "bullock").unwrap();
        ours["name"].as_str().unwrap().to_owned()
    };
    let (direct, served) = all.both(&["worker", "ls"]).await;
    assert_eq!(direct.stdout.lines().count(), served.stdout.lines().count(), "{direct:?} {served:?}");
    let names = (name(&direct), name(&served));
    for act in ["quiet", "quiet", "resume"] {
        all.tried.insert(format!("worker {act}"));
        let direct = all.direct.run(&["worker", act, &names.0, "--json"]).await;
        let served = all.served.run(&["worker", act, &names.1, "--json"]).await;
        assert_eq!((direct.code, lines(&direct.stdout)), (served.code, lines(&served.stdout)), "{served:?}");
    }
    all.same(3, &["worker", "quiet", "nobody"]).await;
}

#[tokio::test]
async fn a_watch_and_the_events_of_a_server_tell_what_redis_tells() {
    let served = Served::start().await;
    // A server hears of a new queue within seconds; this one is there before anybody looks on.
    served.place.add(&["sync", "x", "--delay", "1h"]).await;
    let worker = super::watch::stepping_worker(&served.place, "sync").await;
    let url = served.url.clone();
    let told = tokio::spawn(async move {
        let arguments =
            ["events", "--queue", "sync", "--type", "job.*", "--limit", "3", "--api", &url, "-o", "ndjson"];
        super::cli(&arguments, &[("BULLOCK_TOKEN", "see-viewer")]).await
    });
    let answer = served.run_as("ops-operator", &["job", "add", "sync", "x", "--wait", "--json"]).await;
    assert_eq!(answer.code, 0, "{answer:?}");
    let job: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!((&job["state"], &job["returnvalue"]), (&json!("completed"), &json!({"synced": 100})));

    let added = served.run(&["job", "add", "sync", "x", "--opts", "{\"removeOnComplete\":true}"]).await;
    let watched = served.run(&["job", "watch", "sync", added.stdout.trim_end()]).await;
    let last: Value = serde_json::from_str(watched.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((watched.code, &last["status"]), (0, &json!("completed")), "{watched:?}");
    assert_eq!(last["returnvalue"], json!({"synced": 100}));
    assert!(watched.stdout.lines().any(|line| line.contains("\"processed\":50")), "{watched:?}");
    worker.stop();
    worker.join().await;

    let worker = failing_worker(&served.place, "bad").await;
    let failed = served.run(&["job", "add", "bad", "x", "--wait"]).await;
    assert_eq!(failed.code, 1, "{failed:?}");
    worker.stop();
    worker.join().await;
    let waits = served.run(&["job", "add", "idle", "x"]).await;
    let late = served.run(&["job", "watch", "idle", waits.stdout.trim_end(), "--timeout", "300ms"]).await;
    assert_eq!(late.code, 7, "{late:?}");
    let told = told.await.unwrap();
    let events: Vec<Value> = told.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((told.code, events.len()), (0, 3), "{told:?}");
    assert!(events.iter().all(|event| event["queue"] == "sync" && event["seq"].is_u64()), "{told:?}");
}

#[tokio::test]
async fn a_command_that_needs_redis_says_that_it_does_not_go_over_the_api() {
    let mut leaves = Vec::new();
    gather(&Cli::command(), "", &mut leaves);
    let known: BTreeSet<&str> = OVER_API.iter().chain(ALONE).copied().collect();
    assert!(known.iter().all(|name| leaves.iter().any(|leaf| leaf == name)), "{known:?}");
    let arguments: [(&str, &[&str]); 10] = [
        ("run", &[]),
        ("dev", &[]),
        ("demo", &[]),
        ("board", &[]),
        ("check", &[]),
        ("doctor", &[]),
        ("move", &["--from", "bull:a", "--to", "bull:b"]),
        ("bench", &["add", "--queue", "q"]),
        ("dead replay", &["q", "1", "--reason", "x"]),
        ("dead purge", &["q", "1", "--reason", "x"]),
    ];
    let not_over: BTreeSet<&str> =
        leaves.iter().map(String::as_str).filter(|leaf| !known.contains(leaf)).collect();
    assert_eq!(not_over, arguments.iter().map(|(name, _)| *name).collect());
    for (name, more) in arguments {
        let words: Vec<&str> = name.split(' ').chain(more.iter().copied()).collect();
        let flag = super::cli(&[&words[..], &["--api", "http://127.0.0.1:1"]].concat(), &[]).await;
        let variable = super::cli(&words, &[("BULLOCK_API", "http://127.0.0.1:1")]).await;
        for answer in [flag, variable] {
            assert_eq!(answer.code, 2, "{name}: {answer:?}");
            let error = super::one_error(&answer);
            assert!(error.starts_with("error: this does not go over the admin API"), "{name}: {error}");
        }
    }
    let alone = super::cli(&["completions", "bash"], &[("BULLOCK_API", "http://127.0.0.1:1")]).await;
    assert_eq!(alone.code, 0, "{alone:?}");
}

fn gather(command: &clap::Command, path: &str, leaves: &mut Vec<String>) {
    for below in command.get_subcommands() {
        let path = format!("{path} {}", below.get_name()).trim_start().to_owned();
        if below.has_subcommands() {
            gather(below, &path, leaves);
        } else {
            leaves.push(path);
        }
    }
}
