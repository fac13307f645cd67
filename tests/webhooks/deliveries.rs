//! Deliveries that are good: each becomes a job, once.

use bullock::wire::Dialect;
use serde_json::{Value, json};

use crate::sender::{deliver, deliver_standard, field, hmac, id_of, now_s, place, post, site, waiting};
use crate::site::QUEUE;

const BODY: &str = r#"{"id": 7,  "total": 12345678901234567890, "shop": {"domain": "acme.example"}}"#;

#[tokio::test]
async fn a_signed_delivery_of_each_kind_becomes_a_job_with_its_body_byte_for_byte() {
    for dialect in [Dialect::Bull, Dialect::BullMq] {
        let site = site(dialect, |_| {});
        for (hook, topic) in
            [("woo", json!("order.updated")), ("shopify", json!("orders/updated")), ("standard", Value::Null)]
        {
            let answer = deliver(&site, hook, "msg_1", BODY).await;
            assert_eq!(answer.status, 202, "{hook}: {answer:?}");
            let id = id_of(&answer);
            assert!(id.starts_with(&format!("hook-{hook}-")), "{id}");
            assert_eq!(field(&site, &id, "name").await, "order-changed");
            let text = field(&site, &id, "data").await;
            assert!(text.contains(BODY), "{text}");
            let data: Value = serde_json::from_str(&text).unwrap();
            assert_eq!((&data["hook"], &data["topic"]), (&json!(hook), &topic));
            assert!(data["receivedAt"].as_i64().unwrap() / 1000 >= now_s() - 60);
            let opts: Value = serde_json::from_str(&field(&site, &id, "opts").await).unwrap();
            assert_eq!(opts["attempts"], 3);
        }
        assert_eq!(waiting(&site).await.len(), 3, "{dialect:?}");
    }
}

#[tokio::test]
async fn what_comes_again_adds_nothing_although_its_job_is_gone() {
    for dialect in [Dialect::Bull, Dialect::BullMq] {
        let site = site(dialect, |_| {});
        for hook in ["woo", "shopify", "standard"] {
            let first = deliver(&site, hook, "msg_1", BODY).await;
            let again = deliver(&site, hook, "msg_1", BODY).await;
            assert_eq!((first.status, again.status), (202, 200), "{hook}");
            assert_eq!(again.json()["duplicate"], true);
            assert_eq!(id_of(&first), id_of(&again));
            let key = format!("bull:{QUEUE}:{}", id_of(&first));
            let _: () =
                redis::cmd("DEL").arg(key).query_async(&mut site.redis.connection().await).await.unwrap();
            assert_eq!(deliver(&site, hook, "msg_1", BODY).await.status, 200, "{hook}: its job is gone");
            let other = deliver(&site, hook, "msg_2", r#"{"id": 8}"#).await;
            assert_eq!(other.status, 202, "{hook}: another one is another");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_delivery_fifty_times_at_once_makes_one_job() {
    let site = std::sync::Arc::new(site(Dialect::Bull, |_| {}));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let site = std::sync::Arc::clone(&site);
        tasks.spawn(async move { deliver(&site, "standard", "msg_1", BODY).await.status });
    }
    let statuses = tasks.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 202).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 202].contains(status)));
    assert_eq!(waiting(&site).await.len(), 1);
}

#[tokio::test]
async fn a_worker_that_died_before_it_noted_the_delivery_has_added_it_once() {
    let site = site(Dialect::BullMq, |_| {});
    let id = id_of(&deliver(&site, "woo", "", BODY).await);
    let note = format!("bull::x:{QUEUE}::hook:{id}");
    let _: () = redis::cmd("DEL").arg(note).query_async(&mut site.redis.connection().await).await.unwrap();
    assert_eq!(deliver(&site, "woo", "", BODY).await.status, 200);
    assert_eq!(waiting(&site).await.len(), 1);
}

#[tokio::test]
async fn the_config_says_what_a_delivery_is_known_by_and_whose_it_is() {
    let site = site(Dialect::Bull, |hooks| {
        hooks[0].dedupe = Some(place("body.id"));
        hooks[0].org = Some(place("body.shop.domain"));
    });
    let first = deliver(&site, "woo", "", r#"{"id": 7, "shop": {"domain": "acme"}, "at": 1}"#).await;
    let same = deliver(&site, "woo", "", r#"{"id": 7, "shop": {"domain": "acme"}, "at": 2}"#).await;
    assert_eq!((first.status, same.status), (202, 200));
    let mut db = site.redis.connection().await;
    let of_org: Vec<String> = redis::cmd("ZRANGE")
        .arg(format!("bull::x:{QUEUE}::org:acme"))
        .arg(0)
        .arg(-1)
        .query_async(&mut db)
        .await
        .unwrap();
    assert_eq!(of_org, [id_of(&first)]);
    let nobody = deliver(&site, "woo", "", r#"{"id": 8}"#).await;
    assert_eq!(nobody.status, 400, "{nobody:?}");
}

#[tokio::test]
async fn what_node_signs_is_taken_and_both_secrets_hold_while_one_is_replaced() {
    let site = site(Dialect::Bull, |hooks| hooks[1].secrets = vec!["new".into(), "old".into()]);
    for secret in ["old", "new"] {
        let body = format!(r#"{{"signed": "with {secret}, ü"}}"#);
        let program = "const [secret, body] = process.argv.slice(1); process.stdout.write(require('crypto')\
             .createHmac('sha256', secret).update(body, 'utf8').digest('base64'))";
        let signed =
            std::process::Command::new("node").args(["-e", program, secret, &body]).output().unwrap();
        let signature = String::from_utf8(signed.stdout).unwrap();
        assert_eq!(signature, hmac(secret.as_bytes(), body.as_bytes()));
        let answer = post(&site, "shopify", &[("x-shopify-hmac-sha256", &signature)], &body).await;
        assert_eq!(answer.status, 202, "{secret}: {answer:?}");
    }
}

#[tokio::test]
async fn the_ping_of_woocommerce_is_answered_and_enqueues_nothing() {
    let site = site(Dialect::Bull, |_| {});
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let answer = post(&site, "woo", &form, "webhook_id=12").await;
    assert_eq!((answer.status, answer.json()["id"].clone()), (200, Value::Null));
    assert_eq!(post(&site, "shopify", &form, "webhook_id=12").await.status, 401, "of no other kind");
    assert_eq!(post(&site, "woo", &form, "webhook_id=x").await.status, 401);
    assert!(waiting(&site).await.is_empty());
}

#[tokio::test]
async fn a_signed_time_near_now_is_taken() {
    let site = site(Dialect::Bull, |_| {});
    for (id, off) in [("a", -280), ("b", 280)] {
        let answer = deliver_standard(&site, "standard", id, now_s() + off, BODY).await;
        assert_eq!(answer.status, 202, "{off} s");
    }
}
