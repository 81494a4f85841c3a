//! Which folders of the crate a Rust source names: `crate::X` and `super::…::X`, in `use` and in expressions, without
//! being misled by comments and strings. A small reader of tokens, not a parser: Rust's grammar is not needed for it.

use std::path::Path;

/// One mention of a folder of the crate. `None` when the crate is named as a whole, so that it may be any.
#[derive(Debug, PartialEq, Eq)]
pub struct Import {
    pub line: usize,
    pub folder: Option<String>,
}

/// `model/app.rs` and `model/app/mod.rs` are both `[model, app]`; lib.rs and main.rs are the root.
pub fn module_of(file: &Path) -> Vec<String> {
    let file = file.with_extension("");
    let mut module: Vec<String> = file
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if matches!(
        module.last().map(String::as_str),
        Some("mod" | "lib" | "main")
    ) {
        module.pop();
    }
    module
}

/// Every mention, in the order of the text. `module` is where the text stands.
pub fn imports(text: &str, module: &[String]) -> Vec<Import> {
    let tokens = tokens(text);
    let word = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut found = Vec::new();
    // For every open brace: whether it opened an inline `mod`, which `super` counts.
    let mut braces: Vec<bool> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match word(at) {
            "{" => braces.push(at >= 2 && word(at - 2) == "mod"),
            "}" => {
                braces.pop();
            }
            start @ ("crate" | "super") if word(at + 1) == "::" => {
                let depth = module.len() + braces.iter().filter(|inline| **inline).count();
                let mut up = if start == "crate" { depth } else { 1 };
                at += 2;
                while word(at) == "super" && word(at + 1) == "::" {
                    up += 1;
                    at += 2;
                }
                if up >= depth {
                    named(&tokens, at, &mut found);
                }
                continue;
            }
            "crate" if at > 0 && word(at - 1) == "use" => found.push(Import {
                line: tokens[at].line,
                folder: None,
            }),
            _ => {}
        }
        at += 1;
    }
    found
}

/// What follows the path to the crate's root: a name, `*`, or a group of them.
fn named(tokens: &[Token], at: usize, found: &mut Vec<Import>) {
    let Some(first) = tokens.get(at) else { return };
    if first.text != "{" {
        let folder = Some(first.text.clone()).filter(|name| name != "*" && name != "self");
        found.push(Import {
            line: first.line,
            folder,
        });
        return;
    }
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        let starts = matches!(tokens[index - 1].text.as_str(), "{" | ",");
        if depth == 1 && starts && !matches!(token.text.as_str(), "{" | ",") {
            named(tokens, index, found);
        }
    }
}

struct Token {
    text: String,
    line: usize,
}

/// Words, `::` and single signs. Comments, strings, characters and lifetimes are left out.
fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        let end = match bytes[at] {
            byte if byte.is_ascii_whitespace() => at + 1,
            b'/' if bytes[at..].starts_with(b"//") => {
                at + text[at..].find('\n').unwrap_or(text.len() - at)
            }
            b'/' if bytes[at..].starts_with(b"/*") => after_comment(bytes, at),
            b'"' => after_string(bytes, at),
            b'\'' => after_character_or_lifetime(text, at),
            byte if is_word(byte) => {
                let end = at
                    + bytes[at..]
                        .iter()
                        .take_while(|byte| is_word(**byte))
                        .count();
                match after_raw_string(bytes, at, end) {
                    Some(end) => end,
                    None => {
                        tokens.push(Token {
                            text: text[at..end].to_string(),
                            line,
                        });
                        end
                    }
                }
            }
            b':' if bytes[at..].starts_with(b"::") => {
                tokens.push(Token {
                    text: "::".into(),
                    line,
                });
                at + 2
            }
            sign => {
                tokens.push(Token {
                    text: char::from(sign).into(),
                    line,
                });
                at + 1
            }
        };
        line += bytes[at..end].iter().filter(|byte| **byte == b'\n').count();
        at = end;
    }
    tokens
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn after_comment(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn after_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// `r"…"`, `br#"…"#`: the word in `start..end` is their prefix.
fn after_raw_string(bytes: &[u8], start: usize, end: usize) -> Option<usize> {
    if !matches!(&bytes[start..end], b"r" | b"br" | b"cr") {
        return None;
    }
    let hashes = bytes[end..]
        .iter()
        .take_while(|byte| **byte == b'#')
        .count();
    if bytes.get(end + hashes) != Some(&b'"') {
        return None;
    }
    let closing = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let body = end + hashes + 1;
    let length = bytes[body..]
        .windows(closing.len())
        .position(|window| window == closing);
    Some(length.map_or(bytes.len(), |length| body + length + closing.len()))
}

fn after_character_or_lifetime(text: &str, start: usize) -> usize {
    let mut rest = text[start + 1..].char_indices();
    match (rest.next(), rest.next()) {
        (Some((_, '\\')), _) => {
            let escape = &text[start + 3..];
            let skipped = escape.chars().next().map_or(0, char::len_utf8);
            let end = escape[skipped..]
                .find('\'')
                .map_or(escape.len(), |end| skipped + end + 1);
            start + 3 + end
        }
        (Some(_), Some((offset, '\''))) => start + 1 + offset + 1,
        _ => start + 1,
    }
}
