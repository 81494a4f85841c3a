//! Aligned columns, and colour where a person looks.

use std::io::IsTerminal;

use unicode_width::UnicodeWidthStr;

/// What a cell means; the colour follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Good,
    Bad,
    Busy,
    Faint,
}

#[derive(Clone, Debug)]
pub struct Cell {
    pub text: String,
    pub tone: Tone,
}

impl Cell {
    pub fn new(text: impl ToString, tone: Tone) -> Cell {
        Cell {
            text: text.to_string(),
            tone,
        }
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell::new(text, Tone::Plain)
    }
}

/// Whether stdout takes colour: a terminal, or whoever reads it says that it ends on one (CLICOLOR_FORCE, bixense.com/clicolors); and NO_COLOR
/// (no-color.org) unset or empty.
pub fn colour() -> bool {
    let forced =
        std::env::var_os("CLICOLOR_FORCE").is_some_and(|set| !set.is_empty() && set != "0");
    (forced || std::io::stdout().is_terminal())
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// How wide the terminal on stdout is.
pub fn columns() -> Option<u16> {
    let stdout = std::io::stdout();
    let size = rustix::termios::tcgetwinsize(&stdout).ok()?;
    Some(size.ws_col).filter(|columns| *columns > 0)
}

/// How wide the terminal on stderr is; None where it is none.
pub fn columns_err() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// The same as [`colour`] for stderr.
pub fn colour_err() -> bool {
    std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Columns as wide as their widest cell, two blanks between; numbers (columns named in `right`) to the right.
pub fn table(heading: &[&str], rows: &[Vec<Cell>], right: &[&str], colour: bool) -> String {
    let mut widths: Vec<usize> = heading.iter().map(|text| width(text)).collect();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            widths[column] = widths[column].max(width(&cell.text));
        }
    }
    let to_the_right: Vec<bool> = heading.iter().map(|name| right.contains(name)).collect();
    let head: Vec<Cell> = heading
        .iter()
        .map(|text| Cell::new(text, Tone::Faint))
        .collect();
    let mut out = String::new();
    for row in std::iter::once(&head).chain(rows) {
        let line = out.len();
        for (column, cell) in row.iter().enumerate() {
            let blanks = widths[column] - width(&cell.text);
            let (before, after) = match to_the_right[column] {
                true => (blanks, 0),
                false => (0, blanks),
            };
            out.extend(std::iter::repeat_n(' ', before));
            match code(cell.tone).filter(|_| colour) {
                Some(_) => out.push_str(&paint(&cell.text, cell.tone, colour)),
                None => out.push_str(&cell.text),
            }
            out.extend(std::iter::repeat_n(' ', after + 2));
        }
        out.truncate(line + out[line..].trim_end().len());
        out.push('\n');
    }
    out
}

/// Columns of a terminal.
pub fn width(text: &str) -> usize {
    match text.is_ascii() {
        true => text.len(),
        false => text.width(),
    }
}

pub fn paint(text: &str, tone: Tone, colour: bool) -> String {
    match code(tone).filter(|_| colour) {
        Some(code) => format!("\x1b[{code}m{text}\x1b[0m"),
        None => text.to_owned(),
    }
}

fn code(tone: Tone) -> Option<&'static str> {
    match tone {
        Tone::Plain => None,
        Tone::Good => Some("32"),
        Tone::Bad => Some("31"),
        Tone::Busy => Some("33"),
        Tone::Faint => Some("2"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligned() {
        let rows = vec![
            vec![Cell::from("a"), Cell::from(5)],
            vec![Cell::from("日本"), Cell::new(100, Tone::Good)],
        ];
        assert_eq!(
            table(&["name", "n"], &rows, &["n"], false),
            "name    n\na       5\n日本  100\n"
        );
        assert!(table(&["name", "n"], &rows, &["n"], true).contains("\x1b[32m100\x1b[0m"));
    }
}
