//! What an option is: its path, the kind of its value, its default, and whether this version has it.
//!
//! Owns: the types and look-ups of the catalogue. Must never know: what an option does. The check of the tree, the
//! typed reads, the JSON Schema, `config show` and the test of `config/bullock.toml` all read the one catalogue, so they
//! cannot disagree.

pub(super) use super::catalogue::OPTIONS;
use super::units;

/// One option, or one name that is known for later.
#[derive(Debug, Clone, Copy)]
pub struct Opt {
    /// Dotted path; a segment in angle brackets stands for any name, `[]` for an element of an array of tables.
    pub path: &'static str,
    /// What its value looks like.
    pub kind: Kind,
    /// What holds when it is left out.
    pub default: Default,
    /// One line for the reference and for editors.
    pub about: &'static str,
}

/// What a value looks like, with its bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Options below it, each with an entry of its own.
    Table,
    /// An array of tables.
    Tables,
    /// Any text.
    Text,
    /// Text that is shown as `***`.
    Secret,
    /// One secret or an array of them.
    Secrets,
    /// A URL: shown without what stands before the `@`.
    Url,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Bool,
    /// A whole number from..=to.
    Int(u64, u64),
    /// A number from..=to.
    Number(f64, f64),
    /// A duration from..=to in milliseconds.
    Duration(u64, u64),
    /// The same, or `"none"`.
    DurationOrNone(u64, u64),
    /// Durations, at least one, from..=to in milliseconds.
    Durations(u64, u64),
    /// A size from..=to in bytes.
    Size(u64, u64),
    /// An array of texts.
    Texts,
    /// An array of whole numbers from..=to.
    Ints(u64, u64),
    /// Known, but in no version yet: refused with this text, never ignored.
    NotYet(&'static str),
}

/// What holds when an option is left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Default {
    /// Nothing.
    None,
    /// It cannot be left out.
    Required,
    /// A text.
    Text(&'static str),
    /// A truth.
    Bool(bool),
    /// A whole number.
    Int(u64),
    /// A number.
    Number(f64),
    /// Milliseconds.
    Ms(u64),
    /// Bytes.
    Bytes(u64),
    /// Texts.
    Texts(&'static [&'static str]),
    /// Whole numbers.
    Ints(&'static [u64]),
}

impl Default {
    /// The default as it would be written in the file; `None` where there is nothing to write.
    pub fn to_toml(self) -> Option<String> {
        Some(match self {
            Self::None | Self::Required => return None,
            Self::Text(text) => format!("\"{text}\""),
            Self::Bool(truth) => truth.to_string(),
            Self::Int(int) => int.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Ms(ms) => format!("\"{}\"", units::format_duration_ms(ms)),
            Self::Bytes(bytes) => format!("\"{}\"", units::format_bytes(bytes)),
            Self::Texts(texts) => format!("{texts:?}"),
            Self::Ints(ints) => format!("{ints:?}"),
        })
    }
}

impl Kind {
    /// Whether a value of this kind must never be shown.
    pub fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::Secrets)
    }

    /// What a value of this kind should be, for `expected …`.
    pub fn expected(self) -> String {
        let ms = units::format_duration_ms;
        match self {
            Self::Table => "a table".to_owned(),
            Self::Tables => "an array of tables".to_owned(),
            Self::Text | Self::Secret => "text".to_owned(),
            Self::Secrets => "one secret or an array of them".to_owned(),
            Self::Url => "a URL".to_owned(),
            Self::Choice(words) => {
                words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ")
            }
            Self::Bool => "true or false".to_owned(),
            Self::Int(from, to) => format!("a whole number, {from}..={to}"),
            Self::Number(from, to) => format!("a number, {from}..={to}"),
            Self::Duration(from, to) => format!("e.g. \"30s\", {}..={}", ms(from), ms(to)),
            Self::DurationOrNone(from, to) => format!("e.g. \"30s\", {}..={}, or \"none\"", ms(from), ms(to)),
            Self::Durations(from, to) => format!("e.g. [\"1s\", \"1m\"], each {}..={}", ms(from), ms(to)),
            Self::Size(from, to) => {
                format!("e.g. \"1MiB\", {}..={}", units::format_bytes(from), units::format_bytes(to))
            }
            Self::Texts => "an array of texts".to_owned(),
            Self::Ints(from, to) => format!("an array of whole numbers, each {from}..={to}"),
            Self::NotYet(_) => "it left out".to_owned(),
        }
    }
}

/// The option of a path as in the catalogue (`queues.<name>.concurrency`).
pub(super) fn find(path: &str) -> Option<&'static Opt> {
    OPTIONS.iter().find(|option| option.path == path)
}

/// The options directly below a path; the empty path is the root.
pub(super) fn children(path: &str) -> impl Iterator<Item = (&'static str, &'static Opt)> {
    OPTIONS.iter().filter_map(move |option| {
        let below =
            if path.is_empty() { option.path } else { option.path.strip_prefix(path)?.strip_prefix('.')? };
        (!below.contains('.')).then_some((below, option))
    })
}

/// The option that a key below `path` means: by its own name, or the one that stands for any name.
pub(super) fn child(path: &str, key: &str) -> Option<&'static Opt> {
    let own = children(path).find(|(name, _)| *name == key && !name.starts_with('<'));
    own.or_else(|| children(path).find(|(name, _)| name.starts_with('<'))).map(|(_, option)| option)
}

/// A key as it stands in a dotted path: bare where TOML allows it, quoted and escaped where not.
pub(super) fn quoted(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { key.to_owned() } else { format!("\"{}\"", super::problem::shown(key)) }
}

/// `parent.key`, with the key quoted where it must be.
pub(super) fn join(parent: &str, key: &str) -> String {
    if parent.is_empty() { quoted(key) } else { format!("{parent}.{}", quoted(key)) }
}
