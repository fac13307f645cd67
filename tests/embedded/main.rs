//! The private redis-server: starts fast, keeps its promises, leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

#[path = "../support/mod.rs"]
mod support;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bullock::embedded::{Options, Redis, StartError, Stopped, Storage};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgid};
use redis::aio::MultiplexedConnection;
use support::process::{Process, free_port};
use support::wait;

fn in_directory(path: &Path) -> Options {
    Options { storage: Storage::Directory(path.to_owned()), ..Options::default() }
}

fn ephemeral() -> Options {
    Options { storage: Storage::Ephemeral, ..Options::default() }
}

async fn connection(url: &str) -> MultiplexedConnection {
    redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap()
}

async fn setting(connection: &mut MultiplexedConnection, name: &str) -> String {
    let pair: (String, String) =
        redis::cmd("CONFIG").arg("GET").arg(name).query_async(connection).await.unwrap();
    pair.1
}

fn as_pid(pid: u32) -> Pid {
    Pid::from_raw(pid.cast_signed())
}

fn is_alive(pid: u32) -> bool {
    kill(as_pid(pid), None).is_ok()
}

#[tokio::test]
async fn it_answers_on_its_url_with_the_settings_that_jobs_need() {
    let started = Instant::now();
    let redis = Redis::start(ephemeral()).await.unwrap();
    println!("started in {:?}", started.elapsed());
    let mut client = connection(&redis.url()).await;
    assert_eq!(setting(&mut client, "appendonly").await, "yes");
    assert_eq!(setting(&mut client, "appendfsync").await, "everysec");
    assert_eq!(setting(&mut client, "maxmemory-policy").await, "noeviction");
    assert_eq!(setting(&mut client, "bind").await, "127.0.0.1");
    let stopping = Instant::now();
    assert_eq!(redis.stop().await, Stopped::Cleanly);
    println!("stopped in {:?}", stopping.elapsed());
}

#[tokio::test]
async fn it_asks_for_its_password() {
    let redis = Redis::start(ephemeral()).await.unwrap();
    let open = format!("redis://127.0.0.1:{}", redis.port());
    let refused = redis::Client::open(open).unwrap().get_multiplexed_async_connection().await;
    let asked = match refused {
        Err(error) => error.to_string(),
        Ok(mut client) => redis::cmd("DBSIZE")
            .query_async::<u64>(&mut client)
            .await
            .expect_err("a password is wanted")
            .to_string(),
    };
    assert!(asked.contains("NOAUTH"), "{asked}");
    redis.stop().await;
}

#[tokio::test]
async fn it_leads_its_own_process_group_so_that_ctrl_c_reaches_bullock_alone() {
    let redis = Redis::start(ephemeral()).await.unwrap();
    let pid = as_pid(redis.pid().unwrap());
    assert_eq!(getpgid(Some(pid)).unwrap(), pid);
    redis.stop().await;
}

#[tokio::test]
async fn data_and_url_are_the_same_after_a_restart() {
    let parent = tempfile::tempdir().unwrap();
    // A path that a config file would trip over.
    let directory = parent.path().join("it's a \"fine\" dïr");
    let redis = Redis::start(in_directory(&directory)).await.unwrap();
    let url = redis.url();
    let _: () = redis::cmd("SET").arg("k").arg("v").query_async(&mut connection(&url).await).await.unwrap();
    assert_eq!(redis.stop().await, Stopped::Cleanly);

    let redis = Redis::start(in_directory(&directory)).await.unwrap();
    assert_eq!(redis.url(), url);
    let kept: String = redis::cmd("GET").arg("k").query_async(&mut connection(&url).await).await.unwrap();
    assert_eq!(kept, "v");
    redis.stop().await;
}

#[tokio::test]
async fn a_directory_in_use_is_refused_and_its_holder_named() {
    let directory = tempfile::tempdir().unwrap();
    let first = Redis::start(in_directory(directory.path())).await.unwrap();
    let refused = Redis::start(in_directory(directory.path())).await.unwrap_err();
    assert!(
        matches!(refused, StartError::DirectoryInUse { pid: Some(pid), .. } if pid == std::process::id()),
        "{refused}"
    );
    first.stop().await;
}

#[tokio::test]
async fn an_ephemeral_directory_is_gone_after_the_stop_and_after_a_drop() {
    for stop in [true, false] {
        let redis = Redis::start(ephemeral()).await.unwrap();
        let (directory, pid) = (redis.directory().to_owned(), redis.pid().unwrap());
        assert!(directory.is_dir());
        if stop {
            redis.stop().await;
        } else {
            drop(redis);
        }
        assert!(!directory.exists());
        wait::until("the server to be gone", async || !is_alive(pid)).await;
    }
}

#[tokio::test]
async fn without_redis_server_the_error_is_the_install_command() {
    let options = Options { program: PathBuf::from("no-such-redis-server"), ..ephemeral() };
    let refused = Redis::start(options).await.unwrap_err();
    assert!(matches!(refused, StartError::NotInstalled { .. }), "{refused}");
    assert!(refused.to_string().contains("no-such-redis-server is not installed here; "), "{refused}");
}

#[tokio::test]
async fn a_given_port_is_used_and_one_that_is_taken_is_refused() {
    let redis = wait::value("a port that nobody else takes meanwhile", async || {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let refused = Redis::start(Options { port: Some(port), ..ephemeral() }).await.unwrap_err();
        assert!(matches!(refused, StartError::PortTaken { port: named } if named == port), "{refused}");
        drop(taken);
        let redis = Redis::start(Options { port: Some(port), ..ephemeral() }).await.ok()?;
        assert_eq!(redis.port(), port);
        Some(redis)
    })
    .await;
    redis.stop().await;
}

#[tokio::test]
async fn a_program_that_is_no_redis_server_is_reported_with_its_last_words() {
    let refused = Redis::start(Options { program: PathBuf::from("false"), ..ephemeral() }).await.unwrap_err();
    assert!(refused.to_string().contains("ended at once"), "{refused}");
}

#[tokio::test]
async fn its_unexpected_end_is_told() {
    let mut redis = Redis::start(ephemeral()).await.unwrap();
    kill(as_pid(redis.pid().unwrap()), Signal::SIGKILL).unwrap();
    let told = tokio::time::timeout(wait::DEADLINE, redis.died()).await.unwrap();
    assert!(told.contains("redis-server ended"), "{told}");
    assert_eq!(redis.stop().await, Stopped::Killed);
}

#[tokio::test]
async fn a_frozen_server_is_killed_in_the_end_and_not_waited_for_without_limit() {
    let redis = Redis::start(ephemeral()).await.unwrap();
    let pid = redis.pid().unwrap();
    kill(as_pid(pid), Signal::SIGSTOP).unwrap();
    let stopped = tokio::time::timeout(Duration::from_mins(1), redis.stop()).await.unwrap();
    assert_eq!(stopped, Stopped::Killed);
    assert!(!is_alive(pid));
}

/// A server as a killed Bullock leaves it: running in `directory`, and in the record of the lock file.
fn leave_behind(directory: &Path) -> Process {
    let port = free_port();
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--requirepass", "secret"]);
    command.args(["--save", "", "--appendonly", "yes", "--loglevel", "warning", "--dir"]).arg(directory);
    let process = Process::spawn(command.stdout(std::process::Stdio::null())).unwrap();
    write_record(directory, process.pid(), port);
    process
}

fn write_record(directory: &Path, redis_pid: u32, port: u16) {
    let record = serde_json::json!({
        "bullock_pid": 1, "redis_pid": redis_pid, "port": port, "password": "secret"
    });
    std::fs::write(directory.join("lock"), record.to_string()).unwrap();
}

fn orphan_url(directory: &Path) -> String {
    let text = std::fs::read_to_string(directory.join("lock")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&text).unwrap();
    format!("redis://:secret@127.0.0.1:{}", record["port"])
}

#[tokio::test]
async fn a_server_left_behind_by_a_killed_bullock_is_ended_and_its_data_taken_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap();
    let mut orphan = leave_behind(&path);
    let url = orphan_url(&path);
    wait::until("the server to take a write", async || {
        let Ok(client) = redis::Client::open(url.as_str()) else { return false };
        let Ok(mut client) = client.get_multiplexed_async_connection().await else { return false };
        redis::cmd("SET").arg("k").arg("v").query_async::<()>(&mut client).await.is_ok()
    })
    .await;

    let pid = orphan.pid();
    let start = tokio::spawn(async move { Redis::start(in_directory(&path)).await });
    // Our own child stays a zombie until we ask for it; a real orphan is reaped by the system.
    orphan.wait(wait::DEADLINE).await;
    let redis = start.await.unwrap().unwrap();
    assert_eq!(redis.ended_orphan(), Some(pid));
    assert_eq!(redis.url(), url);
    let kept: String = redis::cmd("GET").arg("k").query_async(&mut connection(&url).await).await.unwrap();
    assert_eq!(kept, "v");
    redis.stop().await;
}

#[tokio::test]
async fn a_stranger_with_the_pid_of_an_earlier_server_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut stranger = Process::spawn(Command::new("sleep").arg("600")).unwrap();
    write_record(directory.path(), stranger.pid(), free_port());
    let redis = Redis::start(in_directory(directory.path())).await.unwrap();
    assert_eq!(redis.ended_orphan(), None);
    assert!(stranger.ended().is_none());
    redis.stop().await;
}

#[tokio::test]
async fn a_server_left_behind_in_another_directory_is_left_alone() {
    let (here, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut other = leave_behind(elsewhere.path());
    let url = orphan_url(elsewhere.path());
    wait::until("the server to answer", async || {
        redis::Client::open(url.as_str()).unwrap().get_multiplexed_async_connection().await.is_ok()
    })
    .await;
    std::fs::copy(elsewhere.path().join("lock"), here.path().join("lock")).unwrap();
    let redis = Redis::start(in_directory(here.path())).await.unwrap();
    assert_eq!(redis.ended_orphan(), None);
    assert!(other.ended().is_none());
    redis.stop().await;
}
