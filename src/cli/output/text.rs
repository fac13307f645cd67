//! Small sums on text for columns of a terminal, tabs and CSV.

use unicode_width::UnicodeWidthChar as _;

use crate::cli::error::is_unprintable;

/// A foreign text on one line, without anything that moves the cursor.
pub(super) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unprintable(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Columns that a text takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// Cuts to `most` columns, with an ellipsis.
pub(super) fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let (mut out, mut used) = (String::new(), 1);
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > most {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

/// A line of CSV: RFC 4180, with a plain line feed.
pub(super) fn csv_line(values: impl Iterator<Item = String>) -> String {
    let quoted = values.map(|value| {
        let plain = !value.contains([',', '"', '\n', '\r']);
        if plain { value } else { format!("\"{}\"", value.replace('"', "\"\"")) }
    });
    quoted.collect::<Vec<_>>().join(",") + "\n"
}

#[cfg(test)]
mod tests {
    use super::{csv_line, cut};

    #[test]
    fn a_cut_text_is_as_wide_as_allowed_and_wide_characters_count_twice() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("abcd", 4), "abcd");
    }

    #[test]
    fn csv_quotes_what_would_split_a_line() {
        let line = csv_line(["a", "b,c", "say \"hi\""].map(str::to_owned).into_iter());
        assert_eq!(line, "a,\"b,c\",\"say \"\"hi\"\"\"\n");
    }
}
