//! Which columns of a table a terminal has room for, and how wide: the least important go first.

use unicode_width::UnicodeWidthChar;

use crate::cli::table::{self, Cell, Tone, width};

/// One thing that is told of each row.
#[derive(Clone, Debug)]
pub struct Column {
    pub heading: &'static str,
    /// Numbers stand to the right.
    pub right: bool,
    /// 0 stays whatever room there is; of the others the highest goes first.
    pub rank: u8,
    /// Where room is short, it may be cut down to this many columns of the terminal.
    pub shrinks: Option<usize>,
    /// None where there is nothing to tell of a row.
    pub cells: Vec<Option<Cell>>,
}

/// Between two columns.
const GAP: usize = 2;
/// A column that stays is not cut below this, but by the edge of the terminal.
const LEAST: usize = 4;

/// Columns from this rank on go before names are cut down.
const EXTRA: u8 = 11;

impl Column {
    fn width(&self) -> usize {
        let cells = self.cells.iter().flatten().map(|cell| width(&cell.text));
        cells.chain([width(self.heading)]).max().unwrap_or(0)
    }

    fn least(&self) -> usize {
        let width = self.width();
        self.shrinks.map_or(width, |least| width.min(least))
    }

    /// Nobody has anything here.
    fn is_empty(&self) -> bool {
        self.rank > 0 && self.cells.iter().all(Option::is_none)
    }
}

/// Takes away the least important column, if its rank is `from` or more.
fn drop_last(columns: &mut Vec<Column>, from: u8) -> bool {
    let last = columns
        .iter()
        .enumerate()
        .filter(|(_, column)| column.rank >= from)
        .max_by_key(|(_, column)| column.rank)
        .map(|(index, _)| index);
    last.map(|index| columns.remove(index)).is_some()
}

fn sum(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

/// The columns that fit, each with its width. `room`: columns of the terminal; None for as many as are wanted.
pub fn fit(columns: Vec<Column>, room: Option<usize>) -> Vec<(Column, usize)> {
    let mut columns: Vec<Column> = columns
        .into_iter()
        .filter(|column| !column.is_empty())
        .collect();
    let Some(room) = room else {
        return columns
            .into_iter()
            .map(|column| {
                let width = column.width();
                (column, width)
            })
            .collect();
    };
    let least = |columns: &[Column]| columns.iter().map(Column::least).collect::<Vec<_>>();
    // Names in full come before the columns that only a wide terminal shows.
    let with_names = |columns: &[Column]| {
        let width = |column: &Column| match column.rank {
            0 => column.width(),
            _ => column.least(),
        };
        columns.iter().map(width).collect::<Vec<_>>()
    };
    while sum(&with_names(&columns)) > room && drop_last(&mut columns, EXTRA) {}
    while sum(&least(&columns)) > room && drop_last(&mut columns, 1) {}
    let mut widths = least(&columns);
    // A terminal that has no room even for these.
    while sum(&widths) > room {
        match widths.iter_mut().max() {
            Some(widest) if *widest > LEAST => *widest -= 1,
            _ => break,
        }
    }
    // What is left goes to those that were cut down, the most important first.
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by_key(|index| columns[*index].rank);
    for index in order {
        let left = room.saturating_sub(sum(&widths));
        widths[index] = columns[index].width().min(widths[index] + left);
    }
    columns.into_iter().zip(widths).collect()
}

/// The table, no line longer than `room`.
pub fn render(columns: Vec<Column>, room: Option<usize>, colour: bool) -> String {
    rendered(fit(columns, room), room, colour)
}

/// The same of what [`fit`] has chosen.
pub fn rendered(columns: Vec<(Column, usize)>, room: Option<usize>, colour: bool) -> String {
    let headings: Vec<String> = columns
        .iter()
        .map(|(column, width)| shorten(column.heading, *width))
        .collect();
    let heading: Vec<&str> = headings.iter().map(String::as_str).collect();
    let right: Vec<&str> = columns
        .iter()
        .zip(&heading)
        .filter(|((column, _), _)| column.right)
        .map(|(_, heading)| *heading)
        .collect();
    let rows = columns.first().map_or(0, |(column, _)| column.cells.len());
    let mut cells: Vec<Vec<Cell>> = Vec::new();
    cells.resize_with(rows, || Vec::with_capacity(columns.len()));
    for (column, room) in columns {
        for (row, cell) in cells.iter_mut().zip(column.cells) {
            let mut cell = cell.unwrap_or_else(|| Cell::new("-", Tone::Faint));
            if width(&cell.text) > room {
                cell.text = shorten(&cell.text, room);
            }
            row.push(cell);
        }
    }
    let table = table::table(&heading, &cells, &right, colour);
    match room {
        Some(room) => table.lines().map(|line| clip(line, room) + "\n").collect(),
        None => table,
    }
}

/// Lines below a table, the first of which begins with `name`: that in the tone.
pub fn painted(
    text: &mut String,
    lines: &[String],
    name: &str,
    tone: Tone,
    room: Option<usize>,
    colour: bool,
) {
    for (number, line) in lines.iter().enumerate() {
        let line = match line.strip_prefix(name).filter(|_| number == 0) {
            Some(rest) => table::paint(name, tone, colour) + rest,
            None => line.clone(),
        };
        match room {
            Some(room) => text.push_str(&clip(&line, room)),
            None => text.push_str(&line),
        }
        text.push('\n');
    }
}

/// The text in at most `room` columns of a terminal; what is cut off is told by `…`. Of an instance's name the number stays: `thumbn…@12`.
pub fn shorten(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let number = text.rfind('@').filter(|at| {
        let digits = &text[at + 1..];
        let any = !digits.is_empty() && digits.bytes().all(|one| one.is_ascii_digit());
        any && digits.len() + 3 <= room
    });
    let (text, number) = text.split_at(number.unwrap_or(text.len()));
    let room = room - number.len();
    let mut short = String::new();
    let mut used = 0;
    for one in text.chars() {
        used += one.width().unwrap_or(0);
        if used >= room {
            break;
        }
        short.push(one);
    }
    if room > 0 {
        short.push('…');
    }
    short + number
}

/// The first `width` columns of a line that may hold colours; these end where they would have.
pub fn clip(line: &str, width: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    let mut rest = line.chars();
    while let Some(one) = rest.next() {
        if one == '\x1b' {
            out.push(one);
            for of_colour in rest.by_ref() {
                out.push(of_colour);
                if of_colour.is_ascii_alphabetic() {
                    break;
                }
            }
            continue;
        }
        used += one.width().unwrap_or(0);
        if used <= width {
            out.push(one);
        }
    }
    out
}

/// Words in lines of at most `room` columns, those after the first set in by `indent`. A word that is longer is broken.
pub fn wrap(text: &str, room: usize, indent: usize) -> Vec<String> {
    let room = room.max(indent + 1);
    let blanks = " ".repeat(indent);
    let mut lines = vec![String::new()];
    let mut used = 0;
    let mut empty = true;
    for word in text.split(' ') {
        if !empty && used + 1 + width(word) > room {
            lines.push(blanks.clone());
            used = indent;
            empty = true;
        } else if !empty {
            push(&mut lines, ' ');
            used += 1;
        }
        for one in word.chars() {
            let wide = one.width().unwrap_or(0);
            if used + wide > room {
                lines.push(blanks.clone());
                used = indent;
            }
            push(&mut lines, one);
            used += wide;
            empty = false;
        }
    }
    lines
}

fn push(lines: &mut [String], one: char) {
    if let Some(last) = lines.last_mut() {
        last.push(one);
    }
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;

    fn column(heading: &'static str, rank: u8, cells: &[&str]) -> Column {
        Column {
            heading,
            right: false,
            rank,
            shrinks: None,
            cells: cells.iter().map(|text| Some(Cell::from(text))).collect(),
        }
    }

    fn headings(columns: Vec<Column>, room: usize) -> Vec<(&'static str, usize)> {
        let fitting = fit(columns, Some(room));
        fitting
            .iter()
            .map(|(c, width)| (c.heading, *width))
            .collect()
    }

    #[test]
    fn the_least_important_columns_go_first() {
        let columns = || {
            vec![
                column("app", 0, &["abcdef"]),
                column("b", 1, &["12345"]),
                column("c", 3, &["12345"]),
                column("d", 2, &["12345"]),
            ]
        };
        assert_eq!(
            headings(columns(), 27),
            [("app", 6), ("b", 5), ("c", 5), ("d", 5)]
        );
        assert_eq!(headings(columns(), 26), [("app", 6), ("b", 5), ("d", 5)]);
        assert_eq!(headings(columns(), 19), [("app", 6), ("b", 5)]);
        assert_eq!(headings(columns(), 12), [("app", 6)]);
        assert_eq!(headings(columns(), 5), [("app", 5)]);
        assert_eq!(headings(columns(), 1), [("app", 4)]);
        assert_eq!(fit(columns(), None).len(), 4);
    }

    #[test]
    fn names_shrink_before_columns_go_and_take_what_is_left() {
        let columns = || {
            let mut name = column("app", 0, &["a-name-of-twenty-char"]);
            name.shrinks = Some(8);
            vec![name, column("b", 1, &["12345"]), column("c", 2, &["123"])]
        };
        assert_eq!(headings(columns(), 40), [("app", 21), ("b", 5), ("c", 3)]);
        assert_eq!(headings(columns(), 22), [("app", 10), ("b", 5), ("c", 3)]);
        assert_eq!(headings(columns(), 20), [("app", 8), ("b", 5), ("c", 3)]);
        assert_eq!(headings(columns(), 19), [("app", 12), ("b", 5)]);
        assert_eq!(headings(columns(), 14), [("app", 14)]);
    }

    #[test]
    fn a_column_that_nobody_fills_is_left_out() {
        let mut empty = column("b", 1, &[]);
        empty.cells = vec![None, None];
        let mut half = column("c", 1, &[]);
        half.cells = vec![None, Some(Cell::from("x"))];
        let text = render(
            vec![column("app", 0, &["a", "d"]), empty, half],
            None,
            false,
        );
        assert_eq!(text, "app  c\na    -\nd    x\n");
    }

    #[test]
    fn no_line_is_longer_than_the_terminal() {
        let columns = || {
            vec![
                column("app", 0, &["日本語の名前のアプリ", "x"]),
                column("status", 0, &["restarting", "online"]),
            ]
        };
        for room in 1..40 {
            for line in render(columns(), Some(room), true).lines() {
                assert!(plain(line).width() <= room, "{room}: {line}");
            }
        }
    }

    fn plain(line: &str) -> String {
        let colours = regex::Regex::new("\x1b\\[[0-9]*m").unwrap();
        colours.replace_all(line, "").into_owned()
    }

    #[test]
    fn cut_by_what_a_terminal_shows() {
        for (text, width, short) in [
            ("api", 3, "api"),
            ("server", 4, "ser…"),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}…"),
            ("server", 1, "…"),
            ("server", 0, ""),
            ("server@12", 9, "server@12"),
            ("server@12", 8, "serv…@12"),
            ("server@12", 5, "s…@12"),
            ("server@12", 4, "ser…"),
            ("日本語@1", 6, "日…@1"),
            ("日本語@1", 5, "日…@1"),
            ("a@b@", 3, "a@…"),
        ] {
            assert_eq!(shorten(text, width), short, "{text} {width}");
            assert!(shorten(text, width).width() <= width);
        }
        assert_eq!(clip("\x1b[31mserver\x1b[0m x", 3), "\x1b[31mser\x1b[0m");
    }

    #[test]
    fn wrapped() {
        assert_eq!(wrap("one two three", 8, 2), ["one two", "  three"]);
        assert_eq!(wrap("one", 20, 2), ["one"]);
        assert_eq!(
            wrap("a /srv/long/path b", 8, 2),
            ["a", "  /srv/l", "  ong/pa", "  th b"]
        );
        assert_eq!(wrap("one two", 1, 2), ["one", "  t", "  w", "  o"]);
    }
}
