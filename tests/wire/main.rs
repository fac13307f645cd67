//! Every golden vector that npm bull 4.16.5 made (bull-4.vectors.json, by gen-bull-4.mjs), replayed against our scripts:
//! the same state afterwards, the same messages. What differs on purpose is in `differences.rs`, field by field. The same
//! for npm bullmq 6.7.0 and 5.81.5 (bullmq.vectors.json), step by step.

#![allow(unreachable_pub, reason = "modules of one test program")]

#[path = "../support/mod.rs"]
mod support;

mod bullmq;
mod bullmq_admin;
mod bullmq_differences;
mod bullmq_producer;
mod bullmq_worker;
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

#[tokio::test]
async fn every_step_of_the_bullmq_vectors_is_reproduced_for_5_and_6_but_for_the_listed_fields() {
    let redis = support::redis::Redis::start();
    let url = redis.url();
    let all = bullmq::vectors();
    assert_eq!(all["vectors"].as_array().map(Vec::len), Some(90), "the file holds 90 scenarios");
    let (mut problems, mut used) = (Vec::new(), Vec::new());
    for recorded in bullmq::steps(&all) {
        let (name, call, major) = (recorded.scenario, recorded.call(), recorded.major);
        let is_open = [bullmq_worker::OPEN, bullmq_admin::OPEN].concat().contains(&(name, call));
        let outcome = bullmq::replay(&url, &recorded, async |step| match bullmq_worker::act(step).await {
            None => bullmq_admin::act(step).await,
            done => done,
        });
        let differences = match (outcome.await, is_open) {
            (Some(differences), false) => differences,
            (None, true) => continue,
            (None, false) => {
                problems.push(format!("{name} ({major}): nobody replays \"{call}\""));
                continue;
            }
            (Some(_), true) => {
                problems.push(format!(
                    "{name} ({major}): \"{call}\" is replayed: take it off the list of open ones"
                ));
                continue;
            }
        };
        for difference in differences {
            let listed =
                bullmq_differences::ALLOWED.iter().position(|d| d.matches(&recorded, &difference.path));
            match listed {
                Some(at) => used.push(at),
                None => problems.push(format!("{name} ({major}), {call}: {difference}")),
            }
        }
    }
    for (at, allowed) in bullmq_differences::ALLOWED.iter().enumerate() {
        if !used.contains(&at) {
            problems.push(format!("{allowed} does not differ any more: take it off the list"));
        }
    }
    assert!(problems.is_empty(), "{} differences:\n{}", problems.len(), problems.join("\n"));
}
