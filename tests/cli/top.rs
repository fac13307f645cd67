//! `bullock top` on a real terminal.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::Place;
use super::support::bullock::BINARY;
use super::support::node::Node;
use super::support::wait;

/// A terminal that runs `bullock top`, and the pid of the program in it.
async fn top(place: &Place, more: &[&str]) -> (Node, i32) {
    let url = place.redis.url();
    let mut arguments = vec![BINARY, "top", "-r", &url, "--every", "500ms"];
    arguments.extend(more);
    let mut terminal = Node::start_python("terminal.py", &arguments);
    let pid = terminal.next().await["pid"].as_i64().unwrap();
    (terminal, i32::try_from(pid).unwrap())
}

/// Waits for a screen that `wanted` accepts.
async fn screen(terminal: &mut Node, what: &str, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
    let started = std::time::Instant::now();
    loop {
        terminal.send(&json!({"screen": true}));
        let shown = terminal.next_where("a screen", |value| value.get("screen").is_some()).await;
        let lines: Vec<String> = serde_json::from_value(shown["screen"].clone()).unwrap();
        if wanted(&lines) {
            return lines;
        }
        assert!(started.elapsed() < wait::DEADLINE, "waited for {what}: {lines:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn ended(terminal: &mut Node) -> Value {
    terminal.next_where("the end", |value| value.get("ended").is_some()).await
}

#[tokio::test]
async fn top_shows_the_queues_follows_them_sorts_by_a_key_and_gives_the_terminal_back() {
    let place = Place::start();
    place.add(&["mail", "welcome"]).await;
    place.add(&["reports", "page", "--dialect", "bullmq"]).await;
    place.add(&["reports", "page"]).await;
    place.ok(&["queue", "pause", "mail"]).await;
    let (mut terminal, _) = top(&place, &[]).await;
    let lines =
        screen(&mut terminal, "both queues", |lines| lines.iter().any(|line| line.starts_with("reports")))
            .await;
    assert!(lines[0].starts_with("bullock top  redis://127.0.0.1:"), "{lines:#?}");
    assert!(lines[1].starts_with("2 queues  3 waiting  0 active"), "{lines:#?}");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&lines[4])[..5], ["mail", "*", "1", "0", "0"], "{lines:#?}");
    assert_eq!(words(&lines[5])[..4], ["reports", "2", "0", "0"], "{lines:#?}");

    terminal.send(&json!({"keys": "w"}));
    screen(&mut terminal, "the longer line first", |lines| lines[4].starts_with("reports")).await;
    place.add(&["mail", "welcome"]).await;
    place.add(&["mail", "welcome"]).await;
    screen(&mut terminal, "the jobs that were added", |lines| {
        words(&lines[4]).starts_with(&["mail".into(), "*".into(), "3".into()])
    })
    .await;
    terminal.send(&json!({"keys": "q"}));
    assert_eq!(ended(&mut terminal).await, json!({"ended": 0, "alternate": false}));
}

#[tokio::test]
async fn top_keeps_the_last_figures_while_redis_is_away_and_leaves_the_terminal_clean_on_sigterm() {
    let mut place = Place::start();
    place.add(&["mail", "welcome"]).await;
    let (mut terminal, pid) = top(&place, &["--sort", "waiting"]).await;
    screen(&mut terminal, "the queue", |lines| lines[4].starts_with("mail")).await;
    place.redis.crash();
    let lines = screen(&mut terminal, "the reason", |lines| lines[1].starts_with("old: ")).await;
    assert!(lines[4].starts_with("mail"), "{lines:#?}");
    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    assert_eq!(ended(&mut terminal).await, json!({"ended": 0, "alternate": false}));
}

#[tokio::test]
async fn top_without_a_terminal_says_so_in_one_line() {
    let place = Place::start();
    let error = place.fails(2, &["top"]).await;
    assert!(error.starts_with("error: top needs a terminal. hint: "), "{error}");
}
