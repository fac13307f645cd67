//! Syncs: started once, found by organisation, looked at item by item, paused and gone on with.

use bullock::admin::Role;
use bullock::store::Store;
use bullock::store::finish::Verdict;
use bullock::store::sync::SyncCommit;
use serde_json::{Value, json};

use crate::site::{Site, claim, complete_next, fail_next, run_token, token};

/// Starts a sync of an organisation; the answer's status, its word, and the sync.
async fn start(site: &Site, org: &str, key: Option<&str>, body: Value) -> (u16, String, Value) {
    let headers: Vec<(&str, &str)> = key.map(|key| ("idempotency-key", key)).into_iter().collect();
    let path = format!("/orgs/{org}/syncs");
    let answer = site.send_with("operator", "POST", &path, &headers, Some(&body.to_string())).await;
    let body = answer.json();
    let word = body["started"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned();
    let place = answer.header("location").unwrap();
    let id = body["sync"]["id"].as_str().unwrap();
    assert!(place.starts_with(&format!("/api/v1{path}/")) && place.ends_with(id), "{place}");
    (answer.status, word, body["sync"].clone())
}

/// Commits one batch of a sync that is held under `token`: four items pushed, one failed, one waiting, one passed over.
pub async fn commit(store: &Store, id: &str, token: &str) {
    let plan = r#"{"commits":1,"cursor":{"page":2},"exhausted":false,"pages":1,"batches":1,"retry_batches":0,"pending":[],"batch_size":null,"total":10,"started_at":1795320817000,"processed":3,"successful":1,"failed":1,"skipped":1,"retrying":1,"duplicates":0}"#;
    let seen = ["a", "b", "c", "d"].map(str::to_owned);
    let commit = SyncCommit {
        id,
        token,
        number: 1,
        plan,
        progress: Some(
            r#"{"total":10,"processed":3,"rate":2.5,"eta_s":3,"batches":3,"progress":30,"metadata":{"pages":1}}"#,
        ),
        changed: r#"{"plan":{"commits":1,"processed":3},"items":{"b":"failed"}}"#,
        items_max: 100,
        end: None,
        history: std::time::Duration::ZERO,
        seen: &seen,
        items: &[
            (
                "b",
                "failed",
                r#"{"state":"failed","tries":3,"code":"422","message":"no e-mail","item":{"id":"b","secret":1}}"#,
                0,
            ),
            ("c", "retrying", r#"{"state":"retrying","tries":1,"code":"503","item":{"id":"c"}}"#, 5000),
            ("d", "skipped", r#"{"state":"skipped","tries":0,"message":"is there"}"#, 0),
        ],
    };
    assert_eq!(store.commit(&commit).await.unwrap().0, Verdict::Done);
}

fn actions(sync: &Value) -> Vec<&str> {
    sync["allowedActions"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_start_creates_finds_or_resumes_and_always_answers_with_the_live_sync() {
    let site = Site::start().with_jobs().await;
    for (queue, handle) in [("shop", &site.shop), ("pdf", &site.pdf)] {
        complete_next(handle.store(), "1").await;
        let body = json!({"queue": queue, "name": "import", "data": {"shop": "acme"}, "reason": "first"});
        let (status, word, sync) = start(&site, "acme", Some("k1"), body.clone()).await;
        assert_eq!((status, word.as_str()), (201, "created"));
        assert_eq!((&sync["org"], &sync["status"]), (&json!("acme"), &json!("queued")), "{sync}");
        let id = sync["id"].as_str().unwrap().to_owned();
        assert_eq!(claim(handle.store(), &run_token(1)).await, id);
        let (status, word, sync) = start(&site, "acme", Some("k1"), body.clone()).await;
        assert_eq!((status, word.as_str(), sync["id"].as_str()), (200, "existing", Some(id.as_str())));
        assert_eq!((&sync["status"], &sync["worker"]), (&json!("running"), &json!("w-1")), "{sync}");
        // Another key, the same kind and organisation; and the same key of another organisation.
        let (status, _, sync) = start(&site, "acme", Some("k2"), body.clone()).await;
        assert_eq!((status, sync["id"].as_str()), (200, Some(id.as_str())));
        let (status, _, other) = start(&site, "beta", Some("k1"), body.clone()).await;
        assert_eq!(status, 201);
        assert_ne!(other["id"].as_str(), Some(id.as_str()));

        let path = format!("/orgs/acme/syncs/{queue}/{id}");
        let paused = site.ask("POST", &format!("{path}/pause"), json!({"reason": "shop is down"})).await;
        assert_eq!((paused.status, &paused.json()["outcome"]), (200, &json!("pausing")), "{paused:?}");
        let shown = site.get(&path).await;
        assert_eq!((&shown["status"], &shown["state"]), (&json!("paused"), &json!("active")));
        assert_eq!(
            (&shown["paused"]["why"], &shown["paused"]["by"]),
            (&json!("shop is down"), &json!("admin"))
        );
        assert!(actions(&shown).contains(&"resume") && !actions(&shown).contains(&"pause"), "{shown}");
        let (status, word, _) = start(&site, "acme", Some("k1"), body.clone()).await;
        assert_eq!((status, word.as_str()), (202, "resumed"));
        assert_eq!(site.get(&path).await["paused"], Value::Null);
        let acts: Vec<String> = site.get(&format!("{path}/timeline")).await["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| format!("{} {}", entry["what"].as_str().unwrap(), entry["by"].as_str().unwrap()))
            .collect();
        assert_eq!(acts, ["sync.resume operator", "sync.pause admin", "sync.start operator"]);
    }
}

#[tokio::test]
async fn bad_starts_are_refused_before_anything_is_written() {
    let site = Site::start().with_jobs().await;
    site.shop.add("import", &json!({}), json!({"jobId": "plain"})).await.unwrap();
    let (_, _, foreign) = start(&site, "beta", None, json!({"queue": "shop", "name": "x"})).await;
    let dump = site.dump().await;
    for (body, status) in [
        (json!({"name": "x"}), 400),
        (json!({"queue": "shop"}), 400),
        (json!({"queue": "shop", "name": " "}), 400),
        (json!({"queue": "", "name": "x"}), 400),
        (json!({"queue": "shop", "name": "x", "keyHoldsSeconds": 0}), 400),
        (json!({"queue": "shop", "name": "x", "opts": {"attempts": "three"}}), 400),
        (json!({"queue": "shop", "name": "x", "reason": "r".repeat(1025)}), 400),
        (json!({"queue": "shop", "name": "x", "org": "acme"}), 400),
        (json!({"queue": "shop", "name": "x", "opts": {"jobId": foreign["id"]}}), 409),
        (json!({"queue": "shop", "name": "x", "opts": {"jobId": "plain"}}), 409),
    ] {
        site.ask("POST", "/orgs/acme/syncs", body.clone()).await.refused(status);
    }
    let fine = json!({"queue": "shop", "name": "x"}).to_string();
    site.send("viewer", "POST", "/orgs/acme/syncs", Some(&fine)).await.refused(403);
    site.send("elsewhere", "POST", "/orgs/acme/syncs", Some(&fine)).await.refused(403);
    site.send("admin", "POST", "/orgs/a%3Ab/syncs", Some(&fine)).await.refused(400);
    let long = "k".repeat(257);
    for key in ["", long.as_str()] {
        let headers = [("idempotency-key", key)];
        site.send_with("admin", "POST", "/orgs/acme/syncs", &headers, Some(&fine)).await.refused(400);
    }
    assert_eq!(site.dump().await, dump, "nothing was written");
}

#[tokio::test]
async fn the_list_goes_over_all_queues_page_by_page_and_filters() {
    let site = Site::start().with_jobs().await;
    let mut started = Vec::new();
    for n in 0..5 {
        for queue in ["shop", "pdf"] {
            let body = json!({"queue": queue, "name": format!("kind-{n}")});
            let (_, _, sync) = start(&site, if n < 4 { "acme" } else { "beta" }, None, body).await;
            started.push(sync["id"].as_str().unwrap().to_owned());
        }
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = site.get(&format!("/syncs?limit=3{cursor}")).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        seen.extend(items.iter().map(|sync| sync["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    seen.sort();
    started.sort();
    assert_eq!(seen, started, "each once");
    let ids = async |path: &str| site.get(path).await["items"].as_array().unwrap().len();
    assert_eq!(ids("/orgs/acme/syncs").await, 8);
    assert_eq!(ids("/orgs/beta/syncs?queue=pdf").await, 1);
    assert_eq!(ids("/orgs/nobody/syncs").await, 0);
    assert_eq!(ids("/syncs?name=kind-2").await, 2);
    assert_eq!(ids("/syncs?status=running,failed").await, 0);
    assert_eq!(ids("/syncs?status=queued&queue=shop").await, 5);
    // A sync that a producer has added by itself is known from its first commit on.
    site.shop.add("import", &json!({}), json!({"jobId": "own", "lifo": true})).await.unwrap();
    let token = run_token(7);
    assert_eq!(claim(site.shop.store(), &token).await, "own");
    assert_eq!(ids("/syncs").await, 10);
    commit(site.shop.store(), "own", &token).await;
    let first = &site.get("/syncs?limit=1").await["items"][0];
    assert_eq!((first["id"].as_str(), &first["org"]), (Some("own"), &Value::Null));
}

#[tokio::test]
async fn one_sync_is_shown_with_its_plan_its_counters_its_items_and_what_changed() {
    let site = Site::start().with_jobs().await;
    for (queue, handle) in [("shop", &site.shop), ("pdf", &site.pdf)] {
        complete_next(handle.store(), "1").await;
        let body = json!({"queue": queue, "name": "import", "data": {"shop": "acme", "password": "p"}});
        let (_, _, sync) = start(&site, "acme", None, body).await;
        let id = sync["id"].as_str().unwrap();
        let token = run_token(1);
        assert_eq!(claim(handle.store(), &token).await, id);
        commit(handle.store(), id, &token).await;
        let path = format!("/syncs/{queue}/{id}");
        let page = site.get(&path).await;
        for (name, value) in [
            ("total", json!(10)),
            ("processed", json!(3)),
            ("successful", json!(1)),
            ("failed", json!(1)),
            ("skipped", json!(1)),
            ("retrying", json!(1)),
            ("percent", json!(30.0)),
            ("rate", json!(2.5)),
            ("etaSeconds", json!(3.0)),
            ("batch", json!(1)),
            ("batches", json!(3)),
            ("startedAt", json!(1_795_320_817_000_u64)),
            ("status", json!("running")),
            ("itemsTruncated", json!(false)),
        ] {
            assert_eq!(page[name], value, "{name}: {page:#}");
        }
        assert_eq!(page["plan"]["cursor"], json!({"page": 2}));
        let failed =
            json!([{"id": "b", "state": "failed", "tries": 3, "code": "422", "message": "no e-mail"}]);
        assert_eq!(page["items"]["failed"], failed);
        assert_eq!(page["items"]["retrying"][0]["code"], "503");
        assert_eq!(page["items"]["skipped"][0]["message"], "is there");
        assert!(!page.to_string().contains("secret"), "items themselves are not shown");
        let newest = &page["timeline"][0];
        assert_eq!(
            (newest["what"].as_str(), &newest["changed"]["items"]["b"]),
            (Some("commit"), &json!("failed"))
        );
        let items = site.get(&format!("{path}/items?state=failed")).await;
        assert_eq!((&items["items"], &items["next"]), (&failed, &Value::Null));
        let first = site.get(&format!("{path}/timeline?limit=1")).await;
        let next = first["next"].as_str().unwrap();
        let second = site.get(&format!("{path}/timeline?limit=1&cursor={next}")).await;
        assert_eq!(second["items"][0]["what"], "sync.start");
        site.send("viewer", "GET", &format!("{path}/timeline?cursor=WyI9Il0"), None).await.refused(400);
    }
}

#[tokio::test]
async fn acts_answer_what_they_did_and_refusals_what_may_be_done() {
    let site = Site::start().with_jobs().await;
    for (queue, handle) in [("shop", &site.shop), ("pdf", &site.pdf)] {
        complete_next(handle.store(), "1").await;
        let body = json!({"queue": queue, "name": "import"});
        let (_, _, sync) = start(&site, "acme", None, body).await;
        let path = format!("/orgs/acme/syncs/{queue}/{}", sync["id"].as_str().unwrap());
        let act = async |act: &str, body: Value| site.ask("POST", &format!("{path}/{act}"), body).await;
        let outcome = async |name: &str, body: Value| {
            let answer = act(name, body).await;
            assert!(answer.status < 300, "{answer:?}");
            answer.json()["outcome"].as_str().unwrap().to_owned()
        };
        assert_eq!(outcome("pause", json!({})).await, "paused");
        assert_eq!(outcome("pause", json!({})).await, "paused-before");
        assert_eq!(outcome("resume", json!({})).await, "resumed");
        assert_eq!(outcome("resume", json!({})).await, "not-paused");
        let refusal = act("retry-items", json!({})).await;
        assert!(refusal.refused(409).1.contains("needs a sync that has pushed something"), "{refusal:?}");
        assert_eq!(refusal.json()["allowedActions"], json!(["pause", "cancel", "force-done"]));

        let token = run_token(1);
        let id = claim(handle.store(), &token).await;
        commit(handle.store(), &id, &token).await;
        assert_eq!(outcome("cancel", json!({"reason": "enough"})).await, "told");
        handle.store().force_done(&bullock::store::actor::Actor::default(), &id).await.unwrap();
        act("pause", json!({})).await.refused(409);
        let completed = act("resume", json!({})).await;
        assert!(completed.refused(409).1.contains("retry-items"), "{completed:?}");
        act("retry-items", json!({"items": ["a", "nobody"]})).await.refused(409);
        let retried = act("retry-items", json!({"items": ["b"], "reason": "mended"})).await;
        assert_eq!((retried.status, &retried.json()["items"]), (200, &json!(1)), "{retried:?}");
        act("force-done", json!({})).await.refused(400);
        assert_eq!(outcome("force-done", json!({"reason": "by hand"})).await, "forced");
        site.ask("POST", &format!("/syncs/{queue}/nobody/pause"), json!({})).await.refused(404);
    }
}

#[tokio::test]
async fn a_token_of_one_organisation_reaches_its_syncs_and_nothing_else() {
    let site = Site::start_with(|options| {
        let bound = |name: &str, org: &str| {
            let mut token = token(name, Role::Admin, &["*"]);
            token.orgs = vec![org.to_owned()];
            token
        };
        options.tokens.extend([bound("acme-only", "acme"), bound("shops", "shop-*")]);
    })
    .with_jobs()
    .await;
    let (_, _, own) = start(&site, "acme", None, json!({"queue": "shop", "name": "import"})).await;
    let (_, _, other) = start(&site, "beta", None, json!({"queue": "shop", "name": "import"})).await;
    fail_next(site.shop.store(), "no").await;
    let (own, other) = (own["id"].as_str().unwrap(), other["id"].as_str().unwrap());
    let send = async |method: &str, path: &str| site.send("acme-only", method, path, None).await;
    for path in [format!("/orgs/acme/syncs/shop/{own}"), format!("/syncs/shop/{own}/items")] {
        assert_eq!(send("GET", &path).await.status, 200, "{path}");
    }
    let listed = send("GET", "/orgs/acme/syncs").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    let nobody = send("GET", "/orgs/acme/syncs/shop/nobody").await.refused(404);
    for path in [
        format!("/orgs/acme/syncs/shop/{other}"),
        format!("/syncs/shop/{other}"),
        format!("/syncs/shop/{other}/timeline"),
        // A job that is no organisation's.
        "/syncs/shop/first".to_owned(),
    ] {
        assert_eq!(send("GET", &path).await.refused(404), nobody, "{path}");
    }
    for act in ["pause", "resume", "retry-items", "cancel", "force-done"] {
        let path = format!("/syncs/shop/{other}/{act}");
        let body = Some(r#"{"reason":"mine"}"#);
        site.send("acme-only", "POST", &path, body).await.refused(404);
    }
    send("GET", "/orgs/beta/syncs").await.refused(404);
    send("GET", "/orgs/acmeshop/syncs").await.refused(404);
    assert_eq!(site.send("shops", "GET", "/orgs/shop-1/syncs", None).await.status, 200);
    for path in ["/syncs", "/queues", "/queues/shop/jobs", "/audit", "/workers", "/stats", "/health"] {
        send("GET", path).await.refused(403);
    }
    send("GET", &format!("/queues/shop/jobs/{own}")).await.refused(403);
    site.send("acme-only", "POST", "/syncs", Some(r#"{"queue":"shop","name":"x"}"#)).await.refused(403);
}
