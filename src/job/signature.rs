//! Error signatures: what failures have in common when their numbers, ids and quoted texts are left out.
//!
//! Owns: the rule. Must never know: where failures are stored. Called by what lists, groups and replays dead letters.
//!
//! Of the first line of a message, from left to right: a quoted text becomes `"…"`; a word of eight or more hexadecimal
//! digits, a UUID, or a word of twelve or more characters with a digit in it becomes `<id>`; any other run of digits,
//! with the points, commas and colons inside it, becomes `<n>`. A number behind `status`, `code` or `HTTP` stays: 404 and
//! 503 are two errors.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};

/// Longest signature, in characters.
const CHARS_MAX: usize = 200;
/// From so many hexadecimal digits on, a word is an id.
const HEX_MIN: usize = 8;
/// From so many characters on, a word with a digit in it is an id.
const ID_MIN: usize = 12;
/// Words whose number says what went wrong.
const TELLING: [&str; 4] = ["status", "code", "http", "exit"];

/// What failures of one kind say, and its short name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signature {
    /// The masked text.
    pub text: String,
    /// Eight hexadecimal digits that stand for it.
    pub hash: String,
}

/// The signature of a failure's message.
///
/// # Examples
///
/// ```
/// use bullock::job::signature::signature;
/// let a = signature("connect ECONNREFUSED 10.0.0.7:6379 after 120ms");
/// let b = signature("connect ECONNREFUSED 10.0.0.9:6379 after 80ms\n    at Socket");
/// assert_eq!(a, b);
/// assert_eq!(a.text, "connect ECONNREFUSED <n> after <n>ms");
/// assert_eq!(signature("no shop \"acme\" (id 7f3a9c01d2)").text, "no shop \"…\" (id <id>)");
/// assert_ne!(signature("status 404").hash, signature("status 503").hash);
/// ```
pub fn signature(message: &str) -> Signature {
    let line: Vec<char> =
        message.lines().find(|line| !line.trim().is_empty()).unwrap_or("").trim().chars().collect();
    let (mut text, mut at, mut last_word) = (String::new(), 0, String::new());
    while at < line.len() && text.chars().count() < CHARS_MAX {
        if let Some(end) = quoted_end(&line, at) {
            text.push_str("\"…\"");
            at = end;
        } else if line[at].is_alphanumeric() {
            let end = word_end(&line, at);
            let word: String = line[at..end].iter().collect();
            mask(&word, TELLING.contains(&last_word.as_str()), &mut text);
            last_word = word.to_lowercase();
            at = end;
        } else {
            text.push(line[at]);
            at += 1;
        }
    }
    let text: String = text.chars().take(CHARS_MAX).collect();
    let hash = Md5::digest(text.as_bytes()).iter().take(4).fold(String::new(), |mut hash, byte| {
        let _ = write!(hash, "{byte:02x}");
        hash
    });
    Signature { text, hash }
}

/// Where a quoted text that begins here ends. An apostrophe inside a word quotes nothing.
fn quoted_end(line: &[char], at: usize) -> Option<usize> {
    let quote = line[at];
    if !matches!(quote, '"' | '\'' | '`') || (at > 0 && line[at - 1].is_alphanumeric()) {
        return None;
    }
    let length = line[at + 1..].iter().position(|c| *c == quote)?;
    let end = at + length + 2;
    line.get(end).is_none_or(|c| !c.is_alphanumeric()).then_some(end)
}

/// The end of a word: letters, digits, and what joins them inside an id or a number.
fn word_end(line: &[char], at: usize) -> usize {
    let mut end = at + 1;
    while end < line.len() {
        let joins = match line[end] {
            '-' | '_' => line.get(end + 1).is_some_and(|c| c.is_alphanumeric()),
            '.' | ',' | ':' => {
                line[end - 1].is_ascii_digit() && line.get(end + 1).is_some_and(char::is_ascii_digit)
            }
            c => c.is_alphanumeric(),
        };
        if !joins {
            break;
        }
        end += 1;
    }
    end
}

fn mask(word: &str, telling: bool, out: &mut String) {
    let has_digit = word.chars().any(|c| c.is_ascii_digit());
    let bare = word.strip_prefix("0x").unwrap_or(word);
    let is_number = word.chars().all(|c| c.is_ascii_digit() || ".,:".contains(c));
    let is_hex = bare.len() >= HEX_MIN && bare.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    if !has_digit || (is_number && telling) {
        out.push_str(word);
    } else if is_number {
        out.push_str("<n>");
    } else if is_hex || word.chars().count() >= ID_MIN {
        out.push_str("<id>");
    } else {
        digits_masked(word, out);
    }
}

/// Each run of digits in a word as `<n>`, with what joins digits.
fn digits_masked(word: &str, out: &mut String) {
    let chars: Vec<char> = word.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        if !chars[at].is_ascii_digit() {
            out.push(chars[at]);
            at += 1;
            continue;
        }
        out.push_str("<n>");
        while at < chars.len() && (chars[at].is_ascii_digit() || ".,:".contains(chars[at])) {
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::signature;

    #[test]
    fn what_differs_from_job_to_job_is_left_out() {
        let cases = [
            ("timeout of 5000ms exceeded", "timeout of <n>ms exceeded"),
            ("can't find customer cus_9s6XKzkNRiz8i3", "can't find customer <id>"),
            ("order 7f9c24e8-3b12-4b1e-9d3a-0f5a4f3b2c1d is gone", "order <id> is gone"),
            ("bad address 0x7ffdeadbeef0", "bad address <id>"),
            ("no such table `orders_2026`", "no such table \"…\""),
            ("'a' is not 'b'", "\"…\" is not \"…\""),
            ("it's the shop's fault", "it's the shop's fault"),
            ("status 503 from 10.0.0.1:80", "status 503 from <n>"),
            ("exit status 1: card declined", "exit status 1: card declined"),
            ("line 12, column 3", "line <n>, column <n>"),
            ("\n  second line\nthird", "second line"),
            ("", ""),
            ("“größer” als 5 €", "“größer” als <n> €"),
        ];
        for (message, text) in cases {
            assert_eq!(signature(message).text, text, "{message}");
        }
    }

    #[test]
    fn a_signature_is_bounded_and_its_own_signature() {
        let long = "x1 ".repeat(1000);
        let once = signature(&long);
        assert!(once.text.chars().count() <= super::CHARS_MAX);
        assert_eq!(once.hash.len(), 8);
    }
}
