//! Forms of output: pipes, terminals, CSV, hostile texts, a reader that goes away.

use std::process::Command;

use serde_json::json;

use super::Place;
use super::support::bullock::BINARY;
use super::support::node::BullQueue;

#[tokio::test]
async fn in_a_pipe_a_list_is_tab_separated_without_a_header_and_with_full_times() {
    let place = Place::start();
    place.add(&["mail", "welcome", "--job-id", "a", "--attempts", "3"]).await;
    let listed = place.ok(&["job", "ls", "mail"]).await;
    let cells: Vec<&str> = listed.trim_end_matches('\n').split('\t').collect();
    assert_eq!(cells[..5], ["a", "welcome", "queued", "", "0/3"], "{listed}");
    assert!(cells[5].ends_with('Z') && cells[5].contains('T'), "{listed}");
    let csv = place.ok(&["job", "ls", "mail", "-o", "csv"]).await;
    assert!(
        csv.starts_with(
            "id,name,status,state,progress,att,age,run,worker,data,detail\na,welcome,queued,waiting,,0/3,"
        ),
        "{csv}"
    );
}

#[tokio::test]
async fn texts_of_producers_cannot_move_the_cursor_or_add_lines() {
    let place = Place::start();
    let mut mail = BullQueue::open(&place.redis.url(), "mail").await;
    let name = "two\nlines\t\u{1b}[31mred\u{202e}";
    let id = mail.add(name, json!({}), json!({})).await;
    for form in ["table", "wide"] {
        let listed = place.ok(&["job", "ls", "mail", "-o", form]).await;
        assert_eq!(listed.lines().count(), 2, "{listed}");
        assert!(listed.contains(r"two\nlines\t\u{1b}[31mred\u{202e}"), "{listed}");
    }
    assert_eq!(place.ok(&["job", "ls", "mail"]).await.matches('\t').count(), 8);
    assert!(!place.ok(&["job", "show", "mail", &id]).await.contains('\u{1b}'));
    assert_eq!(place.json(&["job", "show", "mail", &id]).await["name"], name);
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_error() {
    let place = Place::start();
    let mut mail = BullQueue::open(&place.redis.url(), "mail").await;
    let jobs: Vec<_> = (0..50).map(|_| json!({"name": "x", "data": {"text": "y".repeat(20_000)}})).collect();
    mail.call("addBulk", json!([jobs])).await.unwrap();
    let script =
        format!("({BINARY} job ls mail --json -r {}; echo code $? >&2) | head -c 1", place.redis.url());
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "code 0\n");
}

#[tokio::test]
async fn on_a_terminal_a_list_is_a_table_in_colours_unless_they_are_unwanted() {
    let place = Place::start();
    place.add(&["mail", "welcome", "--job-id", "a"]).await;
    let command = format!("{BINARY} job ls mail -r {}", place.redis.url());
    let on_terminal = |command: &str| {
        let mut script = Command::new("script");
        script.args(["-qec", command, "/dev/null"]).env_remove("NO_COLOR").env("TERM", "xterm");
        String::from_utf8_lossy(&script.output().expect("script, of util-linux").stdout).into_owned()
    };
    let coloured = on_terminal(&command);
    assert!(coloured.contains("\u{1b}[2mID\u{1b}[0m"), "{coloured}");
    let plain = on_terminal(&format!("{command} --no-color"));
    assert!(plain.starts_with("ID  NAME     STATUS  ATT  AGE\r\na   welcome  queued  0/1"), "{plain:?}");
}
