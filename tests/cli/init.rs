//! `bullock init`: what it writes is a config that `check` passes and a handler that works.

use std::path::Path;

use super::support::bullock::{Bullock, cli};
use super::support::node::Node;
use super::support::process::free_port;
use super::support::redis::Redis;

const SECRET: &str = "whsec_T2ZyZWFkbWVzQW5kT3RoZXJzMDEyMzQ1";

fn directory() -> tempfile::TempDir {
    // Beside the npm packages, where the sample finds them.
    tempfile::tempdir_in(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node")).unwrap()
}

async fn init(directory: &Path, arguments: &[&str]) -> super::Answer {
    let mut all = vec!["init", directory.to_str().unwrap()];
    all.extend(arguments);
    cli(&all, &[]).await
}

fn read(directory: &Path, name: &str) -> String {
    std::fs::read_to_string(directory.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[tokio::test]
async fn each_kind_writes_a_config_that_check_passes_and_a_second_time_nothing() {
    let redis = Redis::start();
    for (kind, sample) in [
        ("--express", "jobs.mjs"),
        ("--nest", "src/jobs.controller.ts"),
        ("--next", "app/api/jobs/[name]/route.js"),
        ("--subprocess", "job.mjs"),
    ] {
        let place = tempfile::tempdir().unwrap();
        let answer = init(place.path(), &[kind, "--queue", "mail", "--queue", "shop:orders"]).await;
        assert_eq!((answer.code, answer.stdout), (0, format!("bullock.toml\n{sample}\n")), "{kind}");
        assert!(answer.stderr.contains("bullock check") && !read(place.path(), sample).is_empty(), "{kind}");
        let config = place.path().join("bullock.toml");
        let check = ["check", "-c", config.to_str().unwrap(), "-r", &redis.url()];
        let checked = cli(&check, &[("WEBHOOK_SECRET", SECRET)]).await;
        assert_eq!(checked.code, 0, "{kind}: {checked:?}\n{}", read(place.path(), "bullock.toml"));
        assert!(checked.stdout.contains("queues: 2, handlers: 2"), "{checked:?}");

        let before = read(place.path(), "bullock.toml");
        std::fs::remove_file(place.path().join(sample)).unwrap();
        let again = init(place.path(), &[kind]).await;
        assert_eq!(again.code, 5, "{again:?}");
        assert!(super::one_error(&again).contains("bullock.toml"), "{again:?}");
        // Neither is anything written beside it.
        assert_eq!((read(place.path(), "bullock.toml"), place.path().join(sample).exists()), (before, false));
    }
}

#[tokio::test]
async fn the_kind_is_that_of_the_package_and_the_queues_those_of_redis() {
    let redis = Redis::start();
    let url = redis.url();
    for (queue, dialect) in [("mail", "bull"), ("shop:orders", "bull")] {
        let added = cli(&["job", "add", queue, "x", "--dialect", dialect, "-r", &url], &[]).await;
        assert_eq!(added.code, 0, "{added:?}");
    }
    let place = tempfile::tempdir().unwrap();
    let package = r#"{"dependencies": {"@nestjs/core": "12.0.0", "express": "5.0.0"}}"#;
    std::fs::write(place.path().join("package.json"), package).unwrap();
    let answer = init(place.path(), &["--from-redis", "-r", &url]).await;
    assert_eq!(
        (answer.code, answer.stdout.as_str()),
        (0, "bullock.toml\nsrc/jobs.controller.ts\n"),
        "{answer:?}"
    );
    let config = place.path().join("bullock.toml");
    let shown = cli(&["config", "show", "-c", config.to_str().unwrap()], &[("WEBHOOK_SECRET", SECRET)]).await;
    assert!(shown.stdout.contains("[queues.mail]") && shown.stdout.contains("shop:"), "{shown:?}");
}

#[tokio::test]
async fn the_samples_of_express_and_of_a_program_do_their_jobs() {
    for kind in ["--express", "--subprocess"] {
        let redis = Redis::start();
        let place = directory();
        assert_eq!(init(place.path(), &[kind]).await.code, 0);
        let port = free_port().to_string();
        let mut config = read(place.path(), "bullock.toml").replace(":3000/", &format!(":{port}/"));
        let program = place.path().join("job.mjs");
        config = config.replace("\"job.mjs\"", &format!("{program:?}"));
        // The queue's own port; the harness chooses that of the admin server.
        config = config.replace("listen = ", "#listen = ");
        let backend = (kind == "--express").then(|| {
            let path = place.path().join("jobs.mjs");
            Node::start_with(path.to_str().unwrap(), &[], &[("WEBHOOK_SECRET", SECRET), ("PORT", &port)])
        });
        let url = redis.url();
        let worker = Bullock::run_with(&config, &[("REDIS_URL", &url), ("WEBHOOK_SECRET", SECRET)]).await;
        let add = [
            "job",
            "add",
            "emails",
            "welcome",
            "-r",
            &url,
            "--wait",
            "--attempts",
            "20",
            "--opts",
            "{\"backoff\":100}",
        ];
        let done = cli(&[&add[..], &["--data", "{\"to\":\"ada\"}"]].concat(), &[]).await;
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (0, "{\"sent\":true,\"to\":\"ada\"}\n"),
            "{kind}: {done:?}"
        );
        let failed =
            cli(&["job", "add", "emails", "other", "-r", &url, "--wait", "--attempts", "9"], &[]).await;
        assert_eq!(failed.code, 1, "{kind}: {failed:?}");
        assert!(failed.stderr.contains("no handler for other"), "{kind}: {failed:?}");
        drop((worker, backend));
    }
}

#[tokio::test]
async fn the_samples_of_next_and_nest_verify_run_and_refuse() {
    let place = directory();
    for kind in ["--next", "--nest"] {
        assert_eq!(init(place.path(), &[kind]).await.code, 0);
        std::fs::remove_file(place.path().join("bullock.toml")).unwrap();
    }
    let route = place.path().join("route.mjs");
    std::fs::copy(place.path().join("app/api/jobs/[name]/route.js"), &route).unwrap();
    let controller = place.path().join("src/jobs.controller.ts");
    let arguments = [route.to_str().unwrap(), controller.to_str().unwrap(), SECRET];
    let said = Node::run("samples.mjs", &arguments).await;
    let expected = serde_json::json!({"sent": true, "to": "ada"});
    for (kind, answers) in ["next", "nest"].iter().zip(&said) {
        assert_eq!(answers[0], serde_json::json!([200, expected]), "{kind}: {answers}");
        assert_eq!((&answers[1][0], &answers[2][0]), (&401.into(), &422.into()), "{kind}: {answers}");
    }
    assert_eq!(said.len(), 2, "{said:?}");
}
