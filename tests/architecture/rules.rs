//! The rules themselves, as tables.

use std::fmt;

use crate::source::SourceFile;

/// Which room may name which, itself aside. `main` and `lib` stand outside: they name what they please.
const ALLOWED: &[(&str, &[&str])] = &[
    ("job", &[]),
    ("wire", &["job"]),
    ("store", &["wire", "job"]),
    ("http", &["wire", "job"]),
    // A handler writes through its Context, whose other end is in worker: never store.
    ("handler", &["http", "wire", "job"]),
    ("sync", &["handler", "http", "wire", "job"]),
    ("worker", &["sync", "handler", "http", "store", "wire", "job"]),
    ("admin", &["sync", "handler", "http", "store", "wire", "job"]),
    // Config values travel down as plain arguments: nothing below app names config.
    ("config", &["wire", "job"]),
    ("telemetry", &[]),
    ("embedded", &[]),
    (
        "app",
        &[
            "config",
            "telemetry",
            "embedded",
            "admin",
            "worker",
            "sync",
            "handler",
            "http",
            "store",
            "wire",
            "job",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "config",
            "telemetry",
            "embedded",
            "admin",
            "worker",
            "sync",
            "handler",
            "http",
            "store",
            "wire",
            "job",
        ],
    ),
];

/// No rooms: the binary's entry and the tour of the house.
const OUTSIDE: &[&str] = &["main", "lib"];

/// Crates with one door each.
const OWNED: &[(&str, &[&str])] = &[
    ("redis", &["store", "embedded"]),
    ("deadpool_redis", &["store"]),
    ("reqwest", &["http"]),
    ("axum", &["admin"]),
    ("tower_http", &["admin"]),
];

/// What `job` may use, beside itself.
const PURE: &[&str] = &[
    "std",
    "core",
    "alloc",
    "serde",
    "serde_json",
    "chrono",
    "chrono_tz",
    "croner",
    "uuid",
    "thiserror",
    "md5",
];

/// Words that say nothing about what is inside.
const EMPTY_NAMES: &[&str] =
    &["util", "utils", "common", "helper", "helpers", "manager", "managers", "misc", "stuff"];

/// Something to be put right.
#[derive(Debug)]
pub(crate) struct Finding {
    file: String,
    line: usize,
    what: String,
}

impl Finding {
    pub(crate) fn new(file: &str, line: usize, what: String) -> Self {
        Finding { file: file.to_owned(), line, what }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Names of other rooms that the table does not allow.
pub(crate) fn arrows(file: &SourceFile) -> Vec<Finding> {
    if OUTSIDE.contains(&file.room.as_str()) {
        return Vec::new();
    }
    let Some((_, allowed)) = ALLOWED.iter().find(|(room, _)| *room == file.room) else {
        let what = format!("room `{}` has no row in the table", file.room);
        return vec![Finding::new(&file.path, 1, what)];
    };
    let is_room = |name: &str| ALLOWED.iter().any(|(room, _)| *room == name);
    file.paths
        .iter()
        .filter_map(|path| path.room().map(|room| (path, room)))
        .filter(|(_, room)| is_room(room) && *room != file.room && !allowed.contains(room))
        .map(|(path, room)| {
            let what = format!("{} must not know {room} (`{}`)", file.room, path.text());
            Finding::new(&file.path, path.line, what)
        })
        .collect()
}

/// Uses of crates that belong to other rooms.
pub(crate) fn owned_crates(file: &SourceFile) -> Vec<Finding> {
    file.paths
        .iter()
        .filter_map(|path| {
            let (name, rooms) = OWNED.iter().find(|(name, _)| path.external() == Some(name))?;
            if rooms.contains(&file.room.as_str()) {
                return None;
            }
            let what = format!("only {} may name {name} (`{}`)", rooms.join(" and "), path.text());
            Some(Finding::new(&file.path, path.line, what))
        })
        .collect()
}

/// Uses in `job` of crates that have effects.
pub(crate) fn purity(file: &SourceFile, crates: &[String]) -> Vec<Finding> {
    if file.room != "job" {
        return Vec::new();
    }
    file.paths
        .iter()
        .filter(|path| {
            path.external().is_some_and(|name| crates.iter().any(|one| one == name) && !PURE.contains(&name))
        })
        .map(|path| Finding::new(&file.path, path.line, format!("job must stay pure (`{}`)", path.text())))
        .collect()
}

/// Files, folders and modules with empty names.
pub(crate) fn names(file: &SourceFile) -> Vec<Finding> {
    let from_path = file.path.trim_end_matches(".rs").split('/').map(|name| (name, 1));
    let from_text = file.modules.iter().map(|(name, line)| (name.as_str(), *line));
    from_path
        .chain(from_text)
        .filter(|(name, _)| name.split('_').any(|word| EMPTY_NAMES.contains(&word)))
        .map(|(name, line)| Finding::new(&file.path, line, format!("`{name}`: say what is inside")))
        .collect()
}

/// The dependencies of a manifest, as they are written in code.
pub(crate) fn crates_of(manifest: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().unwrap();
    let dependencies = manifest["dependencies"].as_table().unwrap();
    // md-5 is the one whose library has another name.
    dependencies
        .keys()
        .map(|name| if name == "md-5" { "md5".to_owned() } else { name.replace('-', "_") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{SourceFile, arrows, crates_of, names, owned_crates, purity};

    fn wrong_lines(path: &str, text: &str) -> Vec<usize> {
        let file = SourceFile::parse(path, text);
        arrows(&file).iter().chain(&owned_crates(&file)).map(|finding| finding.line).collect()
    }

    #[test]
    fn an_arrow_upwards_is_found_however_it_is_written() {
        assert_eq!(wrong_lines("src/store/claim.rs", "use crate::worker::Fetcher;"), [1]);
        assert_eq!(
            wrong_lines("src/store/claim.rs", "use crate::{\n  wire::Keys,\n  worker::Fetcher,\n};"),
            [3]
        );
        assert_eq!(wrong_lines("src/handler/http.rs", "fn f() {\n  crate::store::claim();\n}"), [2]);
        assert_eq!(wrong_lines("src/handler/mod.rs", "use super::store;"), [1]);
        assert_eq!(wrong_lines("src/job/cron/field.rs", "use super::super::super::wire::Keys;"), [1]);
        assert_eq!(wrong_lines("src/admin/mod.rs", "pub use crate::worker as w;"), [1]);
        assert_eq!(wrong_lines("src/worker/mod.rs", "use crate::config::Limits;"), [1]);
        assert_eq!(wrong_lines("src/nowhere/mod.rs", ""), [1]);
    }

    #[test]
    fn arrows_downwards_comments_strings_and_tests_own_super_are_no_finding() {
        assert!(
            wrong_lines("src/worker/fetcher.rs", "use crate::{store, handler::Handler, wire::Keys};")
                .is_empty()
        );
        assert!(wrong_lines("src/job/mod.rs", "//! [`crate::handler`]\n/* crate::store */").is_empty());
        assert!(
            wrong_lines("src/job/mod.rs", "const A: &str = \"crate::store\"; const C: char = '\"';")
                .is_empty()
        );
        assert!(wrong_lines("src/job/id.rs", "mod tests { use super::super::state; }").is_empty());
        assert!(wrong_lines("src/app.rs", "mod tests { use super::{config, worker}; }").is_empty());
        assert!(wrong_lines("src/lib.rs", "pub use worker::Worker; pub use job::Job;").is_empty());
    }

    #[test]
    fn a_crate_is_named_only_by_its_room() {
        assert_eq!(wrong_lines("src/worker/fetcher.rs", "fn f(c: redis::Cmd) {}"), [1]);
        assert_eq!(wrong_lines("src/worker/fetcher.rs", "fn f(c: ::redis::Cmd) {}"), [1]);
        assert_eq!(wrong_lines("src/handler/http.rs", "use reqwest as client;"), [1]);
        assert_eq!(wrong_lines("src/cli/mod.rs", "\nuse axum::{\nRouter, routing::get};"), [3, 3]);
        assert!(wrong_lines("src/store/claim.rs", "use redis::Cmd;").is_empty());
        assert!(wrong_lines("src/app.rs", "use crate::embedded::redis::Redis; use super::redis;").is_empty());
        assert!(
            wrong_lines("src/config/mod.rs", "mod redis; pub use redis::Url; fn f() { redis::read() }")
                .is_empty()
        );
        assert_eq!(wrong_lines("src/config/mod.rs", "mod redis; use ::redis::Cmd; use redis::Url;"), [1]);
        assert!(wrong_lines("src/cli/dev.rs", "let redis = 1; f(redis);").is_empty());
    }

    #[test]
    fn job_may_use_values_and_nothing_that_acts() {
        let crates = crates_of("[dependencies]\ntokio = \"1\"\nserde = \"1\"\nmd-5 = \"0.11\"\n");
        let found = |text: &str| purity(&SourceFile::parse("src/job/id.rs", text), &crates).len();
        assert_eq!(found("use serde::Serialize; use md5::Md5; use std::fmt;"), 0);
        assert_eq!(found("async fn f() { tokio::time::sleep(d).await }"), 1);
    }

    #[test]
    fn an_empty_name_is_found_in_paths_and_in_modules() {
        assert_eq!(names(&SourceFile::parse("src/store/redis_util.rs", "")).len(), 1);
        assert_eq!(names(&SourceFile::parse("src/store/mod.rs", "mod common;")).len(), 1);
        assert!(names(&SourceFile::parse("src/store/community.rs", "mod claim;")).is_empty());
    }
}
