//! Data on standard output, messages on standard error: tables for people, tabs for pipes, JSON and CSV for programs.
//!
//! Owns: what a list and a page look like in every format. Must never know: jobs and queues. Called by each command.

use std::io::{self, IsTerminal as _, Write as _};

use clap::ValueEnum;
use serde_json::Value;
use unicode_width::UnicodeWidthChar as _;

use super::error::is_unprintable;

/// Blanks between two columns.
const GAP: usize = 2;
/// Width of a table that goes to no terminal but was asked for.
const WIDTH_DEFAULT: usize = 160;
/// Narrowest width that the last column of a table is cut to.
const LAST_COLUMN_MIN: usize = 12;

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

/// How a text is coloured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// Not at all.
    #[default]
    Plain,
    /// Went well.
    Good,
    /// Went wrong.
    Bad,
    /// Under way.
    Busy,
    /// Of less interest.
    Faint,
}

impl Tone {
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("32"),
            Self::Bad => Some("31"),
            Self::Busy => Some("36"),
            Self::Faint => Some("2"),
        }
    }
}

/// A column of a list.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    title: &'static str,
    right: bool,
    wide: bool,
}

impl Column {
    /// Text, to the left.
    pub const fn text(title: &'static str) -> Self {
        Self { title, right: false, wide: false }
    }

    /// Numbers and times, to the right.
    pub const fn number(title: &'static str) -> Self {
        Self { title, right: true, wide: false }
    }

    /// Only in wide tables and in CSV.
    #[must_use]
    pub const fn wide(self) -> Self {
        Self { wide: true, ..self }
    }
}

/// One value of a list, for people and for programs.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    raw: Option<String>,
    tone: Tone,
}

impl Cell {
    /// Text or a number, the same for both.
    pub fn new(text: impl ToString) -> Self {
        Self { text: text.to_string(), ..Self::default() }
    }

    /// What programs get instead.
    #[must_use]
    pub fn raw(self, raw: impl ToString) -> Self {
        Self { raw: Some(raw.to_string()), ..self }
    }

    /// With a colour.
    #[must_use]
    pub fn tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    fn is_filled(&self) -> bool {
        !self.text.is_empty()
    }

    fn program_text(&self) -> &str {
        self.raw.as_deref().unwrap_or(&self.text)
    }
}

/// One line of a list.
#[derive(Debug, Clone)]
pub struct Row {
    /// One cell for each column.
    pub cells: Vec<Cell>,
    /// The whole record.
    pub json: Value,
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
            Some(Format::Ndjson) => rows.iter().map(|row| format!("{}\n", row.json)).collect(),
            Some(Format::Csv) => csv(columns, rows),
            _ if self.is_for_people() => self.table(columns, rows),
            _ => tabs(columns, rows),
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
                parts.iter().flat_map(Part::pairs).map(|(name, value)| format!("{name}\t{value}\n")).collect()
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

    fn paint(&self, text: &str, tone: Tone) -> String {
        match tone.code().filter(|_| self.colour) {
            Some(code) => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            None => text.to_owned(),
        }
    }

    fn table(&self, columns: &[Column], rows: &[Row]) -> String {
        // A column that has nothing to say takes no room.
        let is_used = |at: &usize| {
            rows.is_empty() || rows.iter().any(|row| row.cells.get(*at).is_some_and(Cell::is_filled))
        };
        let is_wanted = |at: &usize| self.is_wide() || !columns[*at].wide;
        let shown: Vec<usize> = (0..columns.len()).filter(is_wanted).filter(is_used).collect();
        let texts: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                shown.iter().map(|&at| clean(row.cells.get(at).map_or("", |cell| &cell.text))).collect()
            })
            .collect();
        let mut widths: Vec<usize> = shown.iter().map(|&at| width(columns[at].title)).collect();
        for row in &texts {
            for (at, text) in row.iter().enumerate() {
                widths[at] = widths[at].max(width(text));
            }
        }
        if !self.is_wide() {
            fit_last(&mut widths, self.width());
        }
        let mut out = String::new();
        let heads: Vec<(String, Tone)> =
            shown.iter().map(|&at| (columns[at].title.to_owned(), Tone::Faint)).collect();
        self.push_line(&mut out, columns, &shown, &widths, &heads);
        for (row, texts) in rows.iter().zip(texts) {
            let cells: Vec<(String, Tone)> = texts
                .into_iter()
                .zip(&shown)
                .map(|(text, &at)| (text, row.cells.get(at).map_or(Tone::Plain, |cell| cell.tone)))
                .collect();
            self.push_line(&mut out, columns, &shown, &widths, &cells);
        }
        out
    }

    fn push_line(
        &self,
        out: &mut String,
        columns: &[Column],
        shown: &[usize],
        widths: &[usize],
        cells: &[(String, Tone)],
    ) {
        let mut line = String::new();
        for (at, (text, tone)) in cells.iter().enumerate() {
            let text = cut(text, widths[at]);
            let blanks = " ".repeat(widths[at] - width(&text));
            let gap = if at == 0 { 0 } else { GAP };
            line.push_str(&" ".repeat(gap));
            if columns[shown[at]].right {
                line.push_str(&blanks);
                line.push_str(&self.paint(&text, *tone));
            } else {
                line.push_str(&self.paint(&text, *tone));
                line.push_str(&blanks);
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }

    fn page_text(&self, parts: &[Part]) -> String {
        let names = parts.iter().filter_map(|part| match part {
            Part::Field(name, ..) => Some(width(name)),
            Part::Block(..) => None,
        });
        let name_width = names.max().unwrap_or(0) + GAP;
        let mut out = String::new();
        for part in parts {
            match part {
                Part::Field(name, value, tone) => {
                    let label = self.paint(name, Tone::Faint);
                    let blanks = " ".repeat(name_width - width(name));
                    out.push_str(&format!("{label}{blanks}{}\n", self.paint(&clean(value), *tone)));
                }
                Part::Block(title, lines) => {
                    out.push_str(&format!("\n{}\n", self.paint(title, Tone::Faint)));
                    for line in lines {
                        out.push_str(&format!("  {}\n", clean(line)));
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
    pub fn field(name: &'static str, value: impl ToString) -> Self {
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

fn tabs(columns: &[Column], rows: &[Row]) -> String {
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .cells
            .iter()
            .zip(columns)
            .filter(|(_, column)| !column.wide)
            .map(|(cell, _)| clean(cell.program_text()))
            .collect();
        out.push_str(&cells.join("\t"));
        out.push('\n');
    }
    out
}

fn csv(columns: &[Column], rows: &[Row]) -> String {
    let title = |column: &Column| column.title.to_lowercase().replace(' ', "_");
    let mut out = csv_line(columns.iter().map(title));
    for row in rows {
        out.push_str(&csv_line(row.cells.iter().map(|cell| cell.program_text().to_owned())));
    }
    out
}

fn csv_page(parts: &[Part]) -> String {
    let mut out = csv_line(["name".to_owned(), "value".to_owned()].into_iter());
    for (name, value) in parts.iter().flat_map(Part::pairs) {
        out.push_str(&csv_line([name.to_owned(), value].into_iter()));
    }
    out
}

/// RFC 4180, with plain line feeds.
fn csv_line(values: impl Iterator<Item = String>) -> String {
    let quoted = values.map(|value| {
        let plain = !value.contains([',', '"', '\n', '\r']);
        if plain { value } else { format!("\"{}\"", value.replace('"', "\"\"")) }
    });
    quoted.collect::<Vec<_>>().join(",") + "\n"
}

/// A foreign text on one line, without anything that moves the cursor.
fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unprintable(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// Cuts to `most` columns, with an ellipsis.
fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let (mut out, mut used) = (String::new(), 1);
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > most {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

/// Narrows the last column, which holds free text, so that lines fit.
fn fit_last(widths: &mut [usize], total: usize) {
    let Some((last, others)) = widths.split_last_mut() else { return };
    let used: usize = others.iter().map(|width| width + GAP).sum();
    *last = (*last).min(total.saturating_sub(used).max(LAST_COLUMN_MIN));
}
