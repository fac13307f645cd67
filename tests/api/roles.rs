//! Who may ask for what, walked over every route of the table: made from the table, so no route can be forgotten.

use bullock::admin::Role;
use bullock::admin::routes::{Access, ROUTES};
use serde_json::json;

use crate::site::{Site, token};

#[tokio::test]
async fn every_route_asks_for_its_role_and_for_its_queue() {
    // No body fits any route: whoever is let in is refused for that, or served; nothing is changed meanwhile.
    let site = Site::start().with_jobs().await;
    let mut walked = 0;
    for route in ROUTES.iter().filter(|route| route.about.is_some()) {
        let Access::Role(needed) = route.access else { continue };
        let Some(path) = route.path.strip_prefix("/api/v1") else {
            panic!("{} is no part of the API", route.path)
        };
        let path = path.replace("{queue}", "shop").replace("{id}", "nobody").replace("{org}", "acme")
            + "?nothing=such";
        for (name, role) in [
            ("", None),
            ("viewer", Some(Role::Viewer)),
            ("operator", Some(Role::Operator)),
            ("admin", Some(Role::Admin)),
        ] {
            let status = site.send(name, route.method, &path, None).await.status;
            let expected = match role {
                None => 401,
                Some(role) if role < needed => 403,
                Some(_) => 400,
            };
            assert_eq!(status, expected, "{} {path} as \"{name}\"", route.method);
        }
        let status = site.send("elsewhere", route.method, &path, None).await.status;
        let expected = if route.path.contains("{queue}") { 403 } else { 400 };
        assert_eq!(status, expected, "{} {path} with a token for other queues", route.method);
        walked += 1;
    }
    assert!(walked >= 30, "{walked} routes");
}

#[tokio::test]
async fn a_token_for_some_queues_sees_nothing_of_the_others_anywhere() {
    let site = Site::start_with(|options| options.tokens.push(token("pdf-only", Role::Admin, &["pdf"])))
        .with_jobs()
        .await;
    site.ask("POST", "/queues/shop/pause", json!({"reason": "a secret of the shop"})).await;
    for path in
        ["/queues", "/workers", "/schedulers", "/stats", "/failed", "/audit", "/operations", "/zombies"]
    {
        let answer = site.send("pdf-only", "GET", path, None).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert!(!answer.body.contains("shop"), "{path}: {}", answer.body);
    }
    for path in ["/stats?queue=shop", "/audit?queue=shop", "/failed?queue=shop", "/flows/shop/first"] {
        site.send("pdf-only", "GET", path, None).await.refused(403);
    }
    let body = json!({"action": "retry", "dryRun": true}).to_string();
    let started = site.send("admin", "POST", "/queues/shop/bulk", Some(&body)).await.json();
    let path = format!("/operations/{}", started["id"].as_str().unwrap());
    site.send("pdf-only", "GET", &path, None).await.refused(404);
}

#[tokio::test]
async fn removing_many_jobs_takes_the_role_that_removing_one_does() {
    let site = Site::start().with_jobs().await;
    let body = json!({"action": "remove", "ids": ["first"]}).to_string();
    site.send("operator", "POST", "/queues/shop/bulk", Some(&body)).await.refused(403);
    assert_eq!(site.send("admin", "POST", "/queues/shop/bulk", Some(&body)).await.status, 202);
}

#[tokio::test]
async fn a_server_that_only_shows_refuses_every_act_and_offers_none() {
    let site = Site::start_with(|options| options.read_only = true).with_jobs().await;
    for route in
        ROUTES.iter().filter(|route| matches!(route.access, Access::Role(_)) && route.method != "GET")
    {
        let path = route
            .path
            .replace("/api/v1", "")
            .replace("{queue}", "shop")
            .replace("{id}", "first")
            .replace("{org}", "acme");
        let (kind, detail) = site.send("admin", route.method, &path, None).await.refused(403);
        assert_eq!((kind.as_str(), detail.as_str()), ("forbidden", "this server only shows"), "{path}");
    }
    let job = site.get("/queues/shop/jobs/first").await;
    assert_eq!(job["allowedActions"], json!([]));
    assert_eq!(site.get("/queues/shop").await["readOnly"], true);
}

#[tokio::test]
async fn without_tokens_whoever_reaches_the_loopback_may_operate_but_not_destroy() {
    let site = Site::start_with(|options| options.tokens.clear()).with_jobs().await;
    assert_eq!(site.send("", "POST", "/queues/shop/pause", None).await.status, 200);
    site.send("", "DELETE", "/queues/shop/jobs/first", None).await.refused(403);
    let entry = &site.send("", "GET", "/audit", None).await.json()["items"][0];
    assert_eq!((entry["by"].as_str(), entry["from"].as_str()), (Some("local"), Some("api@127.0.0.1")));
}
