//! `bullock config show`: the config in force as TOML, secrets hidden, each value with where it came from.

use std::fmt::Write as _;

use super::check::shown_value;
use super::handler::{EXEC_ONLY, HTTP_ONLY};
use super::options::{self, Kind, Opt};
use super::problem::{Place, shown};
use super::raw::{Node, Table, Value};

/// The table of a handler in the catalogue.
const HANDLER: &str = "queues.<name>.handlers.<job name>.";

/// Renders a checked tree. `worker_name` is the one default that is made at run time.
pub(super) fn to_toml(root: &Table, worker_name: &str) -> String {
    let mut out =
        String::from("# A flag wins over the environment, that over the file, that over the default.\n");
    table(&mut out, Some(root), "", "", worker_name);
    out
}

fn table(out: &mut String, table_: Option<&Table>, pattern: &str, path: &str, worker_name: &str) {
    let options: Vec<(&str, &Opt)> =
        options::children(pattern).filter(|(name, option)| applies(name, option, table_)).collect();
    if !path.is_empty() && options.iter().any(|(_, option)| option.kind != Kind::Table) {
        let _ = write!(out, "\n[{path}]\n");
    }
    for (name, option) in
        options.iter().filter(|(_, option)| option.kind != Kind::Table && option.kind != Kind::Tables)
    {
        if name.starts_with('<') {
            for entry in table_.iter().flat_map(|table| &table.0) {
                line(
                    out,
                    &options::quoted(&entry.key),
                    &value(&entry.node, option.kind),
                    &origin(&entry.node),
                );
            }
            continue;
        }
        match table_.and_then(|table| table.get(name)) {
            Some(node) => line(out, name, &value(node, option.kind), &origin(node)),
            None if option.path == "worker.name" => line(out, name, &format!("\"{worker_name}\""), "default"),
            None => match option.default.to_toml() {
                Some(text) => line(out, name, &text, "default"),
                None => {
                    let _ = writeln!(out, "# {name} is not set");
                }
            },
        }
    }
    for (name, option) in
        options.iter().filter(|(_, option)| matches!(option.kind, Kind::Table | Kind::Tables))
    {
        below(out, table_, name, option, path, worker_name);
    }
}

/// Whether an option means anything in this table: not those for later, nor those of the other kind of handler.
fn applies(name: &str, option: &Opt, table: Option<&Table>) -> bool {
    let other_kind = |kind: &str, only: &[&str]| {
        table.is_some_and(|table| table.get(kind).is_some()) && only.contains(&name)
    };
    let handler = option.path.starts_with(HANDLER);
    let other = handler
        && (other_kind("exec", HTTP_ONLY)
            || other_kind("http", EXEC_ONLY)
            || other_kind("http", &["exec"])
            || other_kind("exec", &["http"]));
    !other && !matches!(option.kind, Kind::NotYet(_))
}

fn below(out: &mut String, parent: Option<&Table>, name: &str, option: &Opt, path: &str, worker_name: &str) {
    if name.starts_with('<') {
        for entry in parent.iter().flat_map(|table| &table.0) {
            let path = options::join(path, &entry.key);
            table(out, as_table(&entry.node), option.path, &path, worker_name);
        }
        return;
    }
    let node = parent.and_then(|table| table.get(name));
    let path = options::join(path, name);
    if option.kind == Kind::Tables {
        let Some(Node { value: Value::List(items), .. }) = node else { return };
        for item in items {
            let mut inner = String::new();
            table(&mut inner, as_table(item), &format!("{}.[]", option.path), &path, worker_name);
            out.push_str(&inner.replacen(&format!("[{path}]"), &format!("[[{path}]]"), 1));
        }
        return;
    }
    // Sections of the top level are shown with their defaults; further down only what is there.
    let top = !option.path.contains('.');
    if node.is_some() || (top && option.path != "queues" && option.path != "backoff") {
        table(out, node.and_then(as_table), option.path, &path, worker_name);
    }
}

fn line(out: &mut String, name: &str, value: &str, origin: &str) {
    let _ = writeln!(out, "{name} = {value}  # {origin}");
}

fn origin(node: &Node) -> String {
    let over = match &node.over {
        None | Some(Place::Default) => String::new(),
        Some(over) => format!(", over {over}"),
    };
    shown(&format!("{}{over}", node.place))
}

fn value(node: &Node, kind: Kind) -> String {
    match (&node.value, kind) {
        (_, kind) if kind.is_secret() => "\"***\"".to_owned(),
        (Value::Text(_), Kind::Url) => shown_value(node, kind),
        // What the file takes from a variable is shown as the variable, which says more than its value.
        _ if matches!(node.place, Place::File { .. }) && node.written.contains("${") => node.written.clone(),
        (Value::Text(text), _) => toml_text(text),
        (Value::Int(int), _) => int.to_string(),
        (Value::Float(number), _) => number.to_string(),
        (Value::Bool(truth), _) => truth.to_string(),
        (Value::List(items), _) => {
            let items: Vec<String> = items.iter().map(|item| value(item, kind)).collect();
            format!("[{}]", items.join(", "))
        }
        _ => "\"***\"".to_owned(),
    }
}

/// A text as TOML: JSON's escapes are TOML's too.
fn toml_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn as_table(node: &Node) -> Option<&Table> {
    match &node.value {
        Value::Table(table) => Some(table),
        _ => None,
    }
}
