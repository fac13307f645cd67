//! Whatever is typed: no panic, one line for each problem, and a slip in a key is always refused.

use bullock::config::{Config, accepted_options, parse_bytes, parse_duration_ms, shown_url};
use proptest::prelude::*;

/// One slip: a letter left out, doubled, replaced or swapped with the next.
fn slip(word: &str, at: usize, kind: usize, letter: char) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    let at = at % letters.len();
    match kind % 4 {
        0 => drop(letters.remove(at)),
        1 => letters.insert(at, letters[at]),
        2 => letters[at] = letter,
        _ if at + 1 < letters.len() => letters.swap(at, at + 1),
        _ => letters.push(letter),
    }
    letters.into_iter().collect()
}

fn load(text: &str) -> Result<Config, bullock::config::Problems> {
    Config::from_text("bullock.toml", text, std::iter::empty())
}

proptest! {
    #[test]
    fn a_slip_in_a_key_is_refused_and_named(index in 0usize..1000, at in 0usize..20, kind in 0usize..4, letter in "[a-z]") {
        let options: Vec<_> = accepted_options().filter(|option| option.path.matches('.').count() == 1 && !option.path.contains('<')).collect();
        let (section, key) = options[index % options.len()].path.split_once('.').unwrap();
        let wrong = slip(key, at, kind, letter.chars().next().unwrap());
        prop_assume!(!wrong.is_empty() && !accepted_options().any(|option| option.path == format!("{section}.{wrong}")));
        let text = format!("[{section}]\n{wrong} = 1\n[queues.a.handlers.x]\nhttp = \"http://h/x\"\n");
        let problems = load(&text).unwrap_err().to_string();
        prop_assert!(problems.contains("unknown key (bullock.toml:2): ") || problems.contains("not yet: "), "{}", problems);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC*") {
        let _ = load(&text);
    }

    #[test]
    fn no_value_makes_it_panic(index in 0usize..1000, value in "[\"'0-9a-z{}\\[\\]:/@#%.$\\\\ =,-]{0,30}") {
        let options: Vec<_> = accepted_options().collect();
        let path = options[index % options.len()].path.replace(['<', '>', ' '], "").replace(".[]", "");
        for text in [format!("{path} = {value}\n"), format!("{path} = \"{value}\"\n"), format!("{path} = [{value}]\n")] {
            if let Err(problems) = load(&text) {
                prop_assert!(problems.to_string().lines().all(|line| line.starts_with("error: ")), "{}", problems);
            }
        }
    }

    #[test]
    fn no_variable_makes_it_panic(name in "BULLOCK_[A-Z_]{0,20}", value in "\\PC{0,20}") {
        let _ = Config::from_text("bullock.toml", "[queues.a.handlers.x]\nhttp = \"http://h/x\"\n", [(name, value)].into_iter());
    }

    #[test]
    fn what_a_unit_says_is_read_back(ms in 0u64..1_000_000_000_000) {
        prop_assert_eq!(parse_duration_ms(&bullock::config::format_duration_ms(ms)), Ok(ms));
        prop_assert_eq!(parse_bytes(&bullock::config::format_bytes(ms)), Ok(ms));
    }

    #[test]
    fn a_shown_url_never_holds_the_password(user in "[a-z]{0,5}", password in "[!-~]{0,20}", host in "[a-z]{1,9}") {
        let url = format!("redis://{user}:QQ{password}QQ@{host}:6379/0");
        let shown = shown_url(&url);
        prop_assert!(!shown.contains("QQ"), "{} was shown for {}", shown, url);
    }
}

#[test]
fn deep_nesting_is_an_error_and_not_a_crash() {
    let dotted = vec!["a"; 100_000].join(".");
    for text in [
        format!("{dotted} = 1\n"),
        format!("[{dotted}]\n"),
        format!("x = {}\n", "[".repeat(100_000)),
        format!("x = {}\n", "{ a = ".repeat(100_000)),
    ] {
        let problems = load(&text).unwrap_err().to_string();
        assert!(problems.starts_with("error: ") && problems.len() < 2000, "{}", problems.len());
    }
}
