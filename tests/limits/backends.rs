//! HTTP backends and programs under limits, with the real binary.

use serde_json::{Value, json};

use crate::rig::{BOTH, Library, Rig};
use crate::support::bullock::Bullock;
use crate::support::node::Node;
use crate::support::wait;

/// A queue worked by `bullock run`, with a backend in Node.
struct Place {
    rig: Rig,
    worker: Bullock,
    backend: Node,
}

impl Place {
    /// `handler` is the lines of the handler's table; `URL` in it stands for the backend.
    async fn start(library: Library, handler: &str) -> Place {
        let rig = Rig::start(library).await;
        let mut backend = Node::start("backend.mjs", &[]);
        let port = backend.next().await["port"].as_u64().unwrap();
        let handler = handler.replace("URL", &format!("http://127.0.0.1:{port}"));
        let config = format!(
            "[redis]\nurl = \"{}\"\n[queues.q]\ndialect = \"{}\"\n[queues.q.handlers.\"*\"]\n{handler}",
            rig.redis.url(),
            rig.store.dialect().as_str(),
        );
        let worker = Bullock::run(&config).await;
        Place { rig, worker, backend }
    }

    async fn add(&mut self, opts: Value) -> String {
        self.rig.node.add("x", json!({}), opts).await
    }

    /// Waits until it has failed; its text and reason.
    async fn failed(&mut self, id: &str) -> (String, String) {
        wait::until(&format!("{id} to fail"), async || self.rig.score("failed", id).await).await;
        let text = self.rig.field(id, "failedReason").await.unwrap();
        (text, self.rig.record(id, "reason").await.unwrap())
    }

    async fn stop(self) {
        assert_eq!(self.worker.stop().await.code, Some(0));
        self.rig.node.close().await;
        self.backend.finish().await;
    }
}

#[tokio::test]
async fn a_backend_that_never_answers_sees_its_connection_closed_by_each_clock() {
    for library in BOTH {
        for (limit, opts, reason) in [
            ("run_limit = \"200ms\"", json!({}), "timeout"),
            ("no_progress = \"200ms\"", json!({}), "no_progress"),
            ("", json!({"timeout": 200}), "timeout"),
        ] {
            if limit.is_empty() && library != Library::Bull {
                continue; // BullMQ has no such option
            }
            let mut place = Place::start(library, &format!("http = \"URL/hangs\"\n{limit}\n")).await;
            let id = place.add(opts).await;
            place.backend.next_where("the request", |line| line["seen"] == "/hangs").await;
            place.backend.next_where("its end", |line| line["closed"] == "/hangs").await;
            assert_eq!(place.failed(&id).await.1, reason, "{library:?} {limit}");
            place.stop().await;
        }
    }
}

#[tokio::test]
async fn a_stream_that_moves_is_never_stopped_for_want_of_progress_but_a_run_limit_ends_it() {
    for library in BOTH {
        let limits = "no_progress = \"500ms\"\nrun_limit = \"2s\"\n";
        let mut place = Place::start(library, &format!("http = \"URL/moves\"\n{limits}")).await;
        let id = place.add(json!({})).await;
        let (text, reason) = place.failed(&id).await;
        assert_eq!(
            (text.as_str(), reason.as_str()),
            ("the run went on for longer than its limit of 2s", "timeout")
        );
        place.backend.next_where("its end", |line| line["closed"] == "/moves").await;
        place.stop().await;

        let mut place = Place::start(library, &format!("http = \"URL/silent\"\n{limits}")).await;
        let id = place.add(json!({})).await;
        assert_eq!(place.failed(&id).await, ("no progress for 500ms".into(), "no_progress".into()));
        place.backend.next_where("its end", |line| line["closed"] == "/silent").await;
        place.stop().await;
    }
}

#[tokio::test]
async fn progress_by_callbacks_counts_during_a_request_and_after_a_202() {
    for library in BOTH {
        for (route, result) in [("reports", "\"reported\""), ("detaches", "\"detached\"")] {
            // Ten callbacks, a tenth of a second apart: twice the limit in all, never half of it in silence.
            let handler = format!("http = \"URL/{route}\"\nno_progress = \"500ms\"\n");
            let mut place = Place::start(library, &handler).await;
            let id = place.add(json!({})).await;
            wait::until(&format!("{library:?} {route}"), async || {
                place.rig.score("completed", &id).await || place.rig.score("failed", &id).await
            })
            .await;
            assert_eq!(place.rig.field(&id, "failedReason").await, None, "{library:?} {route}");
            assert_eq!(place.rig.field(&id, "returnvalue").await.as_deref(), Some(result), "{library:?}");
            place.stop().await;
        }
    }
}

#[tokio::test]
async fn signs_of_life_alone_are_no_progress_and_the_backend_is_told_to_stop() {
    let mut place = Place::start(Library::Bull, "http = \"URL/beats\"\nno_progress = \"500ms\"\n").await;
    let id = place.add(json!({})).await;
    assert_eq!(place.failed(&id).await.1, "no_progress");
    let refused = place.backend.next_where("a refused callback", |line| line["told"] == "heartbeat").await;
    assert_eq!(refused["status"], 410);
    place.stop().await;
}

#[tokio::test]
async fn a_program_that_ignores_sigterm_does_not_keep_its_job_and_its_group_is_killed() {
    for library in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("pid");
        let script = format!("trap '' TERM; sleep 1000 & echo $! > {}; wait; sleep 1000", pid_file.display());
        let handler = format!("exec = [\"sh\", \"-c\", {}]\nrun_limit = \"200ms\"\n", json!(script));
        let mut place = Place::start(library, &handler).await;
        let id = place.add(json!({})).await;
        assert_eq!(place.failed(&id).await.1, "timeout", "{library:?}");
        let pid = std::fs::read_to_string(&pid_file).unwrap();
        let stat = format!("/proc/{}/stat", pid.trim());
        wait::until("the group to be gone", async || {
            std::fs::read_to_string(&stat)
                .map_or(true, |stat| stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z'))
        })
        .await;
        place.stop().await;
    }
}

#[tokio::test]
async fn a_program_that_tells_its_progress_is_never_stopped_for_want_of_it() {
    let script = r#"for i in 1 2 3 4 5 6 7 8 9 10; do echo "{\"progress\":$i}"; sleep 0.1; done; echo '{"result":"worked"}'"#;
    let handler = format!("exec = [\"sh\", \"-c\", {}]\nno_progress = \"600ms\"\n", json!(script));
    let mut place = Place::start(Library::Bull, &handler).await;
    let id = place.add(json!({})).await;
    assert_eq!(place.rig.node.finished(&id).await, Ok(json!("worked")));
    place.stop().await;
}
