//! `bullock job cancel|kill` with the real binary on both sides.

use std::time::Instant;

use serde_json::{Value, json};

use crate::rig::{BOTH, Library, Rig, TEXT};
use crate::running::rounds;
use crate::support::bullock::{Answer, Bullock, cli};
use crate::support::wait;

/// A queue, a `bullock run` that works it, and commands.
pub(crate) struct Place {
    pub rig: Rig,
    worker: Bullock,
}

pub(crate) fn cancel_args(id: &str) -> Vec<&str> {
    vec!["job", "cancel", "q", id, "--reason", "wrong store", "-o", "table"]
}

impl Place {
    /// `handler` and `worker` are lines of their tables in the config.
    pub(crate) async fn start(library: Library, handler: &str, worker: &str) -> Place {
        let rig = Rig::start(library).await;
        // A renewal is far away: what is found soon was heard of.
        let config = format!(
            "[redis]\nurl = \"{}\"\n[worker]\nlease = \"5m\"\nrenew = \"90s\"\n{worker}[queues.q]\ndialect = \"{}\"\n\
             [queues.q.handlers.\"*\"]\n{handler}",
            rig.redis.url(),
            rig.store.dialect().as_str(),
        );
        let worker = Bullock::run(&config).await;
        Place { rig, worker }
    }

    pub(crate) async fn add(&mut self, data: Value, opts: Value) -> String {
        self.rig.node.add("x", data, opts).await
    }

    /// Runs `bullock <arguments>` as kim.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Answer {
        cli(arguments, &[("BULLOCK_REDIS_URL", &self.rig.redis.url()), ("USER", "kim")]).await
    }

    /// What a command prints that must succeed.
    pub(crate) async fn cancel(&self, arguments: &[&str]) -> String {
        let answer = self.run(arguments).await;
        assert_eq!(answer.code, 0, "{answer:?}\n{}", self.worker.logs());
        answer.stdout
    }

    pub(crate) async fn cancel_by_store(&self, id: &str) {
        self.rig.cancel(id).await;
    }

    pub(crate) async fn ends_cancelled(&mut self, id: &str) {
        self.rig.ends_cancelled(id).await;
    }

    pub(crate) async fn record(&mut self, id: &str, field: &str) -> Option<String> {
        self.rig.record(id, field).await
    }

    pub(crate) async fn stop(self) {
        assert_eq!(self.worker.stop().await.code, Some(0));
        self.rig.node.close().await;
    }
}

#[tokio::test]
async fn the_command_says_what_it_did_to_each_job_and_show_and_ls_say_cancelled() {
    for library in BOTH {
        let handler = "exec = [\"sh\", \"-c\", \"sleep 1000\"]\n";
        let mut place = Place::start(library, handler, "").await;
        let running = place.add(json!({}), json!({})).await;
        wait::until("the job to run", async || place.rig.store.counts().await.unwrap().0.active == 1).await;
        let waiting = place.add(json!({}), json!({"delay": 3_600_000})).await;
        let both = ["job", "cancel", "q", &running, &waiting, "--reason", "wrong store", "-o", "table"];

        let mut dry = both.to_vec();
        dry.push("--dry-run");
        let said = place.cancel(&dry).await;
        assert_eq!(said, format!("job {running} would be told to stop\njob {waiting} would be cancelled\n"));
        assert!(place.rig.audit().await.is_empty());

        let said = place.cancel(&both).await;
        assert_eq!(said, format!("job {running} is told to stop\njob {waiting} is cancelled\n"));
        place.ends_cancelled(&running).await;
        place.ends_cancelled(&waiting).await;
        let said = place.cancel(&both).await;
        assert_eq!(said, format!("job {running} was cancelled before\njob {waiting} was cancelled before\n"));

        for id in [&running, &waiting] {
            let show: Value =
                serde_json::from_str(&place.cancel(&["job", "show", "q", id, "--json"]).await).unwrap();
            assert_eq!(
                (&show["status"], &show["reason"]),
                (&json!("cancelled"), &json!("cancelled")),
                "{library:?}"
            );
            assert_eq!(show["failedReason"], TEXT);
        }
        let ls: Value = serde_json::from_str(&place.cancel(&["job", "ls", "q", "--json"]).await).unwrap();
        assert!(ls.as_array().unwrap().iter().all(|job| job["status"] == "cancelled"), "{ls}");
        let entry = &place.rig.audit().await[0];
        assert_eq!((entry[4].as_str(), entry[6].as_str()), ("kim", "wrong store"));
        assert!(entry[5].starts_with("cli@") && entry[5].len() > 4, "{entry:?}");
        place.stop().await;
    }
}

#[tokio::test]
async fn jobs_that_cannot_be_cancelled_are_named_with_their_state_and_the_others_are_served() {
    let mut place = Place::start(Library::Bull, "exec = [\"true\"]\n", "").await;
    let done = place.add(json!({}), json!({})).await;
    place.rig.node.finished(&done).await.unwrap();
    let waiting = place.add(json!({}), json!({"delay": 3_600_000})).await;
    let answer = place.run(&["job", "cancel", "q", &done, "nobody", &waiting, "--json"]).await;
    assert_eq!(answer.code, 5, "{answer:?}");
    let rows: Value = serde_json::from_str(&answer.stdout).unwrap();
    let told = |row: usize| {
        (rows[row]["done"].as_bool().unwrap(), rows[row]["what"].as_str().unwrap_or("").to_owned())
    };
    assert_eq!(
        [told(0), told(1), told(2)],
        [(false, String::new()), (false, String::new()), (true, "cancelled".into())]
    );
    let lines: Vec<&str> = answer.stderr.lines().collect();
    assert_eq!(lines[0], format!("error: cannot cancel (q): job {done} is completed; it has ended already"));
    assert_eq!(lines[1], "error: cannot cancel (q): there is no job nobody");
    let without = place.run(&["job", "kill", "q"]).await;
    assert_eq!(without.code, 2, "{without:?}");
    place.stop().await;
}

/// Prints how long a cancel takes from the start of the command, a process of its own, to the end of the job.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_by_the_command_ends_the_job_soon() {
    let mut place = Place::start(Library::Bull, "exec = [\"sh\", \"-c\", \"exec sleep 1000\"]\n", "").await;
    let mut took = Vec::new();
    for _ in 0..rounds() {
        let id = place.add(json!({}), json!({})).await;
        wait::until("the job to run", async || place.rig.store.counts().await.unwrap().0.active == 1).await;
        let asked = Instant::now();
        place.cancel(&cancel_args(&id)).await;
        place.ends_cancelled(&id).await;
        took.push(asked.elapsed());
    }
    took.sort();
    println!(
        "command to failed, {} rounds: p50 {:?}, p99 {:?}",
        took.len(),
        took[took.len() / 2],
        took[took.len() * 99 / 100]
    );
    place.stop().await;
}
