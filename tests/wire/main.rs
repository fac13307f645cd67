//! Every golden vector that npm bull 4.16.5 made (bull-4.vectors.json, by gen-bull-4.mjs), replayed against our scripts:
//! the same state afterwards, the same messages. What differs on purpose is in `differences.rs`, field by field.

#![allow(unreachable_pub, reason = "modules of one test program")]

#[path = "../support/mod.rs"]
mod support;

mod differences;
mod dump;
mod replay;

use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("bull-4.vectors.json")).expect("bull-4.vectors.json")
}

#[tokio::test]
async fn every_state_vector_of_bull_4_is_reproduced_but_for_the_listed_fields() {
    let redis = support::redis::Redis::start();
    let all = vectors();
    let vectors = all["vectors"].as_array().expect("vectors");
    assert_eq!(vectors.len(), 90, "the file holds 90 state vectors");
    let (mut problems, mut used) = (Vec::new(), Vec::new());
    for vector in vectors {
        let name = vector["name"].as_str().expect("name");
        let outcome = replay::replay(&redis.url(), vector).await;
        for difference in outcome {
            match differences::ALLOWED.iter().position(|d| d.vector == name && d.matches(&difference.path)) {
                Some(at) => used.push(at),
                None => problems.push(format!("{name}: {difference}")),
            }
        }
    }
    for (at, allowed) in differences::ALLOWED.iter().enumerate() {
        if !used.contains(&at) {
            problems.push(format!(
                "{}: {} does not differ any more: take it off the list",
                allowed.vector, allowed.path
            ));
        }
    }
    assert!(problems.is_empty(), "{} differences:\n{}", problems.len(), problems.join("\n"));
}
