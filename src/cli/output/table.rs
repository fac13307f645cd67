//! Lists: aligned for people, with tabs for pipes, as CSV.

use serde_json::Value;

use super::text::{clean, csv_line, cut, width};

/// Blanks between two columns.
pub(super) const GAP: usize = 2;
/// Narrowest width that the last column is cut to.
const LAST_COLUMN_MIN: usize = 12;

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
    pub fn new(text: impl std::fmt::Display) -> Self {
        Self { text: text.to_string(), ..Self::default() }
    }

    /// What programs get instead.
    #[must_use]
    pub fn raw(self, raw: impl std::fmt::Display) -> Self {
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

/// Columns side by side, the last one cut so that lines fit into `total`; `None` = all columns, nothing cut.
pub(super) fn aligned(columns: &[Column], rows: &[Row], total: Option<usize>, colour: bool) -> String {
    // A column that has nothing to say takes no room.
    let is_used = |at: &usize| {
        rows.is_empty() || rows.iter().any(|row| row.cells.get(*at).is_some_and(Cell::is_filled))
    };
    let is_wanted = |at: &usize| total.is_none() || !columns[*at].wide;
    let shown: Vec<usize> = (0..columns.len()).filter(is_wanted).filter(is_used).collect();
    let head = shown.iter().map(|&at| (columns[at].title.to_owned(), Tone::Faint)).collect();
    let mut lines: Vec<Vec<(String, Tone)>> = vec![head];
    for row in rows {
        let cell =
            |&at: &usize| row.cells.get(at).map(|cell| (clean(&cell.text), cell.tone)).unwrap_or_default();
        lines.push(shown.iter().map(cell).collect());
    }
    let mut widths: Vec<usize> =
        (0..shown.len()).map(|at| lines.iter().map(|line| width(&line[at].0)).max().unwrap_or(0)).collect();
    if let Some(total) = total {
        fit_last(&mut widths, total);
    }
    let mut out = String::new();
    for line in lines {
        let mut text = String::new();
        for (at, (cell, tone)) in line.iter().enumerate() {
            let cell = cut(cell, widths[at]);
            let blanks = " ".repeat(widths[at] - width(&cell));
            let gap = " ".repeat(if at == 0 { 0 } else { GAP });
            let cell = paint(colour, &cell, *tone);
            let (first, second) = if columns[shown[at]].right { (&blanks, &cell) } else { (&cell, &blanks) };
            text.push_str(&gap);
            text.push_str(first);
            text.push_str(second);
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

/// Narrows the last column, which holds free text, so that lines fit.
fn fit_last(widths: &mut [usize], total: usize) {
    let Some((last, others)) = widths.split_last_mut() else { return };
    let used: usize = others.iter().map(|width| width + GAP).sum();
    *last = (*last).min(total.saturating_sub(used).max(LAST_COLUMN_MIN));
}

/// With its colour, if colours are wanted.
pub(super) fn paint(colour: bool, text: &str, tone: Tone) -> String {
    match tone.code().filter(|_| colour) {
        Some(code) => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        None => text.to_owned(),
    }
}

/// Values for programs, separated by tabs, without a header.
pub(super) fn tabs(columns: &[Column], rows: &[Row]) -> String {
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

/// All columns as CSV, with a header.
pub(super) fn csv(columns: &[Column], rows: &[Row]) -> String {
    let title = |column: &Column| column.title.to_lowercase().replace(' ', "_");
    let mut out = csv_line(columns.iter().map(title));
    for row in rows {
        out.push_str(&csv_line(row.cells.iter().map(|cell| cell.program_text().to_owned())));
    }
    out
}
