//! `bullock sync …`, as a person types it.

use serde_json::{Value, json};

use crate::shop::{BOTH, Ground, QUEUE, Shop};
use crate::support::bullock::{Answer, cli};

async fn run(ground: &Ground, arguments: &[&str]) -> Answer {
    let url = ground.redis.url();
    let all: Vec<&str> = [&["sync"], arguments, &["-r", &url]].concat();
    cli(&all, &[("USER", "kim"), ("TZ", "UTC")]).await
}

async fn says(ground: &Ground, arguments: &[&str]) -> String {
    let answer = run(ground, arguments).await;
    assert_eq!(answer.code, 0, "{arguments:?}: {}", answer.stderr);
    answer.stdout
}

async fn json_of(ground: &Ground, arguments: &[&str]) -> Value {
    serde_json::from_str(&says(ground, &[arguments, &["-o", "json"]].concat()).await).unwrap()
}

#[tokio::test]
async fn a_sync_is_started_watched_paused_resumed_and_its_failed_items_retried() {
    for dialect in BOTH {
        let word = dialect.as_str();
        let (shop, ground) = (Shop::new(20, 10).failing([(3, 3)]), Ground::start(dialect).await);
        let start = ["start", QUEUE, "sync", "--id", "s", "--key", "k", "--org", "acme", "--dialect", word];
        let table = [&start[..], &["-o", "table"]].concat();
        assert_eq!(says(&ground, &table).await, "created sync s\n");
        assert_eq!(says(&ground, &table).await, "existing sync s: waiting\n");
        let pause = ["pause", QUEUE, "s", "--reason", "the shop is closed", "-o", "table"];
        assert_eq!(says(&ground, &pause).await, "sync s is paused; it was waiting\n");
        assert_eq!(says(&ground, &pause).await, "sync s was paused before\n");
        let page = says(&ground, &["show", QUEUE, "s", "-o", "table"]).await;
        assert!(page.contains("status     paused\n") && page.contains("the shop is closed"), "{page}");
        assert_eq!(json_of(&ground, &["show", QUEUE, "s"]).await["paused"]["by"], "kim");
        assert_eq!(json_of(&ground, &start).await["started"], "resumed");

        let mut options = shop.options();
        options.item_backoff = bullock::sync::ItemBackoff::Fixed(std::time::Duration::from_millis(5));
        let worker = ground.work(options).await;
        ground.ended("s").await;
        let page = says(&ground, &["show", QUEUE, "s", "-o", "table"]).await;
        assert!(page.contains("100%  20/20"), "{page}");
        assert!(page.contains("failed items\n  3  3 tries  E42 3 is refused\n"), "{page}");
        let shown = json_of(&ground, &["show", QUEUE, "s"]).await;
        assert_eq!(
            (&shown["plan"]["successful"], &shown["items"]["failed"][0]["id"], &shown["status"]),
            (&json!(19), &json!("3"), &json!("partial"))
        );
        let acts: Vec<&str> =
            shown["audit"].as_array().unwrap().iter().map(|act| act["what"].as_str().unwrap()).collect();
        assert!(acts.ends_with(&["sync.resume", "sync.pause", "sync.start"]), "{acts:?}");

        let refused = run(&ground, &["resume", QUEUE, "s"]).await;
        assert_eq!(
            (refused.code, refused.stderr.contains("retry-items shop s")),
            (5, true),
            "{}",
            refused.stderr
        );
        let retry = ["retry-items", QUEUE, "s", "3", "--reason", "mended", "-o", "table"];
        assert_eq!(says(&ground, &retry).await, "1 items of sync s are pushed again; it was completed\n");
        crate::support::wait::until("the end", async || {
            json_of(&ground, &["show", QUEUE, "s"]).await["status"] == "completed"
        })
        .await;
        let refused = run(&ground, &retry).await;
        assert_eq!(refused.code, 5, "{}", refused.stderr);
        assert_eq!(run(&ground, &["show", QUEUE, "no-such"]).await.code, 3);
        worker.stop();
        worker.join().await;
    }
}

#[tokio::test]
async fn force_done_wants_a_reason() {
    let ground = Ground::start(BOTH[0]).await;
    ground.add("s", &json!({})).await;
    assert_eq!(run(&ground, &["force-done", QUEUE, "s"]).await.code, 2);
    let forced = json_of(&ground, &["force-done", QUEUE, "s", "--reason", "by hand"]).await;
    assert_eq!((&forced["state"], &forced["by"]), (&json!("completed"), &json!("kim")));
}
