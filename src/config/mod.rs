//! The config: the file, the environment and the flags become one validated [`Config`].
//!
//! Owns: what may be written and what it means. Must never know: the rooms that use it; `app` hands them the values as
//! plain arguments. Called by `app` and `cli`.
//!
//! The way of a value: `file` and `raw` read the file into a tree that knows its lines, `env` lays variables and flags over it
//! and fills in `${VAR}`, `check` holds it against the `catalogue`, the readers of each section turn it into plain
//! types and look at the rules between options. Every step adds to one list of [`Problems`].

mod admin;
mod alerts;
mod catalogue;
mod check;
mod env;
mod file;
mod handler;
mod hooks;
pub mod limits;
mod names;
mod options;
mod otel;
mod problem;
mod queue;
mod raw;
mod read;
mod redis;
mod schedule;
mod schema;
mod secret;
mod show;
mod target;
mod units;
mod worker;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use admin::{Admin, Role, Token};
pub use alerts::Alert;
pub use handler::{
    Body, ExecHandler, Handler, HandlerKind, HttpHandler, ItemBackoff, Side, SyncHandler, Watermark,
};
pub use hooks::{Hook, HookSignature};
pub use options::{Default as OptionDefault, Kind, Opt};
pub use otel::Otel;
pub use problem::{Place, Problem, Problems};
pub use queue::{Dialect, Keep, Queue, Rate, Retention};
pub use redis::{Redis, RedisUrl};
pub use schedule::{Overlap, Schedule, When};
pub use schema::schema;
pub use secret::{Secret, shown_url};
pub use target::{TEMPLATE_VARIABLES, Target};
pub use units::{format_bytes, format_duration_ms, parse_bytes, parse_duration_ms};
pub use worker::{Audit, CronZone, Log, LogFormat, Worker};

use crate::job::backoff::Strategies;
use read::Section;

/// The file that is read when none is named, if it is there.
pub const FILE_DEFAULT: &str = "bullock.toml";

/// Everything that a process needs to know, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[redis]`
    pub redis: Redis,
    /// `[admin]`; `None` = no admin server.
    pub admin: Option<Admin>,
    /// `[worker]`
    pub worker: Worker,
    /// `[backoff.<type>]`, by type.
    pub backoff: Strategies,
    /// `[log]`
    pub log: Log,
    /// `[audit]`
    pub audit: Audit,
    /// `metrics.bullmq_names`: the names of `BullMQ`'s own exporter are shown, too.
    pub bullmq_names: bool,
    /// `[[alerts]]`
    pub alerts: Vec<Alert>,
    /// `[otel]` and the variables of OpenTelemetry; `None` = nothing is sent.
    pub otel: Option<Otel>,
    /// `[queues.<name>]`, by name.
    pub queues: BTreeMap<String, Queue>,
    /// `[hooks.<name>]`
    pub hooks: Vec<Hook>,
    /// What is not wrong, but should be known; printed as `warning: …`.
    pub warnings: Vec<Problem>,
    /// The config in force, for `config show`.
    shown: String,
}

/// A flag of the command line that sets an option.
#[derive(Debug, Clone)]
pub struct Flag {
    /// As typed, such as `--redis-url`.
    pub name: String,
    /// The option, such as `redis.url`.
    pub key: &'static str,
    /// Its value.
    pub value: String,
}

/// What a command needs of the config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Queues with handlers: `run`, `check`.
    Queues,
    /// A connection at most: `queue ls`, `dev`. A config without queues is fine.
    Connection,
}

/// Where a config comes from. A flag wins over the environment, that over the file, that over the defaults.
#[derive(Debug, Clone)]
pub struct Sources<'a> {
    /// The file; `None` = [`FILE_DEFAULT`] if it is there.
    pub file: Option<&'a Path>,
    /// The environment: `BULLOCK_SECTION__KEY`, and whatever `${VAR}` names.
    pub env: BTreeMap<String, String>,
    /// Flags that set options.
    pub flags: Vec<Flag>,
    /// What must be there.
    pub need: Need,
}

/// What readers need beside the tree.
pub(crate) struct Base<'a> {
    /// Relative paths start here: the config file's directory.
    directory: PathBuf,
    vars: &'a BTreeMap<String, String>,
    /// Whether programs and directories must be there: a command that only connects may run on another machine.
    programs: bool,
}

impl Config {
    /// Reads the file and the environment for a worker.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(path: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Self, Problems> {
        Self::load_from(&Sources { file: path, env: env.collect(), flags: Vec::new(), need: Need::Queues })
    }

    /// The same with flags, or for commands that need no queues.
    pub fn load_from(sources: &Sources<'_>) -> Result<Self, Problems> {
        let default = Path::new(FILE_DEFAULT);
        let path = sources.file.or_else(|| default.exists().then_some(default));
        let Some(path) = path else {
            return build("no config file", "", Path::new("."), sources, Vec::new());
        };
        let text = file::read(path)?;
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        build(&path.to_string_lossy(), &text, directory, sources, file::warnings(path, &text))
    }

    /// Reads a config from text; `name` stands for the file in messages, paths are relative to the current directory.
    pub fn from_text(
        name: &str,
        text: &str,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        let sources = Sources { file: None, env: env.collect(), flags: Vec::new(), need: Need::Queues };
        build(name, text, Path::new("."), &sources, Vec::new())
    }

    /// The config in force as TOML, secrets hidden, each line with where it came from.
    pub fn to_toml_redacted(&self) -> &str {
        &self.shown
    }
}

/// All options that this version has, for the reference and the tests of `config/bullock.toml`.
pub fn accepted_options() -> impl Iterator<Item = &'static Opt> {
    options::OPTIONS.iter().filter(|option| !matches!(option.kind, Kind::NotYet(_)))
}

fn build(
    name: &str,
    text: &str,
    directory: &Path,
    sources: &Sources<'_>,
    mut warnings: Vec<Problem>,
) -> Result<Config, Problems> {
    let mut problems = Problems::default();
    let mut tree = raw::parse(name, text, &mut problems);
    // What follows a syntax error may be the error's doing: only the syntax is reported.
    if !problems.0.is_empty() {
        problems.sort();
        return Err(problems);
    }
    env::interpolate(&mut tree, &sources.env, &mut problems);
    env::overlay(&mut tree, &sources.env, &mut problems);
    for flag in &sources.flags {
        env::flag(&mut tree, &flag.name, flag.key, &flag.value);
    }
    check::check(&mut tree, &mut problems);
    let base =
        Base { directory: absolute(directory), vars: &sources.env, programs: sources.need == Need::Queues };
    let root = Section::root(&tree);
    let redis = redis::read(&root.section("redis"), &mut problems);
    let admin = admin::read(&root.section("admin"), &mut problems, &mut warnings);
    let worker = worker::read(&root.section("worker"), &mut problems);
    let backoff = worker::read_backoff(&root.section("backoff"), &mut problems);
    let log = worker::read_log(&root.section("log"), &mut problems);
    let audit = worker::read_audit(&root.section("audit"));
    let bullmq_names = root.section("metrics").truth("bullmq_names");
    let alerts = alerts::alerts(&root, &mut problems);
    let otel = otel::read(&root.section("otel"), &sources.env, &mut problems, &mut warnings);
    let queues = queue::read_all(&root.section("queues"), &redis, &base, &mut problems);
    let hooks = hooks::read_all(&root.section("hooks"), &queues, &mut problems);
    if queues.is_empty() && sources.need == Need::Queues && !root.is_bad("queues") {
        problems.push(nothing_to_work(name));
    }
    if !problems.0.is_empty() {
        problems.sort();
        return Err(problems);
    }
    let shown = show::to_toml(&tree, &worker.name);
    Ok(Config {
        redis,
        admin,
        worker,
        backoff,
        log,
        audit,
        bullmq_names,
        alerts,
        otel,
        queues,
        hooks,
        warnings,
        shown,
    })
}

fn nothing_to_work(name: &str) -> Problem {
    let place = Place::File { name: name.into(), line: 0, column: 0 };
    let expected = "the two required tables [queues.<name>] and [queues.<name>.handlers.<job name>]";
    let hint =
        "two lines are a whole one: [queues.emails.handlers.\"*\"] and http = \"http://127.0.0.1:3000/jobs\"";
    Problem::new("no queue is configured", &place, expected, hint)
}

fn absolute(directory: &Path) -> PathBuf {
    let current = || std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    target::normal(&if directory.is_absolute() { directory.to_owned() } else { current().join(directory) })
}
