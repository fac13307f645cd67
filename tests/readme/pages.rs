//! The pages in docs/: their commands are typed beside a worker that has had a bad night.

use serde_json::json;

use crate::blocks::{self, Block};
use crate::shell::Reader;
use crate::support::node::BullQueue;
use crate::{load, of_language};

/// Tags that a page may have: `console` is typed, `toml` loaded, `js` with a file name run.
const KNOWN: &[&str] = &["console", "toml", "js", "yaml"];

/// The worker of the scene: `charge` fails, `sync` goes on and on, `welcome` works.
const CONFIG: &str = r#"# bullock.toml
[redis]
url = "${REDIS_URL}"
[queues.emails]
concurrency = 10
[queues.emails.handlers]
welcome = { exec = ["echo", '{"log":"hello"}'] }
charge = { exec = ["sh", "-c", "echo card declined >&2; exit 1"] }
sync = { exec = ["sh", "-c", '''echo '{"progress":{"total":500,"processed":120}}'; echo '{"checkpoint":{"page":3}}'; while kill -0 $PPID; do sleep 0.1; done'''] }
"#;

/// What happened before the page is read. The jobs' ids are those that the pages use.
const SCENE: &str = r"
$ bullock run &
$ bullock job add emails welcome --job-id welcome-10 --wait
$ bullock job add emails charge --job-id charge-41 --attempts 2
$ bullock job add emails charge --job-id charge-42
$ bullock job add emails sync --job-id sync-20
$ bullock job add emails welcome --job-id welcome-30 --delay 1h
$ until redis-cli -p 6379 zscore bull:emails:failed charge-43 | grep -q . ; do sleep 0.02; done
$ until redis-cli -p 6379 zscore bull:emails:failed charge-42 | grep -q . ; do sleep 0.02; done
$ until redis-cli -p 6379 zscore bull:emails:failed charge-41 | grep -q . ; do sleep 0.02; done
$ until redis-cli -p 6379 hget bull::x:emails::job:sync-20 checkpoint | grep -q . ; do sleep 0.02; done
";

fn block(language: &str, text: &str) -> Block {
    Block { language: language.into(), line: 0, text: text.trim_start().into() }
}

/// Types the commands of a page into a shell in the scene.
async fn follow(page: &str) {
    let blocks = blocks::of(&blocks::page(page));
    for block in &blocks {
        let tag = block.language.as_str();
        assert!(KNOWN.contains(&tag), "{page} line {}: nothing runs a block of \"{tag}\"", block.line);
    }
    for block in of_language(&blocks, "toml") {
        load(page, &block);
    }
    let consoles = of_language(&blocks, "console");
    if consoles.is_empty() {
        return;
    }
    let reader = Reader::new().await;
    let redis = reader.redis();
    let mut connection = redis.connection().await;
    // A job whose data another program has spoilt.
    redis::pipe()
        .hset_multiple(
            "bull:emails:charge-43",
            &[("name", "charge"), ("data", "{\"amount\":"), ("opts", "{}")],
        )
        .hset("bull:emails:charge-43", "timestamp", 1)
        .lpush("bull:emails:wait", "charge-43")
        .query_async::<()>(&mut connection)
        .await
        .unwrap();
    reader.save(&block("toml", CONFIG));
    let mut typed = vec![block("console", SCENE)];
    typed.extend(consoles);
    reader.type_in(page, &typed).await;
}

#[tokio::test]
async fn the_commands_of_the_page_on_dead_letters_work() {
    follow("docs/dead-letters.md").await;
}

#[tokio::test]
async fn the_commands_of_the_page_on_zombies_work() {
    follow("docs/zombies.md").await;
}

#[tokio::test]
async fn the_commands_of_the_page_on_the_doctor_work() {
    follow("docs/doctor.md").await;
}

#[tokio::test]
async fn the_commands_of_the_page_on_keys_work() {
    follow("docs/redis-keys.md").await;
}

#[tokio::test]
async fn the_commands_of_the_page_on_compatibility_work() {
    follow("docs/compatibility.md").await;
}

#[tokio::test]
async fn the_commands_of_the_page_on_moving_work() {
    const PAGE: &str = "docs/moving-to-bullmq.md";
    let blocks = blocks::of(&blocks::page(PAGE));
    let reader = Reader::new().await;
    let mut queue = BullQueue::open(&reader.redis().url(), "emails").await;
    queue.add("welcome", json!({}), json!({"jobId": "welcome-1"})).await;
    queue.add("welcome", json!({}), json!({"jobId": "welcome-2", "priority": 3})).await;
    queue.add("reminder", json!({}), json!({"jobId": "reminder-7", "delay": 3_600_000})).await;
    queue.add("digest", json!({}), json!({"repeat": {"cron": "0 7 * * *", "tz": "Europe/Rome"}})).await;
    for block in &blocks {
        match block.language.as_str() {
            "toml" => load(PAGE, block),
            "console" => {}
            other => panic!("{PAGE} line {}: nothing runs a block of \"{other}\"", block.line),
        }
    }
    reader.type_in(PAGE, &of_language(&blocks, "console")).await;
}

#[tokio::test]
async fn the_configs_of_the_page_on_options_load() {
    follow("docs/config.md").await;
}

#[tokio::test]
async fn the_backend_of_the_page_on_handlers_does_its_jobs() {
    const PAGE: &str = "docs/handlers.md";
    let blocks = blocks::of(&blocks::page(PAGE));
    let reader = Reader::new().await;
    for block in &blocks {
        match block.language.as_str() {
            "toml" => {
                load(PAGE, block);
                reader.save(block);
            }
            "js" => drop(reader.save(block)),
            "console" => {}
            other => panic!("{PAGE} line {}: nothing runs a block of \"{other}\"", block.line),
        }
    }
    reader.type_in(PAGE, &of_language(&blocks, "console")).await;
}

#[tokio::test]
async fn the_first_sync_of_the_tutorial_goes_as_told() {
    const PAGE: &str = "docs/tutorials/first-sync.md";
    let blocks = blocks::of(&blocks::page(PAGE));
    let reader = Reader::new().await;
    reader.take("examples/store");
    for block in &blocks {
        match block.language.as_str() {
            "toml" => {
                load(PAGE, block);
                reader.save(block);
            }
            "console" => {}
            other => panic!("{PAGE} line {}: nothing runs a block of \"{other}\"", block.line),
        }
    }
    reader.type_in(PAGE, &of_language(&blocks, "console")).await;
}

#[tokio::test]
async fn every_key_of_ours_in_a_worked_queue_is_on_the_page_on_keys() {
    let page = blocks::page("docs/redis-keys.md");
    let reader = Reader::new().await;
    reader.save(&block("toml", CONFIG));
    let url = reader.redis().url();
    let look = async {
        let mut queue = BullQueue::open(&url, "emails").await;
        let failed = queue.add("charge", json!({}), json!({})).await;
        drop(queue.finished(&failed).await);
        let mut connection = reader.redis().connection().await;
        // The records are written before the event that `finished` hears.
        let found: Vec<String> =
            redis::cmd("KEYS").arg("bull::x:*").query_async(&mut connection).await.unwrap();
        assert!(found.iter().any(|key| key.contains("job:")), "{found:?}");
        let fields: Vec<String> = redis::cmd("HKEYS")
            .arg(format!("bull::x:emails::job:{failed}"))
            .query_async(&mut connection)
            .await
            .unwrap();
        (found, fields)
    };
    let _worker = crate::support::bullock::Bullock::run_with(CONFIG, &[("REDIS_URL", url.as_str())]).await;
    let (keys, fields) = look.await;
    for key in keys {
        let name = key.strip_prefix("bull::x:emails::").unwrap();
        let name = name.split_once(':').map_or(name.to_owned(), |(kind, _)| {
            if name == "leases:stalled" { name.to_owned() } else { format!("{kind}:<") }
        });
        assert!(page.contains(&format!("| `{name}")), "docs/redis-keys.md does not name {key}");
    }
    for field in fields {
        let name = field.split_once(':').map_or(field.clone(), |(kind, _)| format!("{kind}:<"));
        assert!(page.contains(&format!("`{name}")), "docs/redis-keys.md does not name the field {field}");
    }
}
