//! Help texts: what is there, and how it reads.

use super::support::bullock::cli;

const COMMANDS: &[&[&str]] = &[
    &[],
    &["queue"],
    &["queue", "ls"],
    &["queue", "show"],
    &["queue", "pause"],
    &["queue", "resume"],
    &["job"],
    &["job", "add"],
    &["job", "ls"],
    &["job", "show"],
    &["job", "watch"],
    &["job", "logs"],
    &["job", "retry"],
    &["job", "promote"],
    &["job", "force-done"],
    &["job", "rm"],
    &["sync"],
    &["sync", "start"],
    &["sync", "show"],
    &["sync", "pause"],
    &["sync", "resume"],
    &["sync", "retry-items"],
    &["sync", "force-done"],
    &["zombies"],
    &["zombies", "ls"],
    &["zombies", "requeue"],
    &["zombies", "fail"],
    &["zombies", "force-done"],
    &["doctor"],
    &["move"],
    &["bench"],
    &["completions"],
    &["init"],
    &["man"],
    &["top"],
    &["audit"],
    &["queue", "stats"],
    &["queue", "drain"],
    &["queue", "obliterate"],
    &["flow"],
    &["flow", "show"],
    &["schedule"],
    &["schedule", "ls"],
    &["schedule", "add"],
    &["schedule", "rm"],
    &["schedule", "run"],
    &["worker"],
    &["worker", "ls"],
    &["worker", "quiet"],
    &["history"],
    &["config", "env"],
    &["config", "schema"],
];

/// The entries under a heading of a help text, continuation lines joined.
fn entries(help: &str, heading: &str) -> Vec<(String, String)> {
    let mut entries: Vec<(String, String)> = Vec::new();
    let lines = help.lines().skip_while(|line| *line != heading).skip(1);
    for line in lines.take_while(|line| line.starts_with(' ')) {
        let body = line.trim_start();
        let indent = line.len() - body.len();
        match body.split_once("  ") {
            Some((name, text)) if indent <= 6 => entries.push((name.to_owned(), text.trim().to_owned())),
            _ => {
                if let Some((_, text)) = entries.last_mut() {
                    text.push(' ');
                    text.push_str(body);
                }
            }
        }
    }
    entries
}

#[tokio::test]
async fn the_command_tree_is_the_documented_one() {
    let help = cli(&["--help"], &[]).await.stdout;
    let names = |help: &str| entries(help, "Commands:").into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let top = names(&help);
    let documented = [
        "init",
        "run",
        "dev",
        "demo",
        "board",
        "check",
        "config",
        "queue",
        "job",
        "sync",
        "flow",
        "schedule",
        "worker",
        "dead",
        "zombies",
        "doctor",
        "events",
        "top",
        "audit",
        "history",
        "move",
        "bench",
        "completions",
        "man",
    ];
    for name in documented {
        assert!(top.iter().any(|known| known == name), "{help}");
    }
    assert_eq!(
        names(&cli(&["queue", "--help"], &[]).await.stdout),
        ["ls", "show", "stats", "pause", "resume", "drain", "obliterate"]
    );
    let job = names(&cli(&["job", "--help"], &[]).await.stdout);
    assert_eq!(
        job,
        ["add", "ls", "show", "watch", "logs", "retry", "cancel", "kill", "promote", "force-done", "rm"]
    );
}

#[tokio::test]
async fn every_help_text_is_in_sentence_case_without_a_full_stop_and_names_the_shared_options() {
    for command in COMMANDS {
        let mut arguments = command.to_vec();
        arguments.push("--help");
        let answer = cli(&arguments, &[]).await;
        assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{answer:?}");
        assert!(answer.stdout.contains("\nUsage: bullock"), "{}", answer.stdout);
        assert!(answer.stdout.contains("\nShared options:\n"), "{}", answer.stdout);
        for heading in ["Commands:", "Arguments:", "Options:", "Shared options:"] {
            for (name, text) in entries(&answer.stdout, heading) {
                // Flags whose values begin the sentence are written as they are typed.
                let lower_case = ["--output", "-o, --output"].iter().any(|flag| name.starts_with(flag));
                assert!(
                    lower_case || text.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit()),
                    "{command:?} {name}: {text}"
                );
                assert!(!text.ends_with('.'), "{command:?} {name}: {text}");
            }
        }
        assert!(answer.stdout.lines().all(|line| line == line.trim_end()), "{}", answer.stdout);
    }
}

#[tokio::test]
async fn help_shows_no_password_of_the_environment() {
    let answer = cli(&["job", "add", "--help"], &[("BULLOCK_REDIS_URL", "redis://:s3cret@db")]).await;
    assert!(!answer.stdout.contains("s3cret"), "{}", answer.stdout);
}

#[tokio::test]
async fn manual_pages_are_printed_or_written_one_for_each_command() {
    let answer = cli(&["man"], &[]).await;
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(
        answer.stdout.contains(".TH bullock 1") && answer.stdout.contains("schedule"),
        "{}",
        answer.stdout
    );
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("man1");
    assert_eq!(cli(&["man", directory.to_str().unwrap()], &[]).await.code, 0);
    for page in ["bullock.1", "bullock-queue-ls.1", "bullock-job-force-done.1", "bullock-top.1"] {
        let text =
            std::fs::read_to_string(directory.join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        assert!(text.contains(".SH NAME") && text.contains(".SH OPTIONS"), "{page}: {text}");
    }
}

#[tokio::test]
async fn the_variables_that_set_options_are_listed_without_their_values() {
    let set = [("BULLOCK_ADMIN__LISTEN", "127.0.0.1:1"), ("BULLOCK_REDIS_URL", "redis://:s3cret@db")];
    let answer = cli(&["config", "env", "--json"], &set).await;
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(!answer.stdout.contains("s3cret"), "{}", answer.stdout);
    let listed: Vec<serde_json::Value> = serde_json::from_str(&answer.stdout).unwrap();
    let of =
        |name: &str| listed.iter().find(|one| one["variable"] == name).unwrap_or_else(|| panic!("{name}"));
    assert_eq!(
        (&of("BULLOCK_ADMIN__LISTEN")["set"], &of("BULLOCK_REDIS__URL")["set"]),
        (&true.into(), &true.into())
    );
    assert_eq!(of("BULLOCK_WORKER__LEASE")["default"], "\"15s\"");
    assert_eq!(of("BULLOCK_QUEUES__<NAME>__CONCURRENCY")["set"], false);
}

#[tokio::test]
async fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let answer = cli(&["completions", shell], &[]).await;
        assert_eq!(answer.code, 0, "{answer:?}");
        assert!(answer.stdout.contains("promote"), "{shell}");
    }
}
