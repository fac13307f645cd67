//! What every command that speaks to Redis begins with: the shared flags, a connection, the queue that is meant.

use clap::Args;

use super::error::{CliError, Exit};
use super::output::{Format, Output};
use super::redis_url::RedisUrl;
use crate::admin::board::Board;
use crate::admin::{BoardOptions, Queues};
use crate::store::connection::RESPONSE_TIMEOUT;
use crate::store::opened::Refusal;
use crate::store::{Connection, Opened, Store, StoreError};
use crate::wire::keys::check_name;
use crate::wire::{Dialect, Keys};

const HEADING: &str = "Shared options";

/// Flags that every command takes.
#[derive(Debug, Clone, Args)]
#[allow(clippy::struct_excessive_bools, reason = "flags of the command line")]
#[allow(clippy::doc_markdown, rustdoc::bare_urls, reason = "these comments are help texts")]
pub struct Shared {
    /// Redis to use [default: BULLOCK_REDIS_URL, REDIS_URL or redis://127.0.0.1:6379]
    // Read by hand: clap would print the value of the variable, password and all, in its help.
    #[arg(short = 'r', long, global = true, value_name = "URL", help_heading = HEADING)]
    pub redis_url: Option<String>,
    /// Go through the admin API of a server at this address instead of to Redis [default: BULLOCK_API, if that is set]
    #[arg(long, global = true, value_name = "URL", help_heading = HEADING)]
    pub api: Option<String>,
    /// Token for the API: @FILE, which no list of processes shows, or itself [default: BULLOCK_TOKEN]
    #[arg(long, global = true, value_name = "@FILE", help_heading = HEADING)]
    pub token: Option<String>,
    /// Prefix of the queues' keys
    #[arg(long, global = true, default_value = "bull", help_heading = HEADING)]
    pub prefix: String,
    /// table, wide, json, ndjson or csv [default: table on a terminal, tab-separated in a pipe]
    #[arg(short, long, global = true, value_enum, hide_possible_values = true, help_heading = HEADING,
        value_name = "FORMAT")]
    pub output: Option<Format>,
    /// Same as --output json
    #[arg(long, global = true, conflicts_with = "output", help_heading = HEADING)]
    pub json: bool,
    /// No messages, only data and errors
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = HEADING)]
    pub quiet: bool,
    /// Say more about what is done
    #[arg(short, long, global = true, help_heading = HEADING)]
    pub verbose: bool,
    /// No colours, as with NO_COLOR=1
    #[arg(long, global = true, help_heading = HEADING)]
    pub no_color: bool,
}

impl Shared {
    /// The output as asked for.
    pub fn output(&self) -> Output {
        let format = if self.json { Some(Format::Json) } else { self.output };
        Output::new(format, self.no_color, self.quiet, self.verbose)
    }

    /// The address of the admin API and where it was named; `None` = the command goes to Redis. A Redis that a flag names
    /// wins over the environment.
    pub fn api(&self) -> Result<Option<(String, &'static str)>, CliError> {
        let from_env = || std::env::var("BULLOCK_API").ok().filter(|url| !url.is_empty());
        match (&self.api, &self.redis_url) {
            (Some(_), Some(_)) => Err(CliError::usage("both an API and a Redis are named")
                .at("--api, --redis-url")
                .hint("the server behind the API has its own Redis: leave one of them out")),
            (Some(url), None) => Ok(Some((url.clone(), "--api"))),
            (None, Some(_)) => Ok(None),
            (None, None) => Ok(from_env().map(|url| (url, "BULLOCK_API"))),
        }
    }

    /// Refuses an API: for commands that speak to Redis themselves, or start what does.
    pub fn not_over_api(&self) -> Result<(), CliError> {
        match self.api()? {
            None => Ok(()),
            Some((_, source)) => Err(CliError::usage("this does not go over the admin API").at(source).hint(
                "run it where Redis can be reached, with --redis-url; the reference lists what goes over the API",
            )),
        }
    }

    /// The checked URL and prefix.
    pub fn redis(&self) -> Result<RedisUrl, CliError> {
        check_name("prefix", &self.prefix).map_err(|problem| CliError::usage(problem).at("--prefix"))?;
        RedisUrl::resolve(self.redis_url.as_deref())
    }
}

/// A Redis to talk to.
pub struct Session {
    /// Where the answers go.
    pub out: Output,
    /// The Redis.
    pub redis: RedisUrl,
    /// Prefix of all keys.
    pub prefix: String,
    /// Opens with the first command.
    pub connection: Connection,
}

impl Session {
    /// Checks the flags. Nothing is sent yet.
    pub fn new(shared: &Shared) -> Result<Self, CliError> {
        shared.not_over_api()?;
        let (out, redis) = (shared.output(), shared.redis()?);
        out.detail(&format!("redis {} (from {}), prefix {}", redis.shown(), redis.source(), shared.prefix));
        let connection = Connection::new(redis.as_str(), None, RESPONSE_TIMEOUT).map_err(|error| {
            CliError::usage("the Redis URL cannot be used").at(redis.shown()).found(error.to_string())
        })?;
        Ok(Self { out, redis, prefix: shared.prefix.clone(), connection })
    }

    /// All queues of the prefix, as the dashboard sees them.
    pub(super) fn board(&self) -> Board {
        let options = BoardOptions { connection: self.connection.clone(), prefix: self.prefix.clone() };
        Board::new(&options, Queues::default())
    }

    /// A queue by the name it has in Redis.
    pub fn store(&self, queue: &str) -> Store {
        Store::of(self.connection.clone(), Keys::new(&self.prefix, queue), None)
    }

    /// A queue by the name that a person typed, and whether it has any keys. One that both dialects write to is
    /// refused before anything is read or written.
    pub async fn queue(&self, name: &str) -> Result<(Store, bool), CliError> {
        self.queue_as(name, None).await
    }

    /// [`Session::queue`] of a dialect that somebody named; without a name, a queue without keys passes for Bull's.
    pub async fn queue_as(&self, name: &str, dialect: Option<Dialect>) -> Result<(Store, bool), CliError> {
        self.queue_under(&self.prefix, name, dialect).await
    }

    /// [`Session::queue_as`] under a prefix of its own.
    pub async fn queue_under(
        &self,
        prefix: &str,
        name: &str,
        dialect: Option<Dialect>,
    ) -> Result<(Store, bool), CliError> {
        check_name("queue name", name).map_err(CliError::usage)?;
        let store = Store::of(self.connection.clone(), Keys::new(prefix, name), dialect);
        match store.look().await.map_err(|error| self.error(error))? {
            Opened::Ready(_, layout) => {
                self.out.detail(&format!("{name} is {}", layout.describe()));
                Ok((store, layout.exists))
            }
            Opened::Undecided => Ok((store, false)),
            refused => Err(refused.refusal().map_or_else(|| self.no_queue(name), |why| refusal(name, why))),
        }
    }

    /// [`Session::queue`] that must exist.
    pub async fn known_queue(&self, name: &str) -> Result<Store, CliError> {
        match self.queue(name).await? {
            (store, true) => Ok(store),
            (_, false) => Err(self.no_queue(name)),
        }
    }

    /// There is no such queue.
    pub fn no_queue(&self, name: &str) -> CliError {
        CliError::new(Exit::NotFound, "no such queue")
            .at(format!("prefix {} at {}", self.prefix, self.redis.shown()))
            .found(name)
            .hint("bullock queue ls shows all queues of a prefix")
    }

    /// The store's error as the command's.
    pub fn error(&self, error: StoreError) -> CliError {
        CliError::store(error, &self.redis)
    }
}

/// A queue that must not be touched, and why.
pub fn refusal(queue: &str, why: Refusal) -> CliError {
    let error = CliError::new(Exit::Conflict, "this queue is refused").at(queue);
    error.found(why.found).expected(why.expected).hint(why.hint)
}
