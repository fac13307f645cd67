//! What `bullock top` draws: one line for each queue, totals above, keys below. 80 by 24 is enough.

use std::cmp::Ordering;

use clap::ValueEnum;
use ratatui::Frame;
use ratatui::crossterm::event::KeyCode;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line as TextLine, Span, Text};
use ratatui::widgets::{Cell, Paragraph, Row, Table, TableState};

use super::look::{Line, Snapshot};
use crate::cli::error::shown;
use crate::cli::time::duration;

/// Narrower than this, the terminal has no room for a table.
const WIDTH_MIN: u16 = 60;
/// From here on there is room for completed jobs, too.
const WIDTH_ALL: u16 = 100;

/// What the lines are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Sort {
    /// Name of the queue
    Name,
    /// Jobs in line
    Waiting,
    /// Jobs that run
    Active,
    /// Jobs to be run later
    Delayed,
    /// Jobs that failed for good
    Failed,
    /// Jobs added per second
    In,
    /// Jobs ended per second
    Out,
    /// Age of the job that has waited longest
    Oldest,
    /// 95 of 100 jobs run at most so long
    P95,
    /// Jobs that look alive and are not
    Zombies,
}

/// Column, title, key, width.
const COLUMNS: [(Sort, &str, char, u16); 10] = [
    (Sort::Name, "QUEUE", 'n', 0),
    (Sort::Waiting, "WAIT", 'w', 6),
    (Sort::Active, "ACT", 'a', 5),
    (Sort::Delayed, "DELAY", 'd', 6),
    (Sort::Failed, "FAIL", 'f', 6),
    (Sort::In, "IN/s", 'i', 5),
    (Sort::Out, "OUT/s", 'u', 5),
    (Sort::Oldest, "OLDEST", 'o', 6),
    (Sort::P95, "P95", 'p', 6),
    (Sort::Zombies, "ZOM", 'z', 3),
];

/// The state of the screen.
pub(super) struct Screen {
    sort: Sort,
    turned: bool,
    colour: bool,
    place: String,
    table: TableState,
    lines: usize,
}

impl Screen {
    pub(super) fn new(sort: Sort, colour: bool, redis: &str, prefix: &str) -> Self {
        let place = if prefix.is_empty() { redis.to_owned() } else { format!("{redis}  prefix {prefix}") };
        Self { sort, turned: false, colour, place, table: TableState::new(), lines: 0 }
    }

    /// A key that somebody pressed.
    pub(super) fn key(&mut self, key: KeyCode) {
        let last = self.lines.saturating_sub(1);
        let at = self.table.selected();
        match key {
            KeyCode::Char(c) => {
                if let Some((sort, ..)) = COLUMNS.iter().find(|(_, _, key, _)| *key == c) {
                    self.turned = self.sort == *sort && !self.turned;
                    self.sort = *sort;
                }
            }
            KeyCode::Down => self.table.select(Some(at.map_or(0, |at| (at + 1).min(last)))),
            KeyCode::Up => self.table.select(Some(at.map_or(0, |at| at.saturating_sub(1)))),
            KeyCode::PageDown => self.table.select(Some((at.unwrap_or(0) + 20).min(last))),
            KeyCode::PageUp => self.table.select(Some(at.unwrap_or(0).saturating_sub(20))),
            KeyCode::Home => self.table.select(Some(0)),
            KeyCode::End => self.table.select(Some(last)),
            _ => {}
        }
    }

    /// Draws everything.
    pub(super) fn draw(&mut self, frame: &mut Frame<'_>, snapshot: &Snapshot) {
        let area = frame.area();
        if area.width < WIDTH_MIN || area.height < 6 {
            frame.render_widget(Paragraph::new("too small: 60 by 6 at least (q ends)"), area);
            return;
        }
        let [head, totals, table, foot] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(2),
            Constraint::Min(1),
            Constraint::Length(1),
        ])
        .areas(area);
        self.head(frame, head, snapshot);
        self.totals(frame, totals, snapshot);
        self.queues(frame, table, snapshot);
        let keys = "q quit  sort: n w a d f i u o p z, again to turn  ↑↓ scroll  * paused";
        frame.render_widget(Paragraph::new(keys).style(self.faint()), foot);
    }

    fn faint(&self) -> Style {
        if self.colour { Style::new().fg(Color::DarkGray) } else { Style::new().add_modifier(Modifier::DIM) }
    }

    fn tone(&self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new().add_modifier(Modifier::BOLD) }
    }

    fn head(&self, frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot) {
        let time = chrono::DateTime::from_timestamp_millis(snapshot.now_ms)
            .map(|time| time.with_timezone(&chrono::Local).format("%H:%M:%S").to_string())
            .unwrap_or_default();
        let [left, right] = Layout::horizontal([Constraint::Min(1), Constraint::Length(8)]).areas(area);
        let name = Span::styled("bullock top  ", Style::new().add_modifier(Modifier::BOLD));
        let place = Span::styled(self.place.as_str(), self.faint());
        frame.render_widget(Paragraph::new(TextLine::from(vec![name, place])), left);
        frame.render_widget(Paragraph::new(time).alignment(Alignment::Right), right);
    }

    fn totals(&self, frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot) {
        if let Some(problem) = &snapshot.problem {
            let text = format!("old: {}", problem.trim_start_matches("error: "));
            frame.render_widget(Paragraph::new(text).style(self.tone(Color::Red)), area);
            return;
        }
        let sum = |of: fn(&Line) -> u64| count(snapshot.lines.iter().map(of).sum());
        let rate =
            |of: fn(&Line) -> Option<f64>| per_second(Some(snapshot.lines.iter().filter_map(of).sum()));
        let workers: Option<usize> = snapshot.lines.iter().map(|line| line.workers).sum();
        let zombies: usize = snapshot.lines.iter().filter_map(|line| line.zombies).sum();
        let workers = workers.map_or_else(|| "?".to_owned(), |n| n.to_string());
        let text = format!(
            "{} queues  {} waiting  {} active  {} failed  in {}/s  out {}/s  {workers} workers  ",
            snapshot.lines.len(),
            sum(|line| line.waiting),
            sum(|line| line.active),
            sum(|line| line.failed),
            rate(|line| line.added),
            rate(|line| line.ended),
        );
        let word = if zombies == 1 { "1 zombie".to_owned() } else { format!("{zombies} zombies") };
        let style = if zombies > 0 { self.tone(Color::Red) } else { Style::new() };
        let spans = vec![Span::raw(text), Span::styled(word, style)];
        frame.render_widget(Paragraph::new(TextLine::from(spans)), area);
    }

    fn queues(&mut self, frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot) {
        let mut lines: Vec<&Line> = snapshot.lines.iter().collect();
        lines.sort_by(|a, b| self.order(a, b));
        self.lines = lines.len();
        let is_wide = area.width >= WIDTH_ALL;
        let mut head: Vec<Cell<'_>> =
            COLUMNS.iter().map(|(sort, title, ..)| self.title(*sort, title)).collect();
        let mut widths: Vec<Constraint> = COLUMNS
            .iter()
            .map(|(.., width)| if *width == 0 { Constraint::Min(8) } else { Constraint::Length(*width) })
            .collect();
        head.insert(9, right("WKR", self.faint()));
        widths.insert(9, Constraint::Length(3));
        if is_wide {
            head.insert(5, right("DONE", self.faint()));
            widths.insert(5, Constraint::Length(7));
        }
        let rows: Vec<Row<'_>> = lines.iter().map(|line| self.row(line, is_wide)).collect();
        if rows.is_empty() {
            frame.render_widget(Paragraph::new("no queues yet").style(self.faint()), area);
            return;
        }
        let table = Table::new(rows, widths)
            .header(Row::new(head))
            .column_spacing(1)
            .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
        frame.render_stateful_widget(table, area, &mut self.table);
    }

    fn title(&self, sort: Sort, title: &'static str) -> Cell<'static> {
        let style =
            if sort == self.sort { Style::new().add_modifier(Modifier::UNDERLINED) } else { self.faint() };
        if sort == Sort::Name { Cell::new(title).style(style) } else { right(title, style) }
    }

    /// Names from A, numbers from the largest, unless turned.
    fn order(&self, a: &Line, b: &Line) -> Ordering {
        let number = |line: &Line| match self.sort {
            Sort::Name => 0.0,
            Sort::Waiting => line.waiting as f64,
            Sort::Active => line.active as f64,
            Sort::Delayed => line.delayed as f64,
            Sort::Failed => line.failed as f64,
            Sort::In => line.added.unwrap_or(-1.0),
            Sort::Out => line.ended.unwrap_or(-1.0),
            Sort::Oldest => line.oldest_ms.map_or(-1.0, |ms| ms as f64),
            Sort::P95 => line.p95_ms.map_or(-1.0, |ms| ms as f64),
            Sort::Zombies => line.zombies.map_or(-1.0, |n| n as f64),
        };
        let by_name = a.queue.cmp(&b.queue);
        let order = number(b).total_cmp(&number(a));
        match (self.sort, self.turned) {
            (Sort::Name, true) => by_name.reverse(),
            (_, true) => order.reverse().then(by_name),
            (_, false) => order.then(by_name),
        }
    }

    fn row(&self, line: &Line, is_wide: bool) -> Row<'static> {
        let plain = Style::new();
        let ms = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), brief);
        let name = shown(&line.queue) + if line.paused { " *" } else { "" };
        let zombies = line.zombies.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let bad = |is_bad: bool| if is_bad { self.tone(Color::Red) } else { plain };
        // Work that waits and nobody who does it: what one looks for first.
        let is_dead = line.waiting > 0 && !line.paused && line.workers == Some(0);
        let mut cells = vec![
            Cell::new(name).style(if line.paused { self.tone(Color::Yellow) } else { plain }),
            right(count(line.waiting), bad(is_dead)),
            right(count(line.active), if line.active > 0 { self.tone(Color::Cyan) } else { plain }),
            right(count(line.delayed), plain),
            right(count(line.failed), bad(line.failed > 0)),
            right(per_second(line.added), plain),
            right(per_second(line.ended), plain),
            right(ms(line.oldest_ms), plain),
            right(ms(line.p95_ms), plain),
            right(line.workers.map_or_else(|| "?".to_owned(), |n| n.to_string()), bad(is_dead)),
            right(zombies, bad(line.zombies.is_some_and(|n| n > 0))),
        ];
        if is_wide {
            cells.insert(5, right(count(line.completed), plain));
        }
        Row::new(cells)
    }
}

fn right(text: impl Into<String>, style: Style) -> Cell<'static> {
    Cell::new(Text::from(text.into()).alignment(Alignment::Right)).style(style)
}

/// At most five characters: `9999`, `12.3k`, `1.2M`.
fn count(n: u64) -> String {
    match n {
        0..10_000 => n.to_string(),
        10_000..1_000_000 => scaled(n as f64 / 1e3, "k"),
        1_000_000..1_000_000_000 => scaled(n as f64 / 1e6, "M"),
        _ => scaled(n as f64 / 1e9, "G"),
    }
}

fn scaled(n: f64, unit: &str) -> String {
    if n < 100.0 { format!("{n:.1}{unit}") } else { format!("{n:.0}{unit}") }
}

fn per_second(rate: Option<f64>) -> String {
    match rate {
        None => "-".to_owned(),
        Some(rate) if rate > 0.0 && rate < 100.0 => format!("{rate:.1}"),
        Some(rate) => count(rate.round() as u64),
    }
}

/// A time in at most six characters.
fn brief(ms: u64) -> String {
    let text = duration(i64::try_from(ms).unwrap_or(i64::MAX));
    if text.len() <= 6 { text } else { crate::cli::time::age(0, i64::try_from(ms).unwrap_or(i64::MAX)) }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    fn line(queue: &str, waiting: u64, failed: u64) -> Line {
        Line {
            queue: queue.to_owned(),
            waiting,
            failed,
            active: 3,
            delayed: 12_345,
            completed: 7_654_321,
            added: Some(12.34),
            ended: Some(1234.5),
            oldest_ms: Some(130_000),
            p95_ms: Some(4_230),
            workers: Some(2),
            zombies: Some(0),
            paused: queue.starts_with('p'),
        }
    }

    #[allow(clippy::unwrap_used, reason = "a test reports by panicking")]
    fn drawn(screen: &mut Screen, width: u16, snapshot: &Snapshot) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, 24)).unwrap();
        terminal.draw(|frame| screen.draw(frame, snapshot)).unwrap();
        let buffer = terminal.backend().buffer();
        let row = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..24).map(|y| row(y).trim_end().to_owned()).collect()
    }

    fn snapshot() -> Snapshot {
        let lines = vec![line("emails", 7, 0), line("paused", 120_000, 4), line("reports", 0, 2_500_000)];
        Snapshot { lines, now_ms: 0, problem: None }
    }

    #[test]
    fn eighty_columns_hold_every_figure() {
        let mut screen = Screen::new(Sort::Name, false, "redis://127.0.0.1:6379", "bull");
        let rows = drawn(&mut screen, 80, &snapshot());
        assert!(rows[0].starts_with("bullock top  redis://127.0.0.1:6379  prefix bull"), "{rows:#?}");
        assert_eq!(
            rows[3],
            "QUEUE                 WAIT   ACT  DELAY   FAIL  IN/s OUT/s OLDEST    P95 WKR ZOM"
        );
        assert_eq!(
            rows[4],
            "emails                   7     3  12.3k      0  12.3  1235  2m10s   4.2s   2   0"
        );
        assert!(rows[5].starts_with("paused *              120k"), "{rows:#?}");
        assert!(rows[6].contains("2.5M"), "{rows:#?}");
        assert!(rows[23].starts_with("q quit"), "{rows:#?}");
    }

    #[test]
    fn a_key_sorts_and_the_same_key_turns_the_order() {
        let mut screen = Screen::new(Sort::Name, false, "redis://h", "bull");
        let first =
            |screen: &mut Screen| drawn(screen, 80, &snapshot())[4].split(' ').next().map(str::to_owned);
        assert_eq!(first(&mut screen).as_deref(), Some("emails"));
        screen.key(KeyCode::Char('w'));
        assert_eq!(first(&mut screen).as_deref(), Some("paused"));
        screen.key(KeyCode::Char('w'));
        assert_eq!(first(&mut screen).as_deref(), Some("reports"));
        screen.key(KeyCode::Char('f'));
        assert_eq!(first(&mut screen).as_deref(), Some("reports"));
        screen.key(KeyCode::Char('n'));
        screen.key(KeyCode::Char('n'));
        assert_eq!(first(&mut screen).as_deref(), Some("reports"));
    }

    #[test]
    fn a_redis_that_is_away_leaves_the_last_figures_and_says_so() {
        let mut screen = Screen::new(Sort::Name, false, "redis://h", "bull");
        let rows = drawn(&mut screen, 120, &snapshot().with_problem("error: cannot reach Redis".into()));
        assert_eq!(rows[1], "old: cannot reach Redis");
        assert!(rows[3].contains("DONE") && rows[4].contains("7.7M"), "{rows:#?}");
        assert!(drawn(&mut screen, 40, &snapshot())[0].starts_with("too small"), "{rows:#?}");
    }
}
