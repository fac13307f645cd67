//! The config as typed: a tree of values that know where they were written.
//!
//! Owns: reading TOML, and the problems of its syntax. Must never know: which options exist. Called by the loader.

use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::problem::{Place, Problem, Problems};

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
    /// The text as it was typed, for messages: `${VAR}` stays `${VAR}`.
    pub(super) written: String,
    /// The value came as text from the environment, a flag or a `${VAR}`, so a number may have been meant.
    pub(super) textual: bool,
    /// What this value took the place of, for `config show`.
    pub(super) over: Option<Place>,
}

/// TOML's types, and what became of a value that was refused.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    List(Vec<Node>),
    Table(Table),
    /// A type that no option has: dates, integers above 64 bits.
    Other,
    /// Refused already: whoever reads it goes on with the default and says nothing.
    Bad,
}

/// A table in the order of the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Table(pub(super) Vec<Entry>);

/// A key and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) node: Node,
}

impl Table {
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.0.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The value of a key, made on the spot as an empty table.
    pub(super) fn entry(&mut self, key: &str, place: &Place) -> &mut Node {
        let index = self.0.iter().position(|entry| entry.key == key).unwrap_or_else(|| {
            let node = Node {
                value: Value::Table(Self::default()),
                place: place.clone(),
                written: String::new(),
                textual: false,
                over: None,
            };
            self.0.push(Entry { key: key.to_owned(), place: place.clone(), node });
            self.0.len() - 1
        });
        &mut self.0[index].node
    }
}

impl Node {
    /// A value that came as text from outside the file.
    pub(super) fn textual(text: &str, place: Place) -> Self {
        Self {
            value: Value::Text(text.to_owned()),
            place,
            written: format!("\"{text}\""),
            textual: true,
            over: None,
        }
    }
}

/// A text of TOML and its name, from which places are made.
struct Source<'a> {
    name: Arc<str>,
    text: &'a str,
}

/// Reads TOML. What can be understood is returned even beside problems, so that all are found in one go.
pub(super) fn parse(name: &str, text: &str, problems: &mut Problems) -> Table {
    // A byte order mark is what some editors put in front; it is no part of the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let source = Source { name: name.into(), text };
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let problem = source.syntax(error, root.get_ref());
        // What follows on the same line is mostly the first one's doing.
        let line = |problem: &Problem| match problem.place {
            Place::File { line, .. } => line,
            _ => 0,
        };
        if !problems.0.iter().any(|told| line(told) == line(&problem)) {
            problems.push(problem);
        }
    }
    source.table(root.get_ref())
}

/// Reads one TOML value, such as the text of a variable.
pub(super) fn parse_value(text: &str, place: &Place) -> Option<Node> {
    let value = DeValue::parse(text).ok()?;
    let source = Source { name: "".into(), text };
    let mut node = source.node(value.get_ref(), value.span());
    replace_places(&mut node, place);
    Some(node)
}

fn replace_places(node: &mut Node, place: &Place) {
    node.place = place.clone();
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| replace_places(item, place)),
        Value::Table(table) => {
            for entry in &mut table.0 {
                entry.place = place.clone();
                replace_places(&mut entry.node, place);
            }
        }
        _ => {}
    }
}

impl Source<'_> {
    fn table(&self, table: &DeTable<'_>) -> Table {
        let mut entries: Vec<(usize, Entry)> = table
            .iter()
            .map(|(key, value)| {
                let entry = Entry {
                    key: key.get_ref().to_string(),
                    place: self.line_of(key.span().start),
                    node: self.node(value.get_ref(), value.span()),
                };
                (key.span().start, entry)
            })
            .collect();
        entries.sort_by_key(|(start, _)| *start);
        Table(entries.into_iter().map(|(_, entry)| entry).collect())
    }

    fn node(&self, value: &DeValue<'_>, span: Range<usize>) -> Node {
        let written = self.text.get(span.clone()).unwrap_or_default();
        let value = match value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(int) => {
                i64::from_str_radix(int.as_str(), int.radix()).map_or(Value::Other, Value::Int)
            }
            DeValue::Float(float) => float.as_str().parse().map_or(Value::Other, Value::Float),
            DeValue::Boolean(truth) => Value::Bool(*truth),
            DeValue::Datetime(_) => Value::Other,
            DeValue::Array(items) => {
                Value::List(items.iter().map(|item| self.node(item.get_ref(), item.span())).collect())
            }
            DeValue::Table(table) => Value::Table(self.table(table)),
        };
        let place = self.line_of(span.start);
        Node { value, place, written: written.to_owned(), textual: false, over: None }
    }

    fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    fn line_of(&self, offset: usize) -> Place {
        Place::File { name: self.name.clone(), line: self.position(offset).0, column: 0 }
    }

    fn syntax(&self, error: &toml::de::Error, root: &DeTable<'_>) -> Problem {
        let span = error.span().unwrap_or(0..0);
        if error.message() == "duplicate key" {
            return self.duplicate(&span, root);
        }
        let (line, column) = self.position(span.start);
        let place = Place::File { name: self.name.clone(), line, column };
        let text = self.text.lines().nth(line - 1).unwrap_or_default();
        let (what, expected) = error.message().split_once(", expected ").unwrap_or((error.message(), "TOML"));
        let hint = if text.trim_start().starts_with("- ") || looks_like_yaml(text) {
            "this looks like YAML; the config is TOML: [section] lines and key = value"
        } else {
            "correct this line; text needs quotes, as in key = \"value\""
        };
        // A line that cannot be read may hold a password: see `without_value`.
        Problem::new(format!("syntax error, {what}"), &place, expected, hint).with_value(&without_value(text))
    }

    /// Names the second place, which is where the parser noticed, and the first.
    fn duplicate(&self, span: &Range<usize>, root: &DeTable<'_>) -> Problem {
        let (line, _) = self.position(span.start);
        let key = self.text.get(span.clone()).unwrap_or_default();
        let place = Place::File { name: self.name.clone(), line, column: 0 };
        let header = self.text.lines().nth(line - 1).unwrap_or_default().trim_start().starts_with('[');
        let kind = if header { "table" } else { "key" };
        let path = self.path_of(span.start, line, header);
        let first = path.and_then(|path| {
            let of_key = || first_place(root, &path).map(|start| self.position(start).0);
            if header { self.first_header(&path) } else { of_key() }.filter(|first| *first < line)
        });
        let also =
            first.map_or(String::new(), |first| format!(", first on line {first} and again on line {line}"));
        Problem::new(
            format!("duplicate {kind}{also}"),
            &place,
            "each name once",
            "merge the two, or delete one of them",
        )
        .with_value(key)
    }

    /// The line of the first header of a path; of two tables the parser keeps the later one only.
    fn first_header(&self, path: &[String]) -> Option<usize> {
        let is_it = |line: &str| {
            line.trim_start().starts_with('[') && single_path(line).is_some_and(|own| own == path)
        };
        self.text.lines().position(is_it).map(|index| index + 1)
    }

    /// The full path of the key that begins at `offset`, from its own line and the header above it.
    fn path_of(&self, offset: usize, line: usize, header: bool) -> Option<Vec<String>> {
        let lines: Vec<&str> = self.text.lines().collect();
        let own = lines.get(line - 1)?;
        if header {
            return single_path(own);
        }
        let section = lines[..line - 1].iter().rev().find(|line| line.trim_start().starts_with('['));
        let mut path = section.map_or(Some(Vec::new()), |line| single_path(line))?;
        let line_start = self.text.get(..offset)?.rfind('\n').map_or(0, |at| at + 1);
        let key_part = self.text.get(line_start..)?.lines().next()?.split('=').next()?;
        path.extend(single_path(&format!("{key_part} = 0"))?);
        Some(path)
    }
}

/// The path of a document that consists of one header or one assignment.
fn single_path(text: &str) -> Option<Vec<String>> {
    let parsed = DeTable::parse(text).ok()?;
    let mut path = Vec::new();
    let mut table = parsed.get_ref().clone();
    loop {
        let (key, value) = table.iter().next().map(|(key, value)| (key.clone(), value.clone()))?;
        path.push(key.get_ref().to_string());
        match value.into_inner() {
            DeValue::Table(inner) if !inner.is_empty() => table = inner,
            _ => return Some(path),
        }
    }
}

fn first_place(root: &DeTable<'_>, path: &[String]) -> Option<usize> {
    let (last, parents) = path.split_last()?;
    let mut table = root;
    for name in parents {
        table = table.iter().find(|(key, _)| key.get_ref() == name)?.1.get_ref().as_table()?;
    }
    table.iter().find(|(key, _)| key.get_ref() == last).map(|(key, _)| key.span().start)
}

fn looks_like_yaml(line: &str) -> bool {
    line.split_once(':').is_some_and(|(key, _)| {
        let key = key.trim();
        !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    })
}

/// The line itself, unless it may hold a secret.
fn without_value(line: &str) -> String {
    let lower = line.to_lowercase();
    let secret = ["://", "secret", "token", "password", "authorization", "sha256", "url"];
    if !secret.iter().any(|word| lower.contains(word)) {
        return line.trim().to_owned();
    }
    let key = line.split(['=', ':']).next().unwrap_or_default().trim();
    format!("{key} …")
}
