//! Data on standard output, messages on standard error: tables for people, tabs for pipes, JSON and CSV for programs.
//!
//! Owns: what a list and a page look like in every format. Must never know: jobs and queues. Called by each command.

mod table;
mod text;

use std::io::{self, IsTerminal as _, Write as _};

use clap::ValueEnum;
use serde_json::Value;

pub use table::{Cell, Column, Row, Tone};
use text::{clean, csv_line, width};

/// Width of a table that goes to no terminal but was asked for.
const WIDTH_DEFAULT: usize = 160;

/// `-o`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns
    Table,
    /// A table with more columns, nothing cut
    Wide,
    /// One JSON document
    Json,
    /// One JSON object a line
    Ndjson,
    /// CSV with a header line
    Csv,
}

/// A part of a page about one thing.
#[derive(Debug, Clone)]
pub enum Part {
    /// A name and its value.
    Field(&'static str, String, Tone),
    /// A block of lines under a title.
    Block(&'static str, Vec<String>),
}

/// Where and how to write.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line or of the terminal")]
pub struct Output {
    format: Option<Format>,
    terminal: bool,
    colour: bool,
    quiet: bool,
    verbose: bool,
}

impl Output {
    /// `format` `None` = a table on a terminal, tabs in a pipe.
    pub fn new(format: Option<Format>, no_color: bool, quiet: bool, verbose: bool) -> Self {
        let terminal = io::stdout().is_terminal();
        let unwanted = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colour = terminal && !no_color && !unwanted("NO_COLOR") && !dumb;
        Self { format, terminal, colour, quiet, verbose }
    }

    /// Is a person looking at a terminal, and did not ask for a program's format?
    pub fn is_live(&self) -> bool {
        self.terminal && matches!(self.format, None | Some(Format::Table | Format::Wide))
    }

    /// Does the output go to a person (or look as if it did)?
    pub fn is_for_people(&self) -> bool {
        self.is_live() || matches!(self.format, Some(Format::Table | Format::Wide))
    }

    /// Is it JSON, in either form?
    pub fn is_json(&self) -> bool {
        matches!(self.format, Some(Format::Json | Format::Ndjson))
    }

    /// May texts be shown in full?
    pub fn is_wide(&self) -> bool {
        self.format == Some(Format::Wide)
    }

    /// Are colours wanted?
    pub fn has_colour(&self) -> bool {
        self.colour
    }

    /// A message, unless `-q`.
    pub fn note(&self, message: &str) {
        if !self.quiet {
            // A closed standard error leaves nobody to tell.
            let _ = writeln!(io::stderr(), "{message}");
        }
    }

    /// A message for `-v`.
    pub fn detail(&self, message: &str) {
        if self.verbose {
            let _ = writeln!(io::stderr(), "{message}");
        }
    }

    /// A list of records.
    pub fn list(&self, columns: &[Column], rows: &[Row]) -> io::Result<()> {
        let text = match self.format {
            Some(Format::Json) => {
                json_text(&Value::Array(rows.iter().map(|row| row.json.clone()).collect()), self.terminal)
            }
            Some(Format::Ndjson) => {
                rows.iter().fold(String::new(), |text, row| text + &row.json.to_string() + "\n")
            }
            Some(Format::Csv) => table::csv(columns, rows),
            _ if self.is_for_people() => {
                let width = (!self.is_wide()).then(|| self.width());
                table::aligned(columns, rows, width, self.colour)
            }
            _ => table::tabs(columns, rows),
        };
        write_out(&text)
    }

    /// One record: a page for people, `name<TAB>value` lines in a pipe, `json` otherwise.
    pub fn page(&self, parts: &[Part], json: &Value) -> io::Result<()> {
        let text = match self.format {
            Some(Format::Json) => json_text(json, self.terminal),
            Some(Format::Ndjson) => format!("{json}\n"),
            Some(Format::Csv) => csv_page(parts),
            _ if self.is_for_people() => self.page_text(parts),
            _ => {
                let pairs = parts.iter().flat_map(Part::pairs);
                pairs.fold(String::new(), |text, (name, value)| text + name + "\t" + &value + "\n")
            }
        };
        write_out(&text)
    }

    /// What an act did: `words` on the terminal, `plain` in a pipe, `json` for programs.
    pub fn answer(&self, words: &str, plain: &str, json: &Value) -> io::Result<()> {
        if self.is_json() {
            write_out(&format!("{json}\n"))
        } else if self.is_for_people() {
            write_out(&format!("{}\n", clean(words)))
        } else {
            write_out(&format!("{plain}\n"))
        }
    }

    /// One JSON object on a line of its own.
    pub fn json_line(&self, json: &Value) -> io::Result<()> {
        write_out(&format!("{json}\n"))
    }

    /// One line of text as it is, without control characters when it goes to a terminal.
    pub fn line(&self, text: &str) -> io::Result<()> {
        if self.terminal { write_out(&format!("{}\n", clean(text))) } else { write_out(&format!("{text}\n")) }
    }

    fn page_text(&self, parts: &[Part]) -> String {
        let names = parts.iter().filter_map(|part| match part {
            Part::Field(name, ..) => Some(width(name)),
            Part::Block(..) => None,
        });
        let name_width = names.max().unwrap_or(0) + table::GAP;
        let mut out = String::new();
        for part in parts {
            match part {
                Part::Field(name, value, tone) => {
                    let label = table::paint(self.colour, name, Tone::Faint);
                    let blanks = " ".repeat(name_width - width(name));
                    out += &(label + &blanks + &table::paint(self.colour, &clean(value), *tone) + "\n");
                }
                Part::Block(title, lines) => {
                    out += &("\n".to_owned() + &table::paint(self.colour, title, Tone::Faint) + "\n");
                    for line in lines {
                        out += &("  ".to_owned() + &clean(line) + "\n");
                    }
                }
            }
        }
        out
    }

    fn width(&self) -> usize {
        let of_terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        if self.terminal { of_terminal().unwrap_or(WIDTH_DEFAULT) } else { WIDTH_DEFAULT }
    }
}

impl Part {
    /// A field in the plain colour.
    pub fn field(name: &'static str, value: impl std::fmt::Display) -> Self {
        Self::Field(name, value.to_string(), Tone::Plain)
    }

    fn pairs(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Field(name, value, _) => vec![(name, clean(value))],
            Self::Block(title, lines) => lines.iter().map(|line| (*title, clean(line))).collect(),
        }
    }
}

/// Writes to standard output at once. The caller learns of a closed pipe.
fn write_out(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

fn json_text(json: &Value, pretty: bool) -> String {
    let text = if pretty { serde_json::to_string_pretty(json).unwrap_or_default() } else { json.to_string() };
    text + "\n"
}

fn csv_page(parts: &[Part]) -> String {
    let mut out = csv_line(["name".to_owned(), "value".to_owned()].into_iter());
    for (name, value) in parts.iter().flat_map(Part::pairs) {
        out.push_str(&csv_line([name.to_owned(), value].into_iter()));
    }
    out
}
