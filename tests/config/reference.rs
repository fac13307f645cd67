//! The reference: config/bullock.toml, the examples, the JSON Schema and `config show` agree with what is accepted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bullock::config::{Config, Kind, OptionDefault, accepted_options, schema};

fn config_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

fn environment() -> impl Iterator<Item = (String, String)> {
    [
        ("REDIS_URL", "redis://127.0.0.1:6379"),
        ("EMAILS_SECRET", "a-secret-of-more-than-24-bytes"),
        ("SYNC_SECRET", "a-secret-of-more-than-24-bytes"),
        ("SYNC_SECRET_OLD", "an-older-secret-of-more-than-24-bytes"),
        ("APP_TOKEN", "t"),
        ("COLLECTOR_KEY", "Bearer k"),
        ("ALERT_SECRET", "a-secret-of-more-than-24-bytes"),
        ("OPS_TOKEN_SHA256", "3e7077fd2f66d689e0cee6a7cf5b37bf2dca7c979af356d0a31cbc5c85605c7d"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into_iter()
}

/// The environment with a directory on PATH in which there is a `node`, so that this test needs none.
fn environment_with_node(bin: &Path) -> impl Iterator<Item = (String, String)> + use<> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(bin.join("node"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(bin.join("node"), std::fs::Permissions::from_mode(0o755)).unwrap();
    environment().chain([("PATH".to_owned(), bin.display().to_string())])
}

/// The reference with every commented option in force: those lines begin with `#` and no space.
fn uncommented() -> String {
    let text = std::fs::read_to_string(config_dir().join("bullock.toml")).unwrap();
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => rest,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The dotted paths in a document, with names that are the user's replaced as in the catalogue.
fn paths(value: &toml::Value, pattern: &str, found: &mut BTreeMap<String, toml::Value>) {
    let join = |name: &str| if pattern.is_empty() { name.to_owned() } else { format!("{pattern}.{name}") };
    let table = match value {
        toml::Value::Table(table) => table,
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            for item in items {
                paths(item, &join("[]"), found);
            }
            return;
        }
        _ => return,
    };
    for (name, value) in table {
        let any = match pattern {
            "queues" => "<name>",
            "backoff" => "<type>",
            "queues.<name>.handlers" => "<job name>",
            "queues.<name>.schedules" => "<schedule>",
            "hooks" => "<hook>",
            "otel.headers" | "queues.<name>.handlers.<job name>.headers" => "<header>",
            _ => name,
        };
        found.insert(join(any), value.clone());
        paths(value, &join(any), found);
    }
}

#[test]
fn the_reference_loads_as_it_is_and_with_every_option_in_force() {
    let config = Config::load(Some(&config_dir().join("bullock.toml")), environment()).unwrap();
    assert_eq!(config.queues["emails"].concurrency, 1);
    let bin = tempfile::tempdir().unwrap();
    let all = Config::from_text("bullock.toml", &uncommented(), environment_with_node(bin.path()));
    let all = all.unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(all.queues["emails"].handlers.len(), 4);
}

#[test]
fn the_reference_names_every_option_and_nothing_else() {
    let mut found = BTreeMap::new();
    paths(&toml::from_str(&uncommented()).unwrap(), "", &mut found);
    let accepted: Vec<&str> = accepted_options().map(|option| option.path).collect();
    for path in &accepted {
        assert!(found.contains_key(*path), "{path} is not in config/bullock.toml");
    }
    for path in found.keys() {
        assert!(accepted.contains(&path.as_str()), "{path} is in config/bullock.toml, but no option");
    }
}

#[test]
fn the_reference_shows_the_true_defaults() {
    let mut found = BTreeMap::new();
    paths(&toml::from_str(&uncommented()).unwrap(), "", &mut found);
    let millis = |value: &toml::Value| bullock::config::parse_duration_ms(value.as_str().unwrap_or_default());
    for option in accepted_options() {
        let shown = &found[option.path];
        let default: toml::Value = match (option.default, option.default.to_toml()) {
            (OptionDefault::Ms(ms), _) => {
                assert_eq!(millis(shown), Ok(ms), "{}", option.path);
                continue;
            }
            (_, Some(text)) => toml::from_str::<toml::Table>(&format!("x = {text}")).unwrap()["x"].clone(),
            (_, None) => continue,
        };
        let same_number =
            shown.as_float().zip(default.as_integer()).is_some_and(|(a, b)| (a - b as f64).abs() < 1e-9);
        assert!(*shown == default || same_number, "{} is {default}, not {shown}", option.path);
    }
}

#[test]
fn the_examples_load() {
    let bin = tempfile::tempdir().unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(config_dir().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let loaded = Config::load(Some(&path), environment_with_node(bin.path()));
        loaded.unwrap_or_else(|problems| panic!("{}:\n{problems}", path.display()));
        count += 1;
    }
    assert!(count >= 3);
}

#[test]
fn an_example_without_its_own_token_is_refused() {
    let text = std::fs::read_to_string(config_dir().join("examples/signed.toml")).unwrap();
    let problems = Config::from_text("signed.toml", &text, std::iter::empty()).unwrap_err().to_string();
    assert!(problems.contains("${OPS_TOKEN_SHA256} is not set"), "{problems}");
    let guessed = text
        .replace("${OPS_TOKEN_SHA256}", "50d858e0985ecc7f60418aaf0cc5ab587f42c2570a884095a9e8ccacd0f6545c");
    let problems = Config::from_text("signed.toml", &guessed, environment()).unwrap_err().to_string();
    assert!(problems.contains("sha256 is that of an example") && problems.lines().count() == 1, "{problems}");
}

#[test]
fn the_schema_describes_every_option() {
    let schema = schema();
    for option in accepted_options() {
        let mut here = &schema;
        for part in option.path.split('.') {
            here = match part {
                "[]" => &here["items"],
                _ if part.starts_with('<') => &here["additionalProperties"],
                _ => &here["properties"][part],
            };
        }
        assert_eq!(here["description"].as_str(), Some(option.about), "{}", option.path);
        let is_table = here["type"] == "object";
        assert_eq!(is_table, option.kind == Kind::Table, "{}", option.path);
    }
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["worker"]["properties"]["lease"]["default"], "15s");
    assert!(schema["properties"]["servers"].is_null(), "names for later are not offered");
}

#[test]
fn what_is_shown_is_toml_and_loads_again() {
    let config = Config::load(Some(&config_dir().join("bullock.toml")), environment()).unwrap();
    let shown = config.to_toml_redacted();
    let again = Config::from_text("shown.toml", shown, std::iter::empty());
    let again = again.unwrap_or_else(|problems| panic!("{problems}\nwas said of:\n{shown}"));
    assert_eq!(format!("{:?}", again.queues), format!("{:?}", config.queues));
    assert_eq!(again.worker, config.worker);
}
