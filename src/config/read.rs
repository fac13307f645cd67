//! Typed reads of a checked tree. What is absent or was refused is the default of the catalogue.
//!
//! Must never know: rules between options. Called by the readers of each section.

use std::time::Duration;

use super::check::shown_value;
use super::options::{self, Default, Opt};
use super::problem::{Place, Problem};
use super::raw::{Node, Table, Value};
use super::units;

/// A table of the file, or its absence, with its place in the catalogue.
pub(super) struct Section<'a> {
    table: Option<&'a Table>,
    pattern: String,
    /// The path in the file, for messages.
    pub(super) path: String,
    /// Where its header stands.
    pub(super) place: Place,
}

impl<'a> Section<'a> {
    /// The root of the tree.
    pub(super) fn root(table: &'a Table) -> Self {
        Self { table: Some(table), pattern: String::new(), path: String::new(), place: Place::Default }
    }

    /// A table below this one.
    pub(super) fn section(&self, key: &str) -> Self {
        self.below(key, key)
    }

    /// The tables below this one whose names are the user's, in the order of the file.
    pub(super) fn named(&self) -> Vec<(&'a str, Self)> {
        let any = options::children(&self.pattern).map(|(name, _)| name).find(|name| name.starts_with('<'));
        let (Some(any), Some(table)) = (any, self.table) else { return Vec::new() };
        table.0.iter().map(|entry| (entry.key.as_str(), self.below(&entry.key, any))).collect()
    }

    /// The tables of an array of tables.
    pub(super) fn items(&self, key: &str) -> Vec<Self> {
        let Some(Node { value: Value::List(items), .. }) = self.node(key) else { return Vec::new() };
        let item = |(index, node): (usize, &'a Node)| Self {
            table: as_table(node),
            pattern: format!("{}.[]", self.pattern_of(key)),
            path: format!("{}[{index}]", self.path_of(key)),
            place: node.place.clone(),
        };
        items.iter().enumerate().map(item).collect()
    }

    fn below(&self, key: &str, segment: &str) -> Self {
        let entry = self.table.and_then(|table| table.0.iter().find(|entry| entry.key == key));
        Self {
            table: entry.and_then(|entry| as_table(&entry.node)),
            pattern: self.pattern_of(segment),
            path: self.path_of(key),
            place: entry.map_or_else(|| self.place.clone(), |entry| entry.place.clone()),
        }
    }

    fn pattern_of(&self, key: &str) -> String {
        if self.pattern.is_empty() { key.to_owned() } else { format!("{}.{key}", self.pattern) }
    }

    /// The path of a key of this section.
    pub(super) fn path_of(&self, key: &str) -> String {
        options::join(&self.path, key)
    }

    /// Whether the table is there.
    pub(super) fn exists(&self) -> bool {
        self.table.is_some()
    }

    /// The value as it stands in the file, if it is there.
    pub(super) fn node(&self, key: &str) -> Option<&'a Node> {
        self.table?.get(key)
    }

    /// Whether the option was written, rightly or not.
    pub(super) fn has(&self, key: &str) -> bool {
        self.node(key).is_some()
    }

    /// Whether the option was written and refused.
    pub(super) fn is_bad(&self, key: &str) -> bool {
        self.node(key).is_some_and(|node| matches!(node.value, Value::Bad))
    }

    /// The keys that were written, with their values.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, &'a Node)> {
        self.table.into_iter().flat_map(|table| table.0.iter().map(|entry| (entry.key.as_str(), &entry.node)))
    }

    /// Where a key stands, or this section if it does not.
    pub(super) fn place_of(&self, key: &str) -> Place {
        self.node(key).map_or_else(|| self.place.clone(), |node| node.place.clone())
    }

    /// A problem with the value of a key, in the form of all of them.
    pub(super) fn problem(
        &self,
        key: &str,
        what: &str,
        expected: impl Into<String>,
        hint: impl Into<String>,
    ) -> Problem {
        let kind = options::child(&self.pattern, key).map_or(options::Kind::Secret, |option| option.kind);
        let value = self.node(key).map_or_else(String::new, |node| shown_value(node, kind));
        Problem::new(format!("{} {what}", self.path_of(key)), &self.place_of(key), expected, hint)
            .with_value(&value)
    }

    fn default(&self, key: &str) -> Default {
        options::find(&self.pattern_of(key)).map_or(Default::None, |option: &Opt| option.default)
    }

    pub(super) fn maybe_text(&self, key: &str) -> Option<String> {
        match (self.node(key).map(|node| &node.value), self.default(key)) {
            (Some(Value::Text(text)), _) => Some(text.clone()),
            (_, Default::Text(text)) => Some(text.to_owned()),
            _ => None,
        }
    }

    pub(super) fn text(&self, key: &str) -> String {
        self.maybe_text(key).unwrap_or_default()
    }

    pub(super) fn truth(&self, key: &str) -> bool {
        match (self.node(key).map(|node| &node.value), self.default(key)) {
            (Some(Value::Bool(truth)), _) => *truth,
            (_, Default::Bool(truth)) => truth,
            _ => false,
        }
    }

    pub(super) fn maybe_int(&self, key: &str) -> Option<u64> {
        match (self.node(key).map(|node| &node.value), self.default(key)) {
            (Some(Value::Int(int)), _) => u64::try_from(*int).ok(),
            (_, Default::Int(int)) => Some(int),
            _ => None,
        }
    }

    pub(super) fn int(&self, key: &str) -> u64 {
        self.maybe_int(key).unwrap_or_default()
    }

    pub(super) fn number(&self, key: &str) -> f64 {
        match (self.node(key).map(|node| &node.value), self.default(key)) {
            (Some(Value::Float(number)), _) => *number,
            (Some(Value::Int(int)), _) => *int as f64,
            (_, Default::Number(number)) => number,
            _ => 0.0,
        }
    }

    /// A duration; `None` for `"none"` and where nothing was written and there is no default.
    pub(super) fn maybe_duration(&self, key: &str) -> Option<Duration> {
        let ms = match (self.node(key).map(|node| &node.value), self.default(key)) {
            (Some(Value::Text(text)), _) => units::parse_duration_ms(text).ok(),
            (_, Default::Ms(ms)) => Some(ms),
            _ => None,
        };
        ms.map(Duration::from_millis)
    }

    pub(super) fn duration(&self, key: &str) -> Duration {
        self.maybe_duration(key).unwrap_or_default()
    }

    pub(super) fn bytes(&self, key: &str) -> u64 {
        match (self.node(key).map(|node| &node.value), self.default(key)) {
            (Some(Value::Text(text)), _) => units::parse_bytes(text).unwrap_or_default(),
            (_, Default::Bytes(bytes)) => bytes,
            _ => 0,
        }
    }

    /// One text, or all texts of a list.
    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        match (self.node(key).map(|node| &node.value), self.default(key)) {
            (Some(Value::List(items)), _) => items.iter().filter_map(as_text).collect(),
            (Some(Value::Text(text)), _) => vec![text.clone()],
            (_, Default::Texts(texts)) => texts.iter().map(|text| (*text).to_owned()).collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn ints(&self, key: &str) -> Vec<u64> {
        match (self.node(key).map(|node| &node.value), self.default(key)) {
            (Some(Value::List(items)), _) => items.iter().filter_map(as_int).collect(),
            (_, Default::Ints(ints)) => ints.to_vec(),
            _ => Vec::new(),
        }
    }

    pub(super) fn durations(&self, key: &str) -> Vec<Duration> {
        let parse = |text: String| units::parse_duration_ms(&text).ok().map(Duration::from_millis);
        self.texts(key).into_iter().filter_map(parse).collect()
    }
}

fn as_table(node: &Node) -> Option<&Table> {
    match &node.value {
        Value::Table(table) => Some(table),
        _ => None,
    }
}

fn as_text(node: &Node) -> Option<String> {
    match &node.value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    }
}

fn as_int(node: &Node) -> Option<u64> {
    match &node.value {
        Value::Int(int) => u64::try_from(*int).ok(),
        _ => None,
    }
}
