//! What backends and programs see of a cancel.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::command::{Place, cancel_args};
use crate::rig::{BOTH, Library};
use crate::running::rounds;
use crate::support::node::Node;
use crate::support::wait;

/// A backend in Node, and the URL of it.
async fn backend() -> (Node, String) {
    let mut node = Node::start("backend.mjs", &[]);
    let port = node.next().await["port"].as_u64().unwrap();
    (node, format!("http://127.0.0.1:{port}"))
}

#[tokio::test]
async fn a_backend_sees_its_connection_closed_and_is_told_which_run_and_why_in_a_signed_note() {
    for library in BOTH {
        let (mut node, url) = backend().await;
        let handler = format!(
            "http = \"{url}/hangs\"\ncancel_url = \"{url}/cancel\"\nsecret = \"a-secret-of-more-than-24-bytes\"\n"
        );
        let mut place = Place::start(library, &handler, "").await;
        let id = place.add(json!({"store": 7}), json!({"attempts": 9})).await;
        let asked = node.next_where("the job", |line| line["seen"] == "/hangs").await;
        assert_eq!(place.cancel(&cancel_args(&id)).await, format!("job {id} is told to stop\n"));
        // The two come in any order.
        let (mut closed, mut stop_note) = (false, Value::Null);
        while !closed || stop_note.is_null() {
            let line = node.next().await;
            closed |= line["closed"] == "/hangs" && line["id"] == id.as_str();
            if line["seen"] == "/cancel" {
                stop_note = line;
            }
        }
        let body: Value = serde_json::from_str(stop_note["body"].as_str().unwrap()).unwrap();
        let fence: u64 = asked["headers"]["job-fence"].as_str().unwrap().parse().unwrap();
        assert_eq!(
            body,
            json!({"queue": "q", "id": id, "name": "x", "attempt": 1, "fence": fence, "why": "cancelled", "by": "kim",
                "reason": "wrong store"})
        );
        assert_eq!(
            stop_note["headers"]["job-token"], asked["headers"]["job-token"],
            "{library:?}: the same run"
        );
        assert!(stop_note["headers"]["webhook-signature"].as_str().unwrap().starts_with("v1,"));
        assert_ne!(
            stop_note["headers"]["webhook-id"], asked["headers"]["webhook-id"],
            "it is no repetition of the job"
        );
        place.ends_cancelled(&id).await;
        place.stop().await;
        node.finish().await;
    }
}

#[tokio::test]
async fn a_stream_that_is_cancelled_ends_as_cancelled_and_keeps_its_progress() {
    let (mut node, url) = backend().await;
    let mut place = Place::start(Library::Bull, &format!("http = \"{url}/moves\"\n"), "").await;
    let id = place.add(json!({}), json!({})).await;
    node.next_where("the job", |line| line["seen"] == "/moves").await;
    place.cancel(&cancel_args(&id)).await;
    node.next_where("the end of the stream", |line| line["closed"] == "/moves").await;
    place.ends_cancelled(&id).await;
    place.stop().await;
    node.finish().await;
}

fn alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

async fn pid_in(file: &Path) -> String {
    wait::value("the program to start", async || {
        std::fs::read_to_string(file).ok().filter(|pid| pid.ends_with('\n')).map(|pid| pid.trim().to_owned())
    })
    .await
}

#[tokio::test]
async fn a_program_is_asked_by_sigterm_and_may_leave_a_checkpoint() {
    for library in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("pid");
        let script = format!(
            r#"trap 'echo "{{\"checkpoint\":{{\"page\":9}}}}"; exit 0' TERM; echo $$ > {}; while :; do sleep 0.05; done"#,
            pid_file.display()
        );
        let handler = format!("exec = [\"sh\", \"-c\", {}]\n", json!(script));
        let mut place = Place::start(library, &handler, "").await;
        let id = place.add(json!({}), json!({"attempts": 9})).await;
        let pid = pid_in(&pid_file).await;
        place.cancel(&cancel_args(&id)).await;
        place.ends_cancelled(&id).await;
        assert!(!alive(&pid), "{library:?}: it ended before its job did");
        assert_eq!(place.record(&id, "checkpoint").await.as_deref(), Some(r#"{"page":9}"#), "{library:?}");
        place.stop().await;
    }
}

#[tokio::test]
async fn a_program_that_ignores_sigterm_is_killed_after_the_grace_and_by_a_kill_at_once() {
    for kill in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("pid");
        let script = format!("trap '' TERM; sleep 1000 & echo $! > {}; wait; sleep 1000", pid_file.display());
        let handler = format!("exec = [\"sh\", \"-c\", {}]\n", json!(script));
        // Were the grace waited for, this test would not end.
        let worker = format!("cancel_grace = \"{}\"\n", if kill { "1h" } else { "300ms" });
        let mut place = Place::start(Library::Bull, &handler, &worker).await;
        let id = place.add(json!({}), json!({"attempts": 9})).await;
        let grandchild = pid_in(&pid_file).await;
        let mut args = cancel_args(&id);
        if kill {
            args[1] = "kill";
        }
        place.cancel(&args).await;
        place.ends_cancelled(&id).await;
        wait::until("the whole group to be gone", async || !alive(&grandchild)).await;
        place.stop().await;
    }
}

/// Prints how long a cancel takes from its call to the moment in which a Node backend sees its connection closed. The
/// clock is that of this machine, on both sides of a pipe.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_reaches_a_backend_soon() {
    for library in BOTH {
        let (mut node, url) = backend().await;
        let mut place = Place::start(library, &format!("http = \"{url}/hangs\"\n"), "").await;
        let mut took = Vec::new();
        for _ in 0..rounds() {
            let id = place.add(json!({}), json!({})).await;
            node.next_where("the job", |line| line["seen"] == "/hangs" && line["id"] == id.as_str()).await;
            let asked = Instant::now();
            place.cancel_by_store(&id).await;
            node.next_where("the end", |line| line["closed"] == "/hangs" && line["id"] == id.as_str()).await;
            took.push(asked.elapsed());
        }
        took.sort();
        let (half, most) = (took[took.len() / 2], took[took.len() * 99 / 100]);
        println!(
            "{library:?}: cancel to closed connection, {} rounds: p50 {half:?}, p99 {most:?}",
            took.len()
        );
        assert!(half < Duration::from_secs(2), "{library:?}: {half:?}");
        place.stop().await;
        node.finish().await;
    }
}
