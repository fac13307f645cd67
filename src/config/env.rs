//! What the environment and the command line lay over the file, and `${VAR}` inside it.
//!
//! Owns: `BULLOCK_SECTION__KEY`, flags as `section.key`, interpolation. Must never know: what an option means. Called by
//! the loader, before the check.

use std::collections::BTreeMap;

use super::options;
use super::problem::{Place, Problem, Problems, nearest};
use super::raw::{Node, Table, Value};

/// What our variables begin with.
const OURS: &str = "BULLOCK_";
/// The one variable without a section: it is also the flag's.
const REDIS_URL: &str = "BULLOCK_REDIS_URL";

/// Lays `BULLOCK_SECTION__KEY` over the tree.
pub(super) fn overlay(root: &mut Table, vars: &BTreeMap<String, String>, problems: &mut Problems) {
    for (name, value) in vars.range(OURS.to_owned()..).take_while(|(name, _)| name.starts_with(OURS)) {
        let place = Place::Env(name.clone());
        let rest = &name[OURS.len()..];
        if name == REDIS_URL {
            set(root, &["redis".to_owned(), "url".to_owned()], Node::textual(value, place));
        } else if rest.contains("__") {
            match resolve(root, &rest.split("__").collect::<Vec<_>>(), &place) {
                Ok(path) => set(root, &path, Node::textual(value, place)),
                Err(problem) => problems.push(*problem),
            }
        } else if let Some(option) = meant(rest) {
            let hint = format!("did you mean {OURS}{}?", option.to_uppercase().replace('.', "__"));
            problems.push(Problem::new("unknown variable", &place, "section and key joined by __", hint));
        }
        // Any other single word is not ours: Kubernetes sets BULLOCK_PORT and the like for a service of this name.
    }
}

/// Lays one flag over the tree; `key` is a path such as `redis.url`.
pub(super) fn flag(root: &mut Table, name: &str, key: &str, value: &str) {
    let path: Vec<String> = key.split('.').map(str::to_owned).collect();
    set(root, &path, Node::textual(value, Place::Flag(name.to_owned())));
}

/// The option that `ADMIN_LISTEN` means, although it should be `ADMIN__LISTEN`.
fn meant(rest: &str) -> Option<&'static str> {
    let same = |path: &str| path.to_uppercase().replace('.', "_") == rest;
    options::OPTIONS.iter().map(|option| option.path).find(|path| path.contains('.') && same(path))
}

/// A name as it can stand in a variable: `woo:customers` is `WOO_CUSTOMERS`.
fn as_variable(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// The path in the tree that the parts of a variable's name mean. Names, such as a queue's, must be in the file: what
/// they look like exactly cannot be told from a variable.
fn resolve(root: &Table, parts: &[&str], place: &Place) -> Result<Vec<String>, Box<Problem>> {
    let mut path: Vec<String> = Vec::new();
    let mut pattern = String::new();
    let mut here = Some(root);
    for part in parts {
        let names: Vec<&str> = options::children(&pattern).map(|(name, _)| name).collect();
        let any = names.iter().find(|name| name.starts_with('<'));
        let key = if any.is_some() {
            let existing = here.iter().flat_map(|table| &table.0);
            let mut matching = existing.filter(|entry| as_variable(&entry.key) == part.to_uppercase());
            match (matching.next(), matching.next()) {
                (Some(entry), None) => entry.key.clone(),
                (None, _) => return Err(Box::new(no_such_name(here, &path, place))),
                (Some(one), Some(two)) => return Err(Box::new(ambiguous(&one.key, &two.key, place))),
            }
        } else {
            let key = part.to_lowercase();
            if !names.contains(&key.as_str()) {
                return Err(Box::new(unknown(&key, &names, &path, place)));
            }
            key
        };
        let segment = any.map_or(key.as_str(), |any| any);
        pattern = if pattern.is_empty() { segment.to_owned() } else { format!("{pattern}.{segment}") };
        here = here.and_then(|table| table.get(&key)).and_then(|node| match &node.value {
            Value::Table(table) => Some(table),
            _ => None,
        });
        path.push(key);
        // What stands below a name for later is unknown; the check refuses the name itself.
        if options::find(&pattern).is_some_and(|option| matches!(option.kind, options::Kind::NotYet(_))) {
            break;
        }
    }
    Ok(path)
}

fn unknown(key: &str, names: &[&str], path: &[String], place: &Place) -> Problem {
    let hint = nearest(key, names.iter().copied()).map_or_else(
        || "unset it, or see what there is: bullock config schema".to_owned(),
        |name| {
            let mut parts: Vec<String> = path.iter().map(|part| as_variable(part)).collect();
            parts.push(as_variable(name));
            format!("did you mean {OURS}{}?", parts.join("__"))
        },
    );
    Problem::new("unknown variable", place, "a section and key of the config, joined by __", hint)
        .with_value(key)
}

fn no_such_name(here: Option<&Table>, path: &[String], place: &Place) -> Problem {
    let names: Vec<String> =
        here.iter().flat_map(|table| &table.0).take(10).map(|entry| options::quoted(&entry.key)).collect();
    let what = format!("variable for a name that is not in [{}]", path.join("."));
    let expected = if names.is_empty() {
        "a name of the file".to_owned()
    } else {
        format!("one of {}", names.join(", "))
    };
    Problem::new(
        what,
        place,
        expected,
        "add its table to the config file; in variables all but letters and digits is _",
    )
}

fn ambiguous(one: &str, two: &str, place: &Place) -> Problem {
    let what = format!("variable that means both {} and {}", options::quoted(one), options::quoted(two));
    Problem::new(what, place, "a name that is written in one way only", "set it in the config file")
}

fn set(root: &mut Table, path: &[String], node: Node) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut table = root;
    for part in parents {
        match &mut table.entry(part, &node.place).value {
            Value::Table(inner) => table = inner,
            // Something else stands where a table belongs; the check says so.
            _ => return,
        }
    }
    let over = table.get(last).map(|before| before.place.clone());
    let place = node.place.clone();
    *table.entry(last, &place) = Node { over, ..node };
}

/// Replaces `${VAR}` in every text; `$${` stays `${`. A variable that is unset or empty is a problem: half a config is
/// worse than none.
pub(super) fn interpolate(root: &mut Table, vars: &BTreeMap<String, String>, problems: &mut Problems) {
    interpolate_table(root, "", vars, problems);
}

fn interpolate_table(
    table: &mut Table,
    path: &str,
    vars: &BTreeMap<String, String>,
    problems: &mut Problems,
) {
    for entry in &mut table.0 {
        interpolate_node(&mut entry.node, &options::join(path, &entry.key), vars, problems);
    }
}

fn interpolate_node(node: &mut Node, path: &str, vars: &BTreeMap<String, String>, problems: &mut Problems) {
    match &mut node.value {
        Value::Table(table) => interpolate_table(table, path, vars, problems),
        Value::List(items) => items.iter_mut().for_each(|item| interpolate_node(item, path, vars, problems)),
        // What came from the environment or a flag is taken as it is.
        Value::Text(text) if !node.textual && text.contains("${") => match expand(text, vars) {
            Ok(expanded) => {
                *text = expanded;
                node.textual = true;
            }
            Err((what, expected, hint)) => {
                problems.push(Problem::new(format!("{path}: {what}"), &node.place, expected, hint));
                node.value = Value::Bad;
            }
        },
        _ => {}
    }
}

type Fault = (String, &'static str, String);

fn expand(text: &str, vars: &BTreeMap<String, String>) -> Result<String, Fault> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if let Some(before) = rest[..at].strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let name_and_rest = &rest[at + 2..];
        let Some((name, after)) = name_and_rest.split_once('}') else {
            let hint = "close it with }, or write $${ for a plain ${".to_owned();
            return Err(("${ without }".to_owned(), "${VAR}", hint));
        };
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && name.chars().next().is_some_and(|c| !c.is_ascii_digit());
        if !plain {
            let hint = "only the name of a variable stands inside; write $${ for a plain ${".to_owned();
            return Err((format!("${{{}}} is no variable", super::problem::shown(name)), "${VAR}", hint));
        }
        match vars.get(name).map(String::as_str) {
            None => {
                return Err((
                    format!("${{{name}}} is not set"),
                    "a variable that is set",
                    format!("export {name}=…"),
                ));
            }
            Some("") => {
                return Err((
                    format!("${{{name}}} is empty"),
                    "a variable with a value",
                    format!("export {name}=…"),
                ));
            }
            Some(value) => out.push_str(value),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}
