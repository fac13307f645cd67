//! `--set data.x=1` and `--edit-data`: other data for a job that is replayed. What is not named stays byte for byte.

use std::fmt::Write as _;
use std::io::Read as _;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::cli::error::CliError;

/// Largest data that is read from a file, bytes.
const DATA_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// One `--set`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Set {
    path: Vec<String>,
    /// JSON text.
    value: String,
}

/// Reads `data.a.b=value`; a value that is no JSON is a string.
pub(super) fn parse_set(text: &str) -> Result<Set, String> {
    let parts = text.split_once('=').and_then(|(path, value)| Some((path.strip_prefix("data.")?, value)));
    match parts {
        Some((path, value)) if !path.split('.').any(str::is_empty) => {
            let json = serde_json::from_str::<&RawValue>(value).map(|raw| raw.get().to_owned());
            let value = json.unwrap_or_else(|_| serde_json::Value::from(value).to_string());
            Ok(Set { path: path.split('.').map(str::to_owned).collect(), value })
        }
        _ => Err("expected a field of the data and its new value, such as data.amount=12".into()),
    }
}

/// Members of an object in their order, their values as they were written.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Members<'de>, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

/// The data with these fields set. `Err` says which part of it is no object.
pub(super) fn with(data: &str, sets: &[Set]) -> Result<String, String> {
    sets.iter().try_fold(data.to_owned(), |data, set| put(&data, &set.path, &set.value, "data"))
}

fn put(object: &str, path: &[String], value: &str, place: &str) -> Result<String, String> {
    let Some((name, rest)) = path.split_first() else { return Ok(value.to_owned()) };
    let Members(members) = serde_json::from_str(object)
        .map_err(|_| format!("{place} is no object: it has no field \"{name}\""))?;
    let inner = |old: &str| put(old, rest, value, &format!("{place}.{name}"));
    let (mut out, mut found) = (String::from("{"), false);
    let mut push = |name: &str, value: &str| {
        if out.len() > 1 {
            out.push(',');
        }
        let _ = write!(out, "{}:{value}", serde_json::Value::from(name));
    };
    for (member, old) in members {
        if member == *name {
            found = true;
            push(&member, &inner(old.get())?);
        } else {
            push(&member, old.get());
        }
    }
    if !found {
        push(name, &inner("{}")?);
    }
    Ok(out + "}")
}

/// Data from a file, or from standard input for `-`; refused unless it is JSON.
pub(super) fn read(file: &str) -> Result<String, CliError> {
    let broken =
        |error: std::io::Error| CliError::usage("cannot read the data").at(file).found(error.to_string());
    let mut text = String::new();
    if file == "-" {
        std::io::stdin().lock().take(DATA_BYTES_MAX).read_to_string(&mut text).map_err(broken)?;
    } else {
        let file = std::fs::File::open(file).map_err(broken)?;
        file.take(DATA_BYTES_MAX).read_to_string(&mut text).map_err(broken)?;
    }
    let text = text.trim();
    serde_json::from_str::<serde::de::IgnoredAny>(text)
        .map_err(|error| CliError::usage("the data is not JSON").at(file).found(error.to_string()))?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{parse_set, with};

    #[test]
    fn what_is_not_named_stays_byte_for_byte() {
        let data = r#"{"big":12345678901234567890123,"list":[ ],"in":{"a":1.0,"b":"x"},"z":null}"#;
        let set = |texts: &[&str]| texts.iter().map(|text| parse_set(text).unwrap()).collect::<Vec<_>>();
        let one = with(data, &set(&["data.in.b=2", "data.new.deep=plain text"])).unwrap();
        let expected = r#"{"big":12345678901234567890123,"list":[ ],"in":{"a":1.0,"b":2},"z":null,"new":{"deep":"plain text"}}"#;
        assert_eq!(one, expected);
        assert_eq!(with("[1]", &set(&["data.a=1"])), Err("data is no object: it has no field \"a\"".into()));
        assert_eq!(
            with(r#"{"a":5}"#, &set(&["data.a.b=1"])),
            Err("data.a is no object: it has no field \"b\"".into())
        );
    }

    #[test]
    fn a_field_without_a_name_is_refused() {
        for wrong in ["x=1", "data=1", "data.=1", "data.a"] {
            assert!(parse_set(wrong).is_err(), "{wrong}");
        }
    }
}
