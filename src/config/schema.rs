//! The JSON Schema of the config file, for editors: `bullock config schema`.

use serde_json::{Map, Value, json};

use super::options::{self, Default, Kind, Opt};

/// A duration: numbers and units, or a variable.
const DURATION: &str = r"^(\$\{[A-Za-z_][A-Za-z0-9_]*\}|([0-9]+(\.[0-9]+)?\s*(ms|s|m|h|d|w)\s*)+)$";
const DURATION_OR_NONE: &str =
    r"^(none|\$\{[A-Za-z_][A-Za-z0-9_]*\}|([0-9]+(\.[0-9]+)?\s*(ms|s|m|h|d|w)\s*)+)$";
const SIZE: &str = r"^(\$\{[A-Za-z_][A-Za-z0-9_]*\}|[0-9]+(\.[0-9]+)?\s*(B|KiB|MiB|GiB|kB|MB|GB))$";

/// The schema, made from the same catalogue that the file is checked against. Names for later versions are not in it.
pub fn schema() -> Value {
    let mut schema = table("");
    if let Value::Object(object) = &mut schema {
        object.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        object.insert("title".to_owned(), json!("bullock.toml"));
    }
    schema
}

fn table(pattern: &str) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut others = Value::Bool(false);
    for (name, option) in
        options::children(pattern).filter(|(_, option)| !matches!(option.kind, Kind::NotYet(_)))
    {
        if name.starts_with('<') {
            others = value(option);
            continue;
        }
        properties.insert(name.to_owned(), value(option));
        // Queues may also come from nowhere: commands such as `queue ls` need none.
        if option.default == Default::Required && !pattern.is_empty() {
            required.push(name);
        }
    }
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": others })
}

fn value(option: &Opt) -> Value {
    let text = json!({ "type": "string" });
    let mut schema = match option.kind {
        Kind::Table | Kind::NotYet(_) => table(option.path),
        Kind::Tables => json!({ "type": "array", "items": table(&format!("{}.[]", option.path)) }),
        Kind::Text | Kind::Secret | Kind::Url => text,
        Kind::Secrets => json!({ "anyOf": [text, { "type": "array", "items": text }] }),
        Kind::Choice(words) => json!({ "type": "string", "enum": words }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Int(from, to) => json!({ "type": "integer", "minimum": from, "maximum": to }),
        Kind::Number(from, to) => json!({ "type": "number", "minimum": from, "maximum": to }),
        Kind::Duration(..) => json!({ "type": "string", "pattern": DURATION }),
        Kind::DurationOrNone(..) => json!({ "type": "string", "pattern": DURATION_OR_NONE }),
        Kind::Durations(..) => {
            json!({ "type": "array", "minItems": 1, "items": { "type": "string", "pattern": DURATION } })
        }
        Kind::Size(..) => json!({ "type": "string", "pattern": SIZE }),
        Kind::Texts => json!({ "type": "array", "items": text }),
        Kind::Ints(from, to) => {
            json!({ "type": "array", "items": { "type": "integer", "minimum": from, "maximum": to } })
        }
    };
    if let Value::Object(object) = &mut schema {
        object.insert("description".to_owned(), json!(option.about));
        let default = option.default.to_toml().and_then(|text| serde_json::from_str::<Value>(&text).ok());
        if let Some(default) = default {
            object.insert("default".to_owned(), default);
        }
    }
    schema
}
