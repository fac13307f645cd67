//! `bullock dev`: a private Redis and a worker for a developer's machine, in one command.

use std::path::PathBuf;
use std::process::{ExitCode, Stdio};

use clap::Args;

use super::error::CliError;
use super::run::{end, environment, start};
use super::session::Shared;
use crate::app::{Data, Discover, Failure, Launch, Started};
use crate::config::{Config, Flag, Need, Sources};
use crate::embedded::{Options, Storage};

/// Where the private Redis keeps its data unless told otherwise.
const DATA: &str = "bullock-data";

/// Arguments of `bullock dev`.
#[derive(Debug, Args)]
pub struct Dev {
    /// Send the jobs of every queue that appears to this URL
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,
    /// Work these queues only
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub queues: Vec<String>,
    /// The config file; ./bullock.toml unless given, if it is there
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Port of the admin server [default: 7979]
    #[arg(long)]
    pub port: Option<u16>,
    /// Port of the private Redis [default: that of the last time, or a free one]
    #[arg(long, value_name = "PORT")]
    pub redis_port: Option<u16>,
    /// Where the private Redis keeps its data
    #[arg(long, value_name = "DIR", default_value = DATA)]
    pub data: PathBuf,
    /// Do not open the dashboard in a browser
    #[arg(long)]
    pub no_open: bool,
    /// Keep nothing
    #[arg(long, conflicts_with = "data")]
    pub ephemeral: bool,
}

/// Works until told to stop, and answers the exit code.
pub async fn run(shared: &Shared, args: Dev) -> Result<ExitCode, CliError> {
    if shared.redis_url.is_some() {
        return Err(CliError::usage("dev starts a Redis of its own")
            .at("--redis-url")
            .expected("no Redis URL")
            .hint("bullock run works on a Redis that is there"));
    }
    let mut flags = Vec::new();
    if let Some(port) = args.port {
        let value = format!("127.0.0.1:{port}");
        flags.push(Flag { name: "--port".into(), key: "admin.listen", value });
    }
    let mut env = environment();
    // Whatever Redis the config and the shell name: dev has its own.
    env.insert("REDIS_URL".into(), "redis://127.0.0.1".into());
    env.remove("BULLOCK_REDIS_URL");
    let sources = Sources { file: args.config.as_deref(), env, flags, need: Need::Connection };
    let config = match Config::load_from(&sources) {
        Ok(config) => config,
        Err(problems) => return Ok(end(Err(Failure::problems(&problems.to_string())), None)),
    };
    if args.to.is_none()
        && let Some(unknown) = args.queues.iter().find(|name| !config.queues.contains_key(*name))
    {
        return Err(CliError::usage("no such queue")
            .at("--queues")
            .found(unknown)
            .expected("one of the config's")
            .hint("with --to URL any queue can be worked"));
    }
    let prefix = if shared.prefix == "bull" { config.redis.prefix.clone() } else { shared.prefix.clone() };
    let (only, others): (Vec<String>, Vec<String>) =
        args.queues.iter().cloned().partition(|name| config.queues.contains_key(name));
    let discover = args.to.clone().map(|to| Discover { to, prefix, only: others.clone() });
    let idle = discover.is_none() && config.queues.is_empty();
    // --queues may name the config's alone: then nothing else is looked for.
    let discover = discover.filter(|_| args.queues.is_empty() || !others.is_empty());
    let (to, opens) = (args.to.clone(), !args.no_open);
    let launch = Launch {
        private_redis: Options {
            storage: if args.ephemeral { Storage::Ephemeral } else { Storage::Directory(args.data) },
            port: args.redis_port,
            ..Options::default()
        },
        always_private: true,
        only_queues: only,
        discover,
        sign_in: true,
        on_start: Some(Box::new(move |started| {
            banner(&started, to.as_deref());
            if let Some(dashboard) = started.dashboard.as_ref().filter(|_| opens) {
                open_browser(dashboard);
            }
            if idle {
                eprintln!(
                    "  next       bullock dev --to http://localhost:3000/jobs sends every job to your backend,\n             \
                     or name queues and handlers in bullock.toml (bullock config schema)"
                );
            }
            eprintln!("  Ctrl-C lets running jobs finish, then stops everything.\n");
        })),
        ..Launch::default()
    };
    Ok(start(config, launch).await)
}

/// Opens a page where somebody can see it: from a terminal, on a machine with a screen. Otherwise the line that was printed
/// must do.
fn open_browser(url: &str) {
    use std::io::IsTerminal as _;
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let has_screen = cfg!(target_os = "macos") || set("DISPLAY") || set("WAYLAND_DISPLAY");
    if !has_screen || !std::io::stderr().is_terminal() || set("CI") {
        return;
    }
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = std::process::Command::new(program);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Ok(mut child) = command.spawn() {
        // It ends at once; somebody must hear of that.
        std::thread::spawn(move || child.wait());
    }
}

/// What has been started, and the line to paste.
pub(super) fn banner(started: &Started, to: Option<&str>) {
    let url = &started.redis_url;
    let place = url.rsplit_once('@').map_or(url.as_str(), |(_, place)| place);
    match &started.private_redis {
        Some(Data::Kept(directory)) => {
            eprintln!("  redis      {place} (private, data in {})", directory.display());
        }
        _ => eprintln!("  redis      {place} (private, gone at the end)"),
    }
    eprintln!("             REDIS_URL={url}");
    if let Some(admin) = started.admin {
        if let Some(dashboard) = &started.dashboard {
            let once = if dashboard.contains("/login/") { " (signs you in, once)" } else { "" };
            eprintln!("  dashboard  {dashboard}{once}");
        }
        eprintln!("  admin      http://{admin}/readyz, /metrics");
    }
    let slots: usize = started.queues.iter().map(|(_, slots)| slots).sum();
    let names: Vec<&str> = started.queues.iter().map(|(name, _)| name.as_str()).collect();
    match names.len() {
        0 => {}
        n => eprintln!(
            "  worker     {n} queue{}, {slots} slots: {}",
            if n == 1 { "" } else { "s" },
            names.join(", ")
        ),
    }
    if let Some(to) = to {
        eprintln!("  jobs       every queue that appears is worked: POST {to}");
    }
}
