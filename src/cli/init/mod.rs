//! `bullock init`: a config to begin with, and a handler to fill in.
//!
//! Owns: which files are written where; nothing that exists is ever written over. The samples stand in config/init.

mod kind;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::json;

use super::error::{CliError, Exit};
use super::session::{Session, Shared};
use crate::store::inspect::queues;
use crate::wire::keys::check_name;
use kind::Kind;

const CONFIG: &str = include_str!("../../../config/init/bullock.toml");
/// The queue that the config works when none is named.
const QUEUE_DEFAULT: &str = "emails";
/// Bytes of a secret that is proposed, as Standard Webhooks recommends.
const SECRET_BYTES: usize = 24;

/// Arguments of `bullock init`.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "flags of the command line")]
#[command(group = clap::ArgGroup::new("kind").args(["nest", "next", "express", "subprocess"]),
    after_help = "Nothing that exists is written over. Without a kind it is the one that package.json names, else --express.")]
pub struct Init {
    /// Where to write
    #[arg(value_name = "DIRECTORY", default_value = ".")]
    directory: PathBuf,
    /// A controller of Nest
    #[arg(long)]
    nest: bool,
    /// A route handler of Next.js
    #[arg(long)]
    next: bool,
    /// A router of Express
    #[arg(long)]
    express: bool,
    /// A program that is started for each job
    #[arg(long)]
    subprocess: bool,
    /// Queues to work. May be repeated [default: emails]
    #[arg(long = "queue", value_name = "QUEUE")]
    queues: Vec<String>,
    /// All queues that there are in Redis
    #[arg(long, conflicts_with = "queues")]
    from_redis: bool,
}

impl Init {
    /// Does it look for queues in Redis?
    pub(super) fn asks_redis(&self) -> bool {
        self.from_redis
    }
}

/// Writes the files and says what to do next.
pub async fn run(shared: &Shared, args: Init) -> Result<(), CliError> {
    let kind = args.kind();
    let names = args.names(shared).await?;
    let directory = &args.directory;
    if !directory.is_dir() {
        let place = directory.display().to_string();
        return Err(CliError::new(Exit::NotFound, "no such directory").found(place));
    }
    let (sample, content) = kind.sample(directory);
    let files =
        [("bullock.toml".to_owned(), config(kind, &names, &shared.prefix)), (sample, content.to_owned())];
    // Looked at before anything is written: half of it would be no beginning.
    if let Some((name, _)) = files.iter().find(|(name, _)| directory.join(name).exists()) {
        return Err(exists(&directory.join(name)));
    }
    for (name, content) in &files {
        write_new(&directory.join(name), content)?;
    }
    let out = shared.output();
    if out.is_json() {
        let names: Vec<&String> = files.iter().map(|(name, _)| name).collect();
        return Ok(out.json_line(&json!({"files": names, "kind": kind.as_str(), "queues": args.queues}))?);
    }
    for (name, _) in &files {
        out.answer(&format!("wrote {name}"), name, &json!(null))?;
    }
    out.note(&kind.next_steps(&secret()?));
    Ok(())
}

impl Init {
    fn kind(&self) -> Kind {
        let chosen = [
            (self.nest, Kind::Nest),
            (self.next, Kind::Next),
            (self.express, Kind::Express),
            (self.subprocess, Kind::Subprocess),
        ];
        let flag = chosen.into_iter().find(|(is_chosen, _)| *is_chosen).map(|(_, kind)| kind);
        flag.or_else(|| Kind::of_package(&self.directory)).unwrap_or(Kind::Express)
    }

    async fn names(&self, shared: &Shared) -> Result<Vec<String>, CliError> {
        for name in &self.queues {
            check_name("queue name", name).map_err(CliError::usage)?;
        }
        if self.from_redis {
            let session = Session::new(shared)?;
            let found = queues(&session.connection, &session.prefix).await;
            let found = found.map_err(|error| session.error(error))?;
            if found.is_empty() {
                return Err(CliError::new(Exit::NotFound, "no queues")
                    .at(format!("prefix {} at {}", session.prefix, session.redis.shown()))
                    .hint("name them: --queue emails"));
            }
            return Ok(found);
        }
        if self.queues.is_empty() { Ok(vec![QUEUE_DEFAULT.to_owned()]) } else { Ok(self.queues.clone()) }
    }
}

fn config(kind: Kind, queues: &[String], prefix: &str) -> String {
    let tables: String = queues.iter().map(|queue| kind.tables(&toml_text(queue))).collect();
    let prefix = toml_text(prefix);
    CONFIG.replace("\"@PREFIX@\"", &prefix).replace("@QUEUES@\n", &tables)
}

/// Text as TOML writes it.
fn toml_text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn secret() -> Result<String, CliError> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| CliError::new(Exit::Failed, "no random numbers").found(error.to_string()))?;
    Ok(format!("whsec_{}", STANDARD.encode(bytes)))
}

fn write_new(path: &Path, content: &str) -> Result<(), CliError> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => CliError::new(Exit::Failed, "cannot write")
            .at(path.display().to_string())
            .found(error.to_string()),
    };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(content.as_bytes()).map_err(failed)
}

fn exists(path: &Path) -> CliError {
    CliError::new(Exit::Conflict, "a file is there already")
        .found(path.display().to_string())
        .hint("nothing was written; name another directory, or move the file away")
}
