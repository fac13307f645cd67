//! Holds the tree against the catalogue: unknown names, names for later, types, bounds.
//!
//! Owns: everything that can be said of an option by itself. Rules between options are with those who read them. A
//! value that is refused becomes [`Value::Bad`], so that it is reported once.

use super::limits::SHORT_MS_MIN;
use super::options::{self, Default, Kind, Opt};
use super::problem::{Place, Problem, Problems, nearest};
use super::raw::{self, Node, Table, Value};
use super::secret::{HIDDEN, shown_url};
use super::units;

/// The three options whose lower bounds `worker.allow_short_leases` lifts.
const SHORT_FOR_TESTS: &[&str] = &["worker.lease", "worker.renew", "worker.sweep"];

/// One walk through the tree.
struct Walk<'a> {
    problems: &'a mut Problems,
    /// `worker.allow_short_leases`
    short: bool,
}

/// Checks the whole tree.
pub(super) fn check(root: &mut Table, problems: &mut Problems) {
    let short = match root.get("worker").map(|node| &node.value) {
        Some(Value::Table(worker)) => worker.get("allow_short_leases").is_some_and(is_true),
        _ => false,
    };
    Walk { problems, short }.table(root, "", "");
}

fn is_true(node: &Node) -> bool {
    match &node.value {
        Value::Bool(truth) => *truth,
        Value::Text(text) => node.textual && text == "true",
        _ => false,
    }
}

impl Walk<'_> {
    /// `pattern` is the path in the catalogue, `path` the one in the file.
    fn table(&mut self, table: &mut Table, pattern: &str, path: &str) {
        for entry in &mut table.0 {
            if let Some(option) = options::child(pattern, &entry.key) {
                let path = options::join(path, &entry.key);
                self.node(&mut entry.node, option, &path, &entry.place);
            } else {
                self.problems.push(unknown(&entry.key, pattern, path, &entry.place));
                entry.node.value = Value::Bad;
            }
        }
    }

    fn node(&mut self, node: &mut Node, option: &Opt, path: &str, key_place: &Place) {
        coerce(node, option.kind);
        match (option.kind, &mut node.value) {
            (Kind::Table, Value::Table(inner)) => {
                self.table(inner, option.path, path);
                // What a queue must hold is said by the queue's own reader, in its own words.
                if option.path != "queues.<name>" {
                    required(inner, option.path, path, key_place, self.problems);
                }
                return;
            }
            (Kind::Tables, Value::List(items))
                if items.iter().all(|item| matches!(item.value, Value::Table(_))) =>
            {
                let pattern = format!("{}.[]", option.path);
                for (index, item) in items.iter_mut().enumerate() {
                    let path = format!("{path}[{index}]");
                    if let Value::Table(inner) = &mut item.value {
                        self.table(inner, &pattern, &path);
                        required(inner, &pattern, &path, &item.place, self.problems);
                    }
                }
                return;
            }
            _ => {}
        }
        let option = &self.in_force(option);
        if let Err(fault) = fits(&node.value, option.kind) {
            self.problems.push(refusal(node, option, path, &fault));
            node.value = Value::Bad;
        }
    }

    /// The option with the bounds that hold in this file.
    fn in_force(&self, option: &Opt) -> Opt {
        match option.kind {
            Kind::Duration(_, to) if self.short && SHORT_FOR_TESTS.contains(&option.path) => {
                Opt { kind: Kind::Duration(SHORT_MS_MIN, to), ..*option }
            }
            _ => *option,
        }
    }
}

/// Reports what a table must hold and does not.
fn required(table: &Table, pattern: &str, path: &str, place: &Place, problems: &mut Problems) {
    for (name, option) in options::children(pattern) {
        if option.default == Default::Required && table.get(name).is_none() {
            let what = format!("{} is missing", options::join(path, name));
            let hint = format!("add it: {}", decapitalised(option.about));
            problems.push(Problem::new(what, place, option.kind.expected(), hint));
        }
    }
}

fn decapitalised(about: &str) -> String {
    let about = about.trim_end_matches('.');
    let mut chars = about.chars();
    // "SHA-256", "Bull's": a name keeps its capital.
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() && !about.starts_with("Bull") => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => about.to_owned(),
    }
}

/// What came as text from a variable or a flag is read as the kind that is wanted.
fn coerce(node: &mut Node, kind: Kind) {
    let texts = matches!(
        kind,
        Kind::Text
            | Kind::Secret
            | Kind::Url
            | Kind::Choice(_)
            | Kind::Duration(..)
            | Kind::DurationOrNone(..)
            | Kind::Size(..)
            | Kind::NotYet(_)
    );
    let Value::Text(text) = &node.value else { return };
    if !node.textual || texts || (kind == Kind::Secrets && !text.starts_with('[')) {
        return;
    }
    if let Some(parsed) = raw::parse_value(text, &node.place) {
        node.value = parsed.value;
    }
}

/// Why a value does not fit: a clause for the message.
struct Fault(String);

fn fits(value: &Value, kind: Kind) -> Result<(), Fault> {
    let fault = |text: &str| Err(Fault(text.to_owned()));
    match (kind, value) {
        (Kind::NotYet(_), _) => fault("not yet"),
        (_, Value::Bad)
        | (Kind::Text | Kind::Secret | Kind::Secrets | Kind::Url, Value::Text(_))
        | (Kind::Bool, Value::Bool(_)) => Ok(()),
        (Kind::DurationOrNone(from, to), Value::Text(text)) => {
            if text == "none" {
                Ok(())
            } else {
                fits(value, Kind::Duration(from, to))
            }
        }
        (Kind::Texts | Kind::Secrets, Value::List(items)) => {
            if items.iter().all(|item| matches!(item.value, Value::Text(_))) {
                Ok(())
            } else {
                fault("holds something that is not text")
            }
        }
        (Kind::Choice(words), Value::Text(text)) => {
            if words.contains(&text.as_str()) {
                Ok(())
            } else {
                fault("is not one of its words")
            }
        }
        (Kind::Int(from, to), Value::Int(int)) => in_range(u64::try_from(*int).ok(), from, to),
        (Kind::Int(..), Value::Float(_)) => fault("is not a whole number"),
        (Kind::Int(..), Value::Other) => fault("is out of range"),
        (Kind::Number(from, to), Value::Float(number)) => number_in_range(*number, from, to),
        (Kind::Number(from, to), Value::Int(int)) => number_in_range(*int as f64, from, to),
        (Kind::Duration(from, to), Value::Text(text)) => {
            in_range(Some(units::parse_duration_ms(text).map_err(Fault)?), from, to)
        }
        (Kind::Duration(..) | Kind::DurationOrNone(..) | Kind::Size(..), Value::Int(_) | Value::Float(_)) => {
            fault("has no unit")
        }
        (Kind::Durations(from, to), Value::List(items)) if !items.is_empty() => {
            items.iter().try_for_each(|item| fits(&item.value, Kind::Duration(from, to)))
        }
        (Kind::Durations(..), Value::List(_)) => fault("is empty"),
        (Kind::Size(from, to), Value::Text(text)) => {
            in_range(Some(units::parse_bytes(text).map_err(Fault)?), from, to)
        }
        (Kind::Ints(from, to), Value::List(items)) => {
            items.iter().try_for_each(|item| fits(&item.value, Kind::Int(from, to)))
        }
        _ => fault("has the wrong type"),
    }
}

fn in_range(value: Option<u64>, from: u64, to: u64) -> Result<(), Fault> {
    match value {
        Some(value) if (from..=to).contains(&value) => Ok(()),
        _ => Err(Fault("is out of range".to_owned())),
    }
}

fn number_in_range(value: f64, from: f64, to: f64) -> Result<(), Fault> {
    if (from..=to).contains(&value) { Ok(()) } else { Err(Fault("is out of range".to_owned())) }
}

fn refusal(node: &Node, option: &Opt, path: &str, fault: &Fault) -> Problem {
    let place = &node.place;
    if let Kind::NotYet(what) = option.kind {
        return not_yet(path, place, what).with_value(&shown_value(node, option.kind));
    }
    let hint = match (option.kind, &node.value) {
        (Kind::Duration(..) | Kind::DurationOrNone(..), Value::Int(int)) if *int >= 0 => {
            format!("a number needs a unit: \"{int}s\" or \"{int}ms\"")
        }
        (Kind::Size(..), Value::Int(int)) if *int >= 0 => format!("a number needs a unit: \"{int}B\" or \"{int}KiB\""),
        (Kind::Duration(..), Value::Text(text))
            if SHORT_FOR_TESTS.contains(&option.path) && units::parse_duration_ms(text).is_ok() =>
        {
            "shorter ones load Redis and lose leases; tests may set worker.allow_short_leases = true".to_owned()
        }
        (Kind::Duration(..) | Kind::DurationOrNone(..) | Kind::Durations(..), _) => {
            "write a number and one of ms, s, m, h, d, w".to_owned()
        }
        (Kind::Size(..), _) => "write a number and one of B, KiB, MiB, GiB".to_owned(),
        (Kind::Choice(words), Value::Text(text)) => nearest(text, words.iter().copied())
            .map_or("use one of these words".to_owned(), |word| format!("did you mean \"{word}\"?")),
        (Kind::Texts, Value::Text(_)) if option.path.rsplit('.').next() == Some("exec") => {
            "write the program and each argument as its own text; there is no shell: exec = [\"node\", \"job.js\"]".to_owned()
        }
        (Kind::Texts, Value::Text(_)) => "put it in brackets".to_owned(),
        (Kind::Int(..), Value::Text(_)) => "write the number without quotes".to_owned(),
        _ => default_hint(option),
    };
    Problem::new(format!("{path} {}", fault.0), place, option.kind.expected(), hint)
        .with_value(&shown_value(node, option.kind))
}

/// A name or value that a later version will bring.
pub(super) fn not_yet(path: &str, place: &Place, what: &str) -> Problem {
    let expected = format!("a config without {what}");
    Problem::new(format!("not yet: {path}"), place, expected, "leave it out; a later version will bring it")
}

fn default_hint(option: &Opt) -> String {
    option.default.to_toml().map_or("bullock config schema lists every option".to_owned(), |text| {
        format!("leave it out for the default, {text}")
    })
}

/// A value as it may be shown in a message.
pub(super) fn shown_value(node: &Node, kind: Kind) -> String {
    match (&node.value, kind) {
        (_, kind) if kind.is_secret() => HIDDEN.to_owned(),
        (Value::Text(text), Kind::Url) => format!("\"{}\"", shown_url(text)),
        // A name for later may be a secret or hold one: `alerts`, `tls`.
        (Value::Table(_) | Value::List(_), Kind::NotYet(_)) | (Value::Table(_), _) => "{ … }".to_owned(),
        (_, Kind::NotYet(_)) if node.written.contains("://") => HIDDEN.to_owned(),
        _ => node.written.clone(),
    }
}

fn unknown(key: &str, pattern: &str, path: &str, place: &Place) -> Problem {
    let names: Vec<&str> = options::children(pattern).map(|(name, _)| name).collect();
    let hint = match nearest(key, names.iter().copied()) {
        Some(name) => format!("did you mean \"{name}\"?"),
        None => elsewhere(key)
            .unwrap_or_else(|| "delete it, or see what there is: bullock config schema".to_owned()),
    };
    let usable: Vec<&str> = options::children(pattern)
        .filter(|(_, option)| !matches!(option.kind, Kind::NotYet(_)))
        .map(|(name, _)| name)
        .collect();
    let section = if path.is_empty() { "the top level".to_owned() } else { format!("[{path}]") };
    let expected = if usable.len() > 16 {
        format!("an option of {section}")
    } else {
        format!("one of {} in {section}", usable.join(", "))
    };
    Problem::new("unknown key", place, expected, hint).with_value(&options::join(path, key))
}

/// The section that a key belongs in, if it is right but in the wrong place.
fn elsewhere(key: &str) -> Option<String> {
    let option = options::OPTIONS.iter().find(|option| {
        option.path.rsplit('.').next() == Some(key) && !matches!(option.kind, Kind::NotYet(_))
    })?;
    let section = option.path.rsplit_once('.')?.0;
    Some(format!("it belongs in [{section}]"))
}
