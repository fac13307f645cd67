use crate::site::{QUEUE, Site};
use crate::support::wait;

#[tokio::test]
async fn the_server_is_ready_only_once_every_queue_is_claimed_from() {
    let site = Site::start();
    site.readiness.lock().unwrap().queues[0].1 = false;
    let answer = site.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.body,
        "[+]redis ok\n[+]worker ok\n[-]queue woo:customers failed: not being claimed from\nreadyz check failed\n"
    );
    assert!(answer.header("content-type").unwrap().starts_with("text/plain"));
    site.readiness.lock().unwrap().queues[0].1 = true;
    let answer = site.get("/readyz").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
}

#[tokio::test]
async fn a_draining_server_is_alive_but_not_ready() {
    let site = Site::start();
    site.readiness.lock().unwrap().draining = true;
    let answer = site.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("[-]worker failed: draining\n"), "{}", answer.body);
    assert_eq!(site.get("/livez").await.status, 200);
}

#[tokio::test]
async fn verbose_probes_list_their_checks_as_kubernetes_does() {
    let site = Site::start();
    let ready = site.get("/readyz?verbose").await;
    let expected = format!("[+]redis ok\n[+]worker ok\n[+]queue {QUEUE} ok\nreadyz check passed\n");
    assert_eq!((ready.status, ready.body), (200, expected));
    let live = site.get("/livez?verbose=1").await;
    assert_eq!((live.status, live.body.as_str()), (200, "[+]ping ok\nlivez check passed\n"));
    assert_eq!(site.get("/healthz").await.body, "ok");
}

#[tokio::test]
async fn the_server_is_not_ready_while_redis_is_silent_and_is_again_when_it_answers() {
    let site = Site::start();
    assert_eq!(site.get("/readyz").await.status, 200);
    site.redis.freeze();
    let answer = site.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("[-]redis failed: no answer\n"), "{}", answer.body);
    assert!(!answer.body.contains("127.0.0.1"), "a probe tells no addresses");
    assert_eq!(site.get("/livez").await.status, 200);
    site.redis.thaw();
    wait::until("readiness", async || site.get("/readyz").await.status == 200).await;
}

#[tokio::test]
async fn the_server_is_ready_again_after_redis_was_restarted() {
    let mut site = Site::start();
    assert_eq!(site.get("/readyz").await.status, 200);
    site.redis.crash_and_restart();
    wait::until("readiness", async || site.get("/readyz").await.status == 200).await;
}
