//! docker-compose.yml: its files are there, and its services work together.

use std::path::Path;

use serde_json::json;

use super::support::bullock::Bullock;
use super::support::node::Node;
use super::support::process::free_port;
use super::support::redis::Redis;
use super::{read, root};

const SECRET: &str = "whsec_T2ZyZWFkbWVzQW5kT3RoZXJzMDEyMzQ1";
const DIGEST: &str = "3e7077fd2f66d689e0cee6a7cf5b37bf2dca7c979af356d0a31cbc5c85605c7d";

#[test]
fn every_file_that_the_compose_file_mounts_is_there() {
    let compose = read("docker-compose.yml");
    let mounts: Vec<&str> =
        compose.split('"').filter_map(|part| part.strip_prefix("./")?.split(':').next()).collect();
    assert!(mounts.contains(&"config/compose.toml") && mounts.contains(&"examples/express"), "{mounts:?}");
    for mount in mounts {
        assert!(root().join(mount).exists(), "docker-compose.yml: there is no {mount}");
    }
    for program in ["backend.mjs", "producer.mjs"] {
        assert!(
            compose.contains(program) && root().join("examples/express").join(program).is_file(),
            "{program}"
        );
    }
}

#[tokio::test]
async fn the_backend_the_producer_and_bullock_of_the_compose_file_work_together() {
    // Beside the npm packages, where the programs find them.
    let place = tempfile::tempdir_in(root().join("tests/node")).unwrap();
    let program = |name: &str| {
        std::fs::copy(root().join("examples/express").join(name), place.path().join(name)).unwrap();
        place.path().join(name).to_str().unwrap().to_owned()
    };
    let redis = Redis::start();
    let (url, port) = (redis.url(), free_port().to_string());
    let backend_url = format!("http://127.0.0.1:{port}");
    let environment = [
        ("REDIS_URL", url.as_str()),
        ("BACKEND_URL", backend_url.as_str()),
        ("WEBHOOK_SECRET", SECRET),
        ("OPS_TOKEN_SHA256", DIGEST),
        ("PORT", port.as_str()),
    ];
    let _backend = Node::start_with(&program("backend.mjs"), &[], &environment);
    let config = std::fs::read_to_string(Path::new(root()).join("config/compose.toml")).unwrap();
    let _bullock = Bullock::run_with(&config, &environment).await;
    let mut producer = Node::start_with(&program("producer.mjs"), &["1"], &environment);
    assert_eq!(producer.next().await, json!("job 1 { sent: true, to: 'customer-1@example.com' }"));
    producer.finish().await;
}
