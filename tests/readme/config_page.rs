//! docs/config.md agrees with what is accepted: its tables are made from the catalogue of options.
//!
//! After a change of the catalogue: `UPDATE_DOCS=1 cargo test --test readme config_page`

use std::fmt::Write as _;

use bullock::config::{Kind, OptionDefault, accepted_options};

use crate::blocks;

const PAGE: &str = "docs/config.md";
const BEGIN: &str = "<!-- options: made from the catalogue -->\n";
const END: &str = "<!-- end of options -->\n";

/// Sections in the page's order: the part of the path that all options of it share, and the heading.
const SECTIONS: &[(&str, &str)] = &[
    ("redis", "[redis]"),
    ("admin", "[admin]"),
    ("admin.tokens.[]", "[[admin.tokens]]"),
    ("worker", "[worker]"),
    ("backoff.<type>", "[backoff.<type>]"),
    ("log", "[log]"),
    ("audit", "[audit]"),
    ("alerts.[]", "[[alerts]]"),
    ("metrics", "[metrics]"),
    ("otel", "[otel]"),
    ("queues.<name>", "[queues.<name>]"),
    ("queues.<name>.schedules.<schedule>", "[queues.<name>.schedules.<schedule>]"),
    ("queues.<name>.handlers.<job name>", "[queues.<name>.handlers.<job name>]"),
    ("hooks.<hook>", "[hooks.<hook>]"),
];

/// The section that an option belongs to, the one with the longest path, and its name there.
fn section_of(path: &str) -> Option<(usize, &str)> {
    let of = |(index, (prefix, _)): (usize, &(&str, _))| {
        path.strip_prefix(prefix)?.strip_prefix('.').map(|name| (index, name))
    };
    SECTIONS.iter().enumerate().filter_map(of).min_by_key(|(_, name)| name.len())
}

fn tables() -> String {
    let mut rows: Vec<String> = vec![String::new(); SECTIONS.len()];
    for option in accepted_options() {
        let Some((section, name)) = section_of(option.path) else { continue };
        if option.kind == Kind::Table || name.starts_with('<') {
            continue;
        }
        let default = match option.default {
            OptionDefault::None => "none".to_owned(),
            OptionDefault::Required => "required".to_owned(),
            default => format!("`{}`", default.to_toml().unwrap_or_default()),
        };
        let about = option.about.replace('|', "\\|").replace('<', "\\<");
        let expected = option.kind.expected().replace('|', "\\|");
        let _ = writeln!(rows[section], "| `{name}` | {default} | {expected} | {about} |");
    }
    let mut page = String::new();
    for (section, (_, heading)) in SECTIONS.iter().enumerate() {
        let _ = write!(
            page,
            "\n### `{heading}`\n\n| option | default | value | what it does |\n|---|---|---|---|\n{}",
            rows[section]
        );
    }
    page + "\n"
}

#[test]
fn the_config_page_names_every_option_with_its_default() {
    let page = blocks::page(PAGE);
    let (head, rest) = page.split_once(BEGIN).expect("the page has the mark of its tables");
    let (shown, tail) = rest.split_once(END).expect("the page has the end of its tables");
    let made = tables();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(blocks::root().join(PAGE), format!("{head}{BEGIN}{made}{END}{tail}")).unwrap();
        return;
    }
    assert!(
        shown == made,
        "{PAGE} is not up to date. Run: UPDATE_DOCS=1 cargo test --test readme config_page"
    );
}

#[test]
fn no_option_is_left_out_of_the_tables() {
    let made = tables();
    for option in accepted_options().filter(|option| option.kind != Kind::Table) {
        // A header, a type: what the user names has no row of its own.
        let name = option.path.rsplit('.').next().unwrap();
        assert!(
            name.starts_with('<')
                || ["admin.tokens", "alerts"].contains(&option.path)
                || made.contains(&format!("{name}` |")),
            "{}",
            option.path
        );
    }
}
