//! A line of the file with a caret under the place that is meant. Tabs, wide characters, CRLF, long lines and the end of the file are shown so that the
//! caret stands where it should on a terminal.

use std::fmt::Write;

use super::problem::Span;

/// Columns of the line that are shown at most.
const WIDTH: usize = 100;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// Where a byte offset is; offsets inside a character or beyond the end are moved back to a place that exists.
pub fn position(text: &str, offset: usize) -> Position {
    let offset = boundary(text, offset);
    let start = text[..offset].rfind('\n').map_or(0, |i| i + 1);
    Position {
        line: text[..start].matches('\n').count() + 1,
        column: text[start..offset].chars().count() + 1,
    }
}

fn boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// ` --> file:4:1` and the line with its caret and label, with colours `(frame, caret, end)`.
pub fn excerpt(
    name: &str,
    text: &str,
    span: &Span,
    arrow: &str,
    label: &str,
    (frame, caret, end): (&str, &str, &str),
) -> String {
    let mut start = boundary(text, span.start);
    if start == text.len() && text.ends_with('\n') {
        // The end of the file: show it behind the last line, not on an empty one after it.
        start = text.trim_end_matches(['\n', '\r']).len();
    }
    let stop = boundary(text, span.end).max(start);
    let at = position(text, start);
    let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
    let line = text[line_start..].split('\n').next().unwrap_or("");
    let line = line.strip_suffix('\r').unwrap_or(line);
    let from = (start - line_start).min(line.len());
    let to = (stop - line_start).min(line.len()).max(from);

    let (before, marked, after) = (&line[..from], &line[from..to], &line[to..]);
    let (before, marked, after) = (display(before), display(marked), display(after));
    let (before, marked, after) = fit(before, marked, after);
    let carets = "^".repeat(width(&marked).max(1));
    let pad = " ".repeat(width(&before));
    let number = at.line.to_string();
    let gutter = " ".repeat(number.len() + 2);

    let mut out = String::new();
    let gap = " ".repeat(number.len() + 1);
    let _ = writeln!(
        out,
        "{gap}{frame}{arrow}{end} {}:{}:{}",
        printable(name),
        at.line,
        at.column
    );
    let _ = writeln!(out, "{gutter}{frame}|{end}");
    let _ = writeln!(out, " {frame}{number} |{end} {before}{marked}{after}");
    let mut under = format!("{gutter}{frame}|{end} {pad}{caret}{carets}");
    if !label.is_empty() {
        let _ = write!(under, " {label}");
    }
    let _ = writeln!(out, "{under}{end}");
    out
}

/// Cuts a line that is too long around the marked part, with `…` where something is left out.
fn fit(before: String, marked: String, after: String) -> (String, String, String) {
    if width(&before) + width(&marked) + width(&after) <= WIDTH {
        return (before, marked, after);
    }
    let marked = if width(&marked) > WIDTH / 2 {
        format!("{}…", head(&marked, WIDTH / 2))
    } else {
        marked
    };
    let room = WIDTH - width(&marked);
    let before = if width(&before) > room / 2 {
        format!("…{}", tail(&before, room / 2))
    } else {
        before
    };
    let room = WIDTH - (width(&marked) + width(&before)).min(WIDTH);
    let after = if width(&after) > room {
        format!("{}…", head(&after, room))
    } else {
        after
    };
    (before, marked, after)
}

fn head(text: &str, columns: usize) -> String {
    let mut used = 0;
    text.chars()
        .take_while(|c| {
            used += char_width(*c);
            used <= columns
        })
        .collect()
}

fn tail(text: &str, columns: usize) -> String {
    let mut used = 0;
    let kept: Vec<char> = text
        .chars()
        .rev()
        .take_while(|c| {
            used += char_width(*c);
            used <= columns
        })
        .collect();
    kept.into_iter().rev().collect()
}

/// Tabs as four blanks; what a terminal would obey, as a replacement character.
fn display(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' => "    ".to_owned(),
            c if hostile(c) => "\u{fffd}".to_owned(),
            c => c.to_string(),
        })
        .collect()
}

/// A message without anything a terminal would obey.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if hostile(c) { '\u{fffd}' } else { c })
        .collect()
}

/// Control characters, and those that turn the direction of text.
fn hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// Columns of a character on a terminal: 0 for marks that combine, 2 for the wide ones of Unicode's East Asian Width (UAX #11), in large ranges.
fn char_width(c: char) -> usize {
    match c as u32 {
        0x300..=0x36f | 0x200b..=0x200d | 0x20d0..=0x20ff | 0xfe00..=0xfe0f | 0xfe20..=0xfe2f => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f680..=0x1f6ff
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str, span: Span) -> String {
        excerpt("e.toml", text, &span, "-->", "here", ("", "", ""))
    }

    #[test]
    fn caret_under_the_place() {
        assert_eq!(
            show("a = 1\nbb = 2\n", 6..8),
            "  --> e.toml:2:1\n   |\n 2 | bb = 2\n   | ^^ here\n"
        );
    }

    #[test]
    fn tabs_wide_characters_and_crlf() {
        assert_eq!(
            show("\tx = 1\r\n", 1..2),
            "  --> e.toml:1:2\n   |\n 1 |     x = 1\n   |     ^ here\n"
        );
        assert_eq!(
            show("名 = 1\n", 0..3),
            "  --> e.toml:1:1\n   |\n 1 | 名 = 1\n   | ^^ here\n"
        );
        let (text, place) = ("a = \"é\u{301}日\" # x", 4..13);
        assert!(
            show(text, place).ends_with("|     ^^^^^ here\n"),
            "{}",
            show(text, 4..13)
        );
    }

    #[test]
    fn end_of_file_long_lines_and_spans_over_lines() {
        assert_eq!(
            show("a = 1\n", 6..6),
            "  --> e.toml:1:6\n   |\n 1 | a = 1\n   |      ^ here\n"
        );
        assert_eq!(
            show("", 0..0),
            "  --> e.toml:1:1\n   |\n 1 | \n   | ^ here\n"
        );
        let long = format!("{}KEY{}", "x".repeat(500), "y".repeat(500));
        let shown = show(&long, 500..503);
        assert!(shown.contains("…x") && shown.contains("xKEYy") && shown.contains("y…"));
        assert!(shown.lines().all(|line| width(line) < 120), "{shown}");
        assert_eq!(
            show("a = [\n1\n]", 4..9),
            "  --> e.toml:1:5\n   |\n 1 | a = [\n   |     ^ here\n"
        );
    }

    #[test]
    fn nothing_a_terminal_obeys() {
        assert!(!show("a = \"\x1b[2J\u{202e}\"", 0..1).contains(['\x1b', '\u{202e}']));
    }
}
