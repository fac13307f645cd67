//! `bullock audit`: what the other commands leave in the log.

use serde_json::{Value, json};

use super::Place;

fn acts(entries: &Value) -> Vec<(String, String, String)> {
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or("-").to_owned();
    let of = |entry: &Value| (text(entry, "queue"), text(entry, "job"), text(entry, "what"));
    entries.as_array().unwrap().iter().map(of).collect()
}

#[tokio::test]
async fn every_act_of_the_command_line_leaves_who_from_where_and_why() {
    let place = Place::start();
    place.add(&["mail", "x", "--job-id", "a", "--delay", "1h"]).await;
    place.add(&["mail", "x", "--job-id", "b"]).await;
    place.ok(&["queue", "pause", "mail", "--reason", "the printer burns"]).await;
    place.ok(&["job", "promote", "mail", "a"]).await;
    place.ok(&["job", "rm", "mail", "b", "--reason", "twice"]).await;
    place.ok(&["queue", "resume", "mail"]).await;
    // What changed nothing leaves nothing.
    place.ok(&["queue", "resume", "mail"]).await;

    let log = place.json(&["audit"]).await;
    let expected =
        [("mail", "-", "resume"), ("mail", "b", "remove"), ("mail", "a", "promote"), ("mail", "-", "pause")];
    let expected = expected.map(|(queue, job, what)| (queue.to_owned(), job.to_owned(), what.to_owned()));
    assert_eq!(acts(&log), expected);
    assert_eq!((&log[1]["was"], &log[1]["why"]), (&json!("paused"), &json!("twice")), "{log:#}");
    assert_eq!(log[2]["was"], "delayed", "{log:#}");
    assert!(log[0]["from"].as_str().unwrap().starts_with("cli@") && log[0]["by"] != "", "{log:#}");
    assert_eq!(log[3]["why"], "the printer burns");
}

#[tokio::test]
async fn entries_are_chosen_by_job_person_act_and_age_over_all_queues() {
    let place = Place::start();
    for queue in ["mail", "shop:orders"] {
        place.add(&[queue, "x", "--job-id", "a", "--delay", "1h"]).await;
        place.ok(&["job", "promote", queue, "a"]).await;
        place.ok(&["queue", "pause", queue]).await;
    }
    assert_eq!(place.json(&["audit"]).await.as_array().unwrap().len(), 4);
    assert_eq!(acts(&place.json(&["audit", "--job", "shop:orders/a"]).await).len(), 1);
    assert_eq!(acts(&place.json(&["audit", "--job", "a"]).await).len(), 2);
    assert_eq!(acts(&place.json(&["audit", "--queue", "mail", "--what", "pause"]).await).len(), 1);
    assert_eq!(acts(&place.json(&["audit", "--by", "nobody"]).await).len(), 0);
    assert_eq!(acts(&place.json(&["audit", "--since", "1h"]).await).len(), 4);
    let newest = place.run(&["audit", "--limit", "1", "-o", "ndjson"]).await;
    let entry: Value = serde_json::from_str(&newest.stdout).unwrap();
    assert_eq!((&entry["queue"], &entry["what"]), (&json!("shop:orders"), &json!("pause")));
    assert!(newest.stderr.contains("there are older ones"), "{newest:?}");
    let error = place.fails(3, &["audit", "--queue", "none"]).await;
    assert!(error.starts_with("error: no such queue"), "{error}");

    // A queue that is gone has a log still.
    place.ok(&["queue", "resume", "mail"]).await;
    place.ok(&["queue", "obliterate", "mail", "--yes"]).await;
    let log = place.json(&["audit", "--queue", "mail", "--limit", "1"]).await;
    assert_eq!(acts(&log)[0].2, "obliterate", "{log:#}");
}
