//! Deliveries that are refused, and leave nothing behind.

use bullock::wire::Dialect;

use crate::sender::{SECRET, deliver_standard, hmac, now_s, post, site, waiting};

const BODY: &str = r#"{"id": 7}"#;

#[tokio::test]
async fn a_wrong_missing_or_broken_signature_is_401_and_says_no_more() {
    let site = site(Dialect::Bull, |_| {});
    let right = hmac(SECRET.as_bytes(), BODY.as_bytes());
    let others = hmac(b"another secret", BODY.as_bytes());
    let of_other_body = hmac(SECRET.as_bytes(), br#"{"id": 8}"#);
    let mut details = Vec::new();
    for wrong in [others.as_str(), &of_other_body, "", "no base64!", &right[..20], &"A".repeat(4000)] {
        for (hook, header) in [("woo", "x-wc-webhook-signature"), ("shopify", "x-shopify-hmac-sha256")] {
            let answer = post(&site, hook, &[(header, wrong)], BODY).await;
            assert_eq!(answer.status, 401, "{hook} {wrong:?}: {answer:?}");
            details.push(answer.json()["detail"].clone());
        }
    }
    details.dedup();
    assert_eq!(details.len(), 1, "all the same: {details:?}");
    assert_eq!(post(&site, "woo", &[], BODY).await.status, 401);
    // The right signature in the header of the other kind.
    assert_eq!(post(&site, "woo", &[("x-shopify-hmac-sha256", &right)], BODY).await.status, 401);
    // Re-serialised: the bytes are what is signed.
    assert_eq!(post(&site, "woo", &[("x-wc-webhook-signature", &right)], r#"{"id":7}"#).await.status, 401);
    // A token of the API is no signature.
    assert_eq!(post(&site, "woo", &[("authorization", "Bearer x")], BODY).await.status, 401);
    assert!(waiting(&site).await.is_empty());
}

#[tokio::test]
async fn every_part_of_a_standard_webhook_is_signed_and_old_ones_are_refused() {
    let site = site(Dialect::Bull, |_| {});
    for off in [-301, 301, -86_400] {
        let answer = deliver_standard(&site, "standard", "msg_1", now_s() + off, BODY).await;
        assert_eq!(answer.status, 401, "{off} s: {answer:?}");
    }
    let key = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        crate::sender::STANDARD_SECRET.trim_start_matches("whsec_"),
    )
    .unwrap();
    let at = now_s().to_string();
    let signature = format!("v1,{}", hmac(&key, format!("msg_1.{at}.{BODY}").as_bytes()));
    let later = (now_s() + 1).to_string();
    let good = [("webhook-id", "msg_1"), ("webhook-timestamp", &*at), ("webhook-signature", &*signature)];
    for (tampered, value) in [
        ("webhook-id", "msg_2"),
        ("webhook-timestamp", &*later),
        ("webhook-signature", "v1,AAAA"),
        ("webhook-timestamp", "soon"),
    ] {
        let headers = good.map(|(name, kept)| (name, if name == tampered { value } else { kept }));
        assert_eq!(post(&site, "standard", &headers, BODY).await.status, 401, "{tampered}");
    }
    for missing in 0..3 {
        let headers: Vec<_> =
            good.iter().enumerate().filter(|(n, _)| *n != missing).map(|(_, one)| *one).collect();
        assert_eq!(post(&site, "standard", &headers, BODY).await.status, 401, "without {}", good[missing].0);
    }
    assert!(waiting(&site).await.is_empty());
    // Among others, as while a secret is replaced.
    let several = format!("v1,AAAA v1a,BBBB {signature}");
    let headers = [good[0], good[1], ("webhook-signature", &*several)];
    assert_eq!(post(&site, "standard", &headers, BODY).await.status, 202);
}

#[tokio::test]
async fn a_body_that_is_too_large_or_no_json_is_refused() {
    let site = site(Dialect::Bull, |_| {});
    let large = format!("{{\"text\": \"{}\"}}", "x".repeat(64 * 1024));
    let signature = hmac(SECRET.as_bytes(), large.as_bytes());
    assert_eq!(post(&site, "woo", &[("x-wc-webhook-signature", &signature)], &large).await.status, 413);
    for body in ["", "{", "not json", "\u{feff}{}", "{} {}"] {
        let signature = hmac(SECRET.as_bytes(), body.as_bytes());
        let answer = post(&site, "woo", &[("x-wc-webhook-signature", &signature)], body).await;
        assert_eq!(answer.status, 400, "{body:?}: {answer:?}");
    }
    assert!(waiting(&site).await.is_empty());
}

#[tokio::test]
async fn an_unknown_hook_is_404_and_a_server_that_only_shows_takes_none() {
    let site = site(Dialect::Bull, |_| {});
    assert_eq!(post(&site, "nobody", &[], BODY).await.status, 404);
    assert_eq!(site.get("/api/v1/hooks/woo").await.status, 405);
}

#[tokio::test]
async fn a_redis_that_is_away_is_503_so_that_the_shop_sends_it_again() {
    let mut site = site(Dialect::Bull, |_| {});
    site.redis.crash();
    let signature = hmac(SECRET.as_bytes(), BODY.as_bytes());
    let answer = post(&site, "woo", &[("x-wc-webhook-signature", &signature)], BODY).await;
    assert_eq!(answer.status, 503, "{answer:?}");
}
