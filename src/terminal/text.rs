//! Text of others, made harmless: what an app writes may hold anything, and none of it is to reach the terminal as a command.

use unicode_width::UnicodeWidthChar;

use crate::model::unseen;

/// Columns to the next tab stop, as terminals have them.
const TAB: usize = 8;
/// Characters kept of one line.
pub const LONGEST: usize = 4096;
/// Stands for a character that cannot be shown.
const UNSHOWN: char = '\u{fffd}';

/// One line as it can be put on a screen: no control character, no escape sequence (colours, titles, cursor movements are dropped whole), nothing that
/// turns the direction of writing, no characters that terminals join to one of a width of their own (U+200D, variation selectors). Tabs are blanks. What
/// is beyond [`LONGEST`] characters is cut off, and `…` says so.
pub fn harmless(line: &str) -> String {
    let mut out = String::with_capacity(line.len().min(LONGEST));
    let mut column = 0;
    let mut kept = 0;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if kept >= LONGEST {
            out.push('…');
            break;
        }
        let c = match c {
            '\x1b' => {
                skip_sequence(&mut chars);
                continue;
            }
            // The one-character forms of CSI and of what ends with ST.
            '\u{9b}' => {
                skip_control_sequence(&mut chars);
                continue;
            }
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => {
                skip_string(&mut chars);
                continue;
            }
            '\t' => {
                let blanks = TAB - column % TAB;
                out.extend(std::iter::repeat_n(' ', blanks));
                column += blanks;
                kept += blanks;
                continue;
            }
            // A progress bar writes over its line: what it wrote last is what a terminal would show.
            '\r' => {
                if chars.peek().is_some() {
                    out.clear();
                    (column, kept) = (0, 0);
                }
                continue;
            }
            c if unseen(c) => continue,
            c if c.is_control() => UNSHOWN,
            c => c,
        };
        // Marks that are put on the character before; a heap of them would be drawn over the lines around.
        let width = c.width().unwrap_or(0);
        if width == 0 && ends_with_marks(&out) {
            continue;
        }
        out.push(c);
        column += width;
        kept += 1;
    }
    out
}

fn ends_with_marks(text: &str) -> bool {
    let marks = text
        .chars()
        .rev()
        .take_while(|c| c.width().unwrap_or(0) == 0);
    text.is_empty() || marks.take(2).count() == 2
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// After ESC (ECMA-48): CSI … final byte; OSC, DCS, SOS, PM, APC … ST or BEL; else intermediate bytes and one final byte.
fn skip_sequence(chars: &mut Chars<'_>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_control_sequence(chars);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            chars.next();
            skip_string(chars);
        }
        _ => {
            while chars.next_if(|c| (' '..='/').contains(c)).is_some() {}
            chars.next_if(|c| ('0'..='~').contains(c));
        }
    }
}

fn skip_control_sequence(chars: &mut Chars<'_>) {
    while chars.next_if(|c| (' '..='?').contains(c)).is_some() {}
    chars.next_if(|c| ('@'..='~').contains(c));
}

/// Up to BEL or ST. One that does not end in this line takes nothing but its introducer: the rest may be what somebody wants to read.
fn skip_string(chars: &mut Chars<'_>) {
    let mut ahead = chars.clone();
    while let Some(c) = ahead.next() {
        match c {
            '\x07' | '\u{9c}' => {
                *chars = ahead;
                return;
            }
            '\x1b' if ahead.peek() == Some(&'\\') => {
                ahead.next();
                *chars = ahead;
                return;
            }
            _ => {}
        }
    }
}

/// The lines of a message, each harmless. At most `most`; then a line says how many more there are.
pub fn lines(message: &str, most: usize) -> Vec<String> {
    let message = message.strip_suffix('\n').unwrap_or(message);
    let mut lines: Vec<String> = message.split('\n').take(most).map(harmless).collect();
    let more = message.split('\n').count().saturating_sub(most);
    if more > 0 {
        lines.push(format!("… and {more} more lines: rpmctl logs shows them"));
    }
    lines
}

/// The longest start of a text that fits into so many columns, and how many it takes.
pub fn start(text: &str, columns: usize) -> (&str, usize) {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        let width = c.width().unwrap_or(0);
        if used + width > columns {
            return (&text[..at], used);
        }
        used += width;
    }
    (text, used)
}

/// Columns of a text.
pub fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// In so many columns, filled up with blanks; `…` where something is cut off.
pub fn fit(text: &str, columns: usize) -> String {
    if columns == 0 {
        return String::new();
    }
    let (whole, used) = start(text, columns);
    if whole.len() == text.len() {
        return format!("{whole}{}", " ".repeat(columns - used));
    }
    let (cut, used) = start(text, columns - 1);
    format!("{cut}…{}", " ".repeat(columns - 1 - used))
}

/// Cut into pieces of at most so many columns, for lines that are wrapped; at least one, which may be empty. A character wider than that stands alone.
pub fn wrap(text: &str, columns: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    loop {
        let (piece, _) = start(rest, columns.max(1));
        let piece = match piece.len() {
            0 => &rest[..rest.chars().next().map_or(0, char::len_utf8)],
            _ => piece,
        };
        pieces.push(piece);
        rest = &rest[piece.len()..];
        if rest.is_empty() {
            return pieces;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escape_sequences_are_dropped_whole() {
        for (written, shown) in [
            ("\x1b[31mred\x1b[0m", "red"),
            ("\x1b]0;a title\x07text", "text"),
            ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
            ("\x1bPdcs\x1b\\x", "x"),
            ("\x1b(Bx\x1b7y\x1bcz", "xyz"),
            ("\u{9b}2Jx\u{9d}0;t\u{9c}y", "xy"),
            ("\x1b]0;no end", "0;no end"),
            ("\x1b[31", ""),
            ("x\x1b", "x"),
            ("\x1b[?1049l\x1b[2J\x1b[H!", "!"),
        ] {
            assert_eq!(harmless(written), shown, "{written:?}");
        }
    }

    #[test]
    fn controls_tabs_and_what_is_written_over() {
        assert_eq!(harmless("a\tb\x07\x08c"), "a       b\u{fffd}\u{fffd}c");
        assert_eq!(harmless("10%\r20%\r"), "20%");
        assert_eq!(harmless("a\u{202e}b\u{2066}c\u{200d}d\u{fe0f}"), "abcd");
        assert_eq!(
            harmless("e\u{301}\u{301}\u{301}\u{301}x"),
            "e\u{301}\u{301}x"
        );
        let long = harmless(&"x".repeat(LONGEST * 3));
        assert_eq!(long.chars().count(), LONGEST + 1);
        assert!(long.ends_with('…'));
        assert_eq!(lines("a\nb\n", 5), ["a", "b"]);
        assert_eq!(
            lines("a\nb\nc", 1)[1],
            "… and 2 more lines: rpmctl logs shows them"
        );
    }

    #[test]
    fn wide_characters_are_never_cut_in_two() {
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("日本語", 4), "日… ");
        assert_eq!(fit("日本", 6), "日本  ");
        assert_eq!(fit("x", 0), "");
        assert_eq!(wrap("日本語x", 4), ["日本", "語x"]);
        assert_eq!(wrap("日本", 1), ["日", "本"]);
        assert_eq!(wrap("", 4), [""]);
    }

    proptest! {
        #[test]
        fn nothing_that_commands_a_terminal_is_left(
            parts in prop::collection::vec(prop_oneof![
                "\\PC{0,4}", Just("\x1b[".to_owned()), Just("\x1b]".to_owned()), Just("\x1b".to_owned()), any::<char>().prop_map(String::from),
            ], 0..40)
        ) {
            let shown = harmless(&parts.concat());
            prop_assert!(!shown.chars().any(char::is_control), "{:?}", shown);
        }

        #[test]
        fn what_is_fitted_has_that_width_and_what_is_wrapped_is_all_there(text in "\\PC{0,60}", columns in 1usize..40) {
            let text = harmless(&text);
            prop_assert_eq!(width(&fit(&text, columns)), columns);
            let pieces = wrap(&text, columns.max(2));
            prop_assert_eq!(pieces.concat(), text.clone());
            prop_assert!(pieces.iter().all(|piece| width(piece) <= columns.max(2)));
        }
    }
}
