//! `bullock config env`: the variables that set options.

use serde_json::json;

use crate::cli::error::CliError;
use crate::cli::output::{Cell, Column, Output, Row, Tone};
use crate::config::{Kind, OptionDefault, accepted_options};

const COLUMNS: &[Column] = &[
    Column::text("VARIABLE"),
    Column::text("SET"),
    Column::text("DEFAULT"),
    Column::text("VALUE").wide(),
    Column::text("WHAT IT DOES"),
];

/// Prints them; never a value that is set, which may be a secret.
pub(super) fn run(out: &Output) -> Result<(), CliError> {
    let rows: Vec<Row> = accepted_options()
        // A list of tables has no names that a variable could spell.
        .filter(|option| !matches!(option.kind, Kind::Table | Kind::Tables) && !option.path.contains("[]"))
        .filter(|option| option.path.contains('.'))
        .map(|option| {
            let variable = variable(option.path);
            let default = match option.default {
                OptionDefault::None => String::new(),
                OptionDefault::Required => "required".to_owned(),
                default => default.to_toml().unwrap_or_default(),
            };
            let is_set = std::env::var_os(&variable).is_some()
                || (option.path == "redis.url" && std::env::var_os("BULLOCK_REDIS_URL").is_some());
            let cells = vec![
                Cell::new(&variable),
                Cell::new(if is_set { "yes" } else { "" }).tone(Tone::Busy),
                Cell::new(&default),
                Cell::new(option.kind.expected()),
                Cell::new(option.about),
            ];
            let json = json!({"variable": variable, "option": option.path, "set": is_set, "default": option.default.to_toml(),
                "expected": option.kind.expected(), "about": option.about});
            Row { cells, json }
        })
        .collect();
    out.list(COLUMNS, &rows)?;
    out.note("names in <> are those of the file, in upper case; all but letters and digits is _");
    Ok(())
}

/// `queues.<name>.rate.max` is `BULLOCK_QUEUES__<NAME>__RATE__MAX`.
fn variable(path: &str) -> String {
    let parts: Vec<String> = path.split('.').map(|part| part.to_uppercase().replace(' ', "_")).collect();
    format!("BULLOCK_{}", parts.join("__"))
}
