//! systemd's quoting rules: the only place that knows them.
//!
//! Each function was held against systemd 247, 252, 257 and 262; `tests/real/bytes.rs` sends strings through a running systemd and compares what the
//! process got. NUL cannot be expressed anywhere and is refused when the file is checked.

use std::fmt::Write;

/// One word of `ExecStart=` or of another directive that is split into words, double-quoted (systemd.service(5), "COMMAND LINES"): specifiers and
/// escapes are off. `$` stays as it is: the command line must have the `:` prefix, which turns variables off.
pub fn word(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '%' => quoted.push_str("%%"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_ascii_control() => {
                write!(quoted, "\\x{:02x}", c as u32).expect("writing to a string")
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A word that begins with a user's text and ends in unit syntax of our own, such as `@%i`.
pub fn word_then(text: &str, syntax: &str) -> String {
    let mut quoted = word(text);
    quoted.insert_str(quoted.len() - 1, syntax);
    quoted
}

/// An `Environment=` assignment: one a line, quoted whole (systemd.exec(5)).
pub fn assignment(name: &str, value: &str) -> String {
    word(&format!("{name}={value}"))
}

/// A line of an `EnvironmentFile=`: no specifiers there; inside double quotes a backslash takes `"`, `\`, `` ` `` and `$`, and line breaks stand raw.
pub fn env_line(name: &str, value: &str) -> String {
    let mut line = format!("{name}=\"");
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '`' | '$') {
            line.push('\\');
        }
        line.push(c);
    }
    line.push_str("\"\n");
    line
}

/// A raw path, as `WorkingDirectory=` takes it: quotes would be part of it. A path that ends in a blank or a backslash gets `/.`, else systemd would
/// strip the blank or join the next line. Line breaks cannot be expressed; `service` refuses them.
pub fn path(path: &str) -> String {
    let doubled = path.replace('%', "%%");
    if doubled.ends_with([' ', '\t', '\\']) {
        doubled + "/."
    } else {
        doubled
    }
}

/// The path of an `EnvironmentFile=`, which is a glob(7) pattern.
pub fn glob_path(path: &str) -> String {
    let mut quoted = String::with_capacity(path.len());
    for c in path.chars() {
        match c {
            '*' | '?' | '[' | ']' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            '%' => quoted.push_str("%%"),
            c => quoted.push(c),
        }
    }
    quoted
}

/// What [`glob_path`] wrote; None of what names one file only to systemd: a pattern, or a specifier.
pub fn read_glob_path(written: &str) -> Option<String> {
    let mut path = String::with_capacity(written.len());
    let mut chars = written.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => path.push(chars.next()?),
            '%' => path.push(chars.next().filter(|next| *next == '%')?),
            '*' | '?' | '[' | ']' => return None,
            c => path.push(c),
        }
    }
    Some(path)
}

/// Free text on one line, `Description=`: blanks are folded, and a trailing backslash, which would join the next line, is dropped.
pub fn prose(text: &str) -> String {
    let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let printable: String = folded.chars().filter(|c| !c.is_control()).collect();
    printable.trim_end_matches(['\\', ' ']).replace('%', "%%")
}

/// A fact in our own `[X-Rpmctl]` section, which systemd skips but still joins lines in: as it is where that is safe, else as a JSON string.
pub fn fact(value: &str) -> String {
    let plain = !value.chars().any(char::is_control)
        && !value.starts_with(['"', ' '])
        && !value.ends_with([' ', '\\']);
    if plain {
        value.to_owned()
    } else {
        serde_json::to_string(value).expect("a string is always JSON")
    }
}

/// What [`fact`] wrote.
pub fn read_fact(written: &str) -> String {
    if written.starts_with('"') {
        serde_json::from_str(written).unwrap_or_else(|_| written.to_owned())
    } else {
        written.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words() {
        assert_eq!(word(r#"a "b" \c 100% $X"#), r#""a \"b\" \\c 100%% $X""#);
        assert_eq!(word("l1\nl2\t\r\x01\x7f"), r#""l1\nl2\t\r\x01\x7f""#);
        assert_eq!(word(""), "\"\"");
        assert_eq!(word_then("100%", "@%i"), "\"100%%@%i\"");
    }

    #[test]
    fn paths() {
        assert_eq!(path("/srv/100%/app"), "/srv/100%%/app");
        assert_eq!(path("/srv/odd "), "/srv/odd /.");
        assert_eq!(glob_path("/e/a\\x20[b].env"), "/e/a\\\\x20\\[b\\].env");
        for path in ["/e/a\\x20[b]*?%.env", "/e/plain"] {
            assert_eq!(read_glob_path(&glob_path(path)).as_deref(), Some(path));
        }
        for pattern in ["/e/*.env", "/e/[ab]", "/e/%i.env", "/e/\\"] {
            assert_eq!(read_glob_path(pattern), None);
        }
        assert_eq!(prose("  two\n words \\"), "two words");
    }

    proptest! {
        /// Whatever the text, the word is one line, opened and closed by quotes that nothing inside can end.
        #[test]
        fn a_word_is_closed(text in "[^\\x00]*") {
            let quoted = word(&text);
            prop_assert!(!quoted.contains('\n'));
            let inner = &quoted[1..quoted.len() - 1];
            let mut escaped = false;
            for c in inner.chars() {
                prop_assert!(escaped || c != '"');
                escaped = !escaped && c == '\\';
            }
            prop_assert!(!escaped);
            prop_assert_eq!(inner.replace("%%", "").contains('%'), false);
        }

        #[test]
        fn facts_come_back(value in "[^\\x00]*") {
            let written = fact(&value);
            prop_assert!(!written.contains('\n') && !written.ends_with('\\'));
            prop_assert_eq!(read_fact(&written), value);
        }
    }
}
