//! `bullock top`: the queues as a live table on a terminal.
//!
//! Owns: the terminal, the keys, when it ends. `look` reads, `view` draws.

mod look;
mod view;

use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::error::{CliError, Exit};
use super::target::Target;
use super::time::parse_duration;
use look::{Reader, Snapshot};
use view::{Screen, Sort};

/// How soon a key or a new look shows.
const POLL: Duration = Duration::from_millis(100);
/// Shortest time between two looks.
const EVERY_MIN: Duration = Duration::from_millis(500);

/// Arguments of `bullock top`.
#[derive(Debug, Args)]
#[command(
    after_help = "Keys: q ends it; n w a d f i u o p z sort by a column, once more turns the order; up and down scroll."
)]
pub struct Top {
    /// Time between two looks, at least 500ms
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_duration)]
    every: Duration,
    /// Only this queue. May be repeated
    #[arg(long = "queue", value_name = "QUEUE")]
    queues: Vec<String>,
    /// Sort by this first: name, waiting, active, delayed, failed, in, out, oldest, p95 or zombies
    #[arg(long, value_name = "COLUMN", value_enum, hide_possible_values = true, default_value_t = Sort::Name)]
    sort: Sort,
}

/// Shows the table until somebody ends it.
pub async fn run(target: &Target, args: Top) -> Result<(), CliError> {
    if !(io::stdout().is_terminal() && io::stdin().is_terminal()) {
        return Err(CliError::usage("top needs a terminal")
            .hint("bullock queue ls prints the queues once, bullock events what happens"));
    }
    if args.every < EVERY_MIN {
        return Err(CliError::usage("too often").at("--every").expected("500ms or more"));
    }
    let mut reader = Reader::new(target, args.queues);
    // A Redis that cannot be reached is an error as everywhere, and not a screen with one.
    let first = reader.look().await?;
    let (told, shown) = watch::channel(Arc::new(first));
    let ended = Arc::new(AtomicBool::new(false));
    let screen = Screen::new(args.sort, target.out.has_colour(), target.shown(), target.prefix());
    let drawing = {
        let ended = Arc::clone(&ended);
        tokio::task::spawn_blocking(move || show(screen, &shown, &ended))
    };
    let stopped = || CliError::new(Exit::Failed, "cannot listen for signals");
    let mut terminated = signal(SignalKind::terminate()).map_err(|_| stopped())?;
    let mut hung_up = signal(SignalKind::hangup()).map_err(|_| stopped())?;
    let looking = async {
        loop {
            tokio::time::sleep(args.every).await;
            let next = match reader.look().await {
                Ok(snapshot) => snapshot,
                Err(error) => told.borrow().with_problem(error.to_string()),
            };
            // Nobody looks any more: the screen is about to end.
            let _ = told.send(Arc::new(next));
        }
    };
    let drawn = tokio::select! {
        drawn = drawing => drawn.unwrap_or_else(|error| Err(io::Error::other(error))),
        () = looking => Ok(()),
        _ = terminated.recv() => Ok(()),
        _ = hung_up.recv() => Ok(()),
    };
    ended.store(true, Ordering::Relaxed);
    ratatui::restore();
    Ok(drawn?)
}

/// Draws whenever there is something new, until a key ends it.
fn show(mut screen: Screen, shown: &watch::Receiver<Arc<Snapshot>>, ended: &AtomicBool) -> io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    while !ended.load(Ordering::Relaxed) {
        let snapshot = Arc::clone(&shown.borrow());
        terminal.draw(|frame| screen.draw(frame, &snapshot))?;
        let seen = || Arc::ptr_eq(&snapshot, &shown.borrow());
        while seen() && !ended.load(Ordering::Relaxed) {
            if !event::poll(POLL)? {
                continue;
            }
            match event::read()? {
                Event::Key(key) if is_end(key) => return Ok(()),
                Event::Key(key) if key.kind != KeyEventKind::Release => screen.key(key.code),
                _ => {}
            }
            break;
        }
    }
    Ok(())
}

fn is_end(key: KeyEvent) -> bool {
    let control_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    control_c || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
}
