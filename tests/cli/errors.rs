//! What goes wrong before any job is touched: usage, addresses, rights.

use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use super::support::bullock::{BINARY, cli};
use super::support::process::free_port;
use super::support::redis::Redis;
use super::{Place, one_error};

async fn refused(code: i32, url: &str) -> String {
    let answer = cli(&["queue", "ls", "--redis-url", url], &[]).await;
    assert_eq!((answer.code, answer.stdout.as_str()), (code, ""), "{url}: {answer:?}");
    let error = one_error(&answer);
    assert!(!error.contains("s3cret"), "{error}");
    error
}

#[tokio::test]
async fn wrong_redis_urls_are_refused_with_what_is_wrong_and_where() {
    assert!(
        refused(2, "http://db").await.contains("unknown scheme (--redis-url): http://; expected redis://")
    );
    assert!(refused(2, "redis://").await.contains("no host"));
    assert!(refused(2, "redis://db:99999").await.contains("no valid port (1 to 65535) (--redis-url): 99999"));
    let raw_at = refused(2, "redis://:s3cret@x@db").await;
    assert!(raw_at.contains("a raw @ at character 16") && raw_at.contains("%40"), "{raw_at}");
    let raw_hash = refused(2, "redis://:s3cret#x@db").await;
    assert!(raw_hash.contains("a raw # at character 16") && raw_hash.contains("%23"), "{raw_hash}");
}

#[tokio::test]
async fn the_flag_wins_over_bullock_redis_url_which_wins_over_redis_url() {
    let names = [("BULLOCK_REDIS_URL", "ftp://one"), ("REDIS_URL", "ftp://two")];
    let flag = cli(&["queue", "ls", "-r", "ftp://three"], &names).await.stderr;
    assert!(flag.contains("(--redis-url)"), "{flag}");
    let first = cli(&["queue", "ls"], &names).await.stderr;
    assert!(first.contains("(BULLOCK_REDIS_URL)"), "{first}");
    // An empty variable counts as unset.
    let second = cli(&["queue", "ls"], &[("BULLOCK_REDIS_URL", ""), names[1]]).await.stderr;
    assert!(second.contains("(REDIS_URL)"), "{second}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_in_one_line() {
    let url = format!("redis://:s3cret@127.0.0.1:{}", free_port());
    let error = refused(6, &url).await;
    assert!(error.starts_with("error: cannot reach Redis (redis://:***@127.0.0.1:"), "{error}");
    assert!(error.contains("): connection refused. hint: "), "{error}");
    let bench = cli(&["bench", "drain", "-r", &url, "--queue", "mail", "-n", "1"], &[]).await;
    assert_eq!(bench.code, 6, "{bench:?}");
    assert_eq!(one_error(&bench), error);
}

#[tokio::test]
async fn a_database_that_the_server_does_not_have_is_named() {
    let place = Place::start();
    let error = refused(2, &format!("{}/99", place.redis.url())).await;
    assert!(error.contains("no such database") && error.contains("/99"), "{error}");
}

#[tokio::test]
async fn a_missing_password_a_wrong_one_and_a_missing_right_are_three_messages() {
    let place = Place::start();
    place.redis(&["ACL", "SETUSER", "ada", "on", ">s3cret", "~bull:*", "+@all", "-evalsha"]).await;
    place.redis(&["CONFIG", "SET", "requirepass", "other"]).await;
    let bare = place.redis.url();
    let with = |userinfo: &str| bare.replace("redis://", &format!("redis://{userinfo}@"));

    let missing = refused(4, &bare).await;
    assert!(missing.contains("asks for a password (NOAUTH)"), "{missing}");
    let wrong = refused(4, &with("ada:s3cret2")).await;
    assert!(wrong.contains("wrong password for Redis user \"ada\" (WRONGPASS)"), "{wrong}");
    let answer = cli(&["job", "add", "mail", "x"], &[("REDIS_URL", &with("ada:s3cret"))]).await;
    let denied = one_error(&answer);
    assert_eq!(answer.code, 4, "{denied}");
    assert!(denied.contains("Redis user \"ada\" lacks a right (NOPERM)"), "{denied}");
    assert!(denied.contains("ACL SETUSER ada +evalsha") && !denied.contains("s3cret"), "{denied}");
    // What this user may do works, and what it may not is only left out.
    let answer = cli(&["queue", "ls"], &[("REDIS_URL", &with("ada:s3cret"))]).await;
    assert_eq!(answer.code, 0, "{answer:?}");
}

#[tokio::test]
async fn wrong_usage_ends_with_code_2() {
    let wrong: &[&[&str]] = &[
        &[],
        &["quue"],
        &["queue"],
        &["queue", "ls", "--bogus"],
        &["job", "ls"],
        &["job", "ls", "mail", "--state", "bogus"],
        &["job", "ls", "mail", "--limit", "0"],
        &["job", "ls", "mail", "--cursor", "50"],
        &["job", "ls", "mail", "--redis-url"],
        &["job", "retry", "mail"],
        &["job", "retry", "mail", "1", "--all-failed"],
        &["job", "add", "mail", "x", "--timeout", "5s"],
        &["queue", "ls", "-q", "-v"],
        &["queue", "ls", "--json", "-o", "csv"],
    ];
    for arguments in wrong {
        let answer = cli(arguments, &[]).await;
        assert_eq!((answer.code, answer.stdout.as_str()), (2, ""), "{arguments:?}: {answer:?}");
        assert!(!answer.stderr.is_empty(), "{arguments:?}");
    }
}

#[tokio::test]
async fn names_outside_the_charset_are_refused_before_anything_connects() {
    let long = "q".repeat(2000);
    for name in ["", "a*", "a b", "{x", "{a}{b}", "a\nb", "../x", &long] {
        let answer = cli(&["job", "ls", name, "-r", "redis://127.0.0.1:1"], &[]).await;
        assert_eq!(answer.code, 2, "{name:?}: {answer:?}");
        assert!(one_error(&answer).contains("expected 1 to 128 of"), "{answer:?}");
        let answer = cli(&["queue", "ls", "--prefix", name, "-r", "redis://127.0.0.1:1"], &[]).await;
        assert_eq!(answer.code, 2, "{name:?}: {answer:?}");
    }
}

#[tokio::test]
async fn an_argument_that_is_not_utf_8_is_wrong_usage() {
    let argument = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    let run = || Command::new(BINARY).args(["job", "show", "mail"]).arg(argument).output();
    let output = run().expect("the binary starts");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("invalid UTF-8"), "{output:?}");
}

#[tokio::test]
async fn a_replica_and_a_full_memory_are_said_to_be_so() {
    let place = Place::start();
    let port = place.redis.port().to_string();
    let replica = Place { redis: Redis::start_with(&["--replicaof", "127.0.0.1", &port]) };
    let error = replica.fails(6, &["job", "add", "mail", "x"]).await;
    assert!(
        error.contains("connected to a read-only replica") && error.contains("expected the primary"),
        "{error}"
    );

    place.redis(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let error = place.fails(1, &["job", "add", "mail", "x"]).await;
    assert!(error.contains("Redis is out of memory"), "{error}");
    assert_eq!(place.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_server_that_stands_still_is_given_up() {
    let place = Place::start();
    place.redis.freeze();
    let error = place.fails(6, &["queue", "ls"]).await;
    place.redis.thaw();
    assert!(error.starts_with("error: cannot reach Redis (redis://127.0.0.1:"), "{error}");
    assert!(error.contains("): timed out. hint: "), "{error}");
}

#[tokio::test]
async fn what_is_not_redis_is_said_to_be_so() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let answering = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ =
                tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let error = refused(6, &url).await;
    answering.abort();
    assert!(error.contains("what answers there is not Redis"), "{error}");
}
