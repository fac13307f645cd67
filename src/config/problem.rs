//! What is wrong with a config, in the one form that all our errors have.
//!
//! Must never know: which options exist. Made by every file of this room, printed by the CLI.

use std::fmt;
use std::sync::Arc;

use super::limits::SHOWN_CHARS_MAX;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A line of the config file, counted from 1; line 0 = the file as a whole.
    File {
        /// The file's name, as it was given.
        name: Arc<str>,
        /// The line.
        line: usize,
        /// The column in characters, counted from 1; 0 = none in particular.
        column: usize,
    },
    /// A variable of the environment.
    Env(String),
    /// A flag of the command line.
    Flag(String),
    /// Nowhere: it is our default.
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line: 0, .. } => write!(f, "{name}"),
            Self::File { name, line, column: 0 } => write!(f, "{name}:{line}"),
            Self::File { name, line, column } => write!(f, "{name}:{line}:{column}"),
            Self::Env(name) => write!(f, "env {name}"),
            Self::Flag(name) => f.write_str(name),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One thing that is wrong. Its text is one line: `<what> (<where>): <value>; expected <x>. hint: <next step>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The option and what is wrong with it.
    pub what: String,
    /// Where it was written.
    pub place: Place,
    /// The value as it may be shown: shortened, escaped, without secrets. Empty = left out.
    pub value: String,
    /// What would be right.
    pub expected: String,
    /// What to do next.
    pub hint: String,
}

impl Problem {
    /// A problem without a value.
    pub fn new(
        what: impl Into<String>,
        place: &Place,
        expected: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            what: what.into(),
            place: place.clone(),
            value: String::new(),
            expected: expected.into(),
            hint: hint.into(),
        }
    }

    /// The same with the offending value, which is shortened and escaped here.
    #[must_use]
    pub fn with_value(mut self, value: &str) -> Self {
        self.value = shown(value);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.place)?;
        if self.value.is_empty() {
            write!(f, ": ")?;
        } else {
            write!(f, ": {}; ", self.value)?;
        }
        write!(f, "expected {}. hint: {}", self.expected, self.hint)
    }
}

/// Everything that is wrong, at once. Displayed as one `error: …` line for each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// The lines in the order of the file: a person works from top to bottom.
    pub(super) fn sort(&mut self) {
        self.0.sort_by_key(|problem| match problem.place {
            Place::File { line, column, .. } => (0, line, column),
            _ => (1, 0, 0),
        });
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "error: {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A value made fit for one line: control characters and characters that turn the writing direction are escaped,
/// what is too long is cut.
pub(super) fn shown(value: &str) -> String {
    let mut out = String::new();
    for (count, c) in value.chars().enumerate() {
        if count == SHOWN_CHARS_MAX {
            out.push('…');
            break;
        }
        if c.is_control() || is_bidi_control(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Characters that make a terminal show text in another order than it has.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// The word of `known` that was probably meant.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, candidate), candidate))
        // A third of the letters may be wrong: more would suggest anything.
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
