//! Globs over paths, as chokidar's matcher (picomatch with `dot`) reads them: `*`, `?`, `[a-z]`, `{a,b}`, `(a|b)`, and `**` for any folders.

/// Most texts that the alternatives of one glob may stand for.
const MOST: usize = 256;

/// Alternatives, each a path of segments.
#[derive(Clone, Debug, PartialEq)]
pub struct Glob(Vec<Vec<Segment>>);

#[derive(Clone, Debug, PartialEq)]
enum Segment {
    /// `**`: any folders, none too.
    Folders,
    Name(Vec<Token>),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Char(char),
    /// `?`
    One,
    /// `*`
    Any,
    /// `[…]`, and whether it begins with `!` or `^`.
    Of(Vec<(char, char)>, bool),
}

/// Whether the text has any of what makes a glob more than a path.
pub fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', '{']) || (text.contains('(') && text.contains('|'))
}

/// A glob that matches this path, and as good as no other.
pub fn literal(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        match c {
            '*' | '?' | '[' | ']' | '{' | '}' | '(' | ')' | '+' | '$' => {
                out.push('[');
                out.push(c);
                out.push(']');
            }
            // A pattern that has one is a regular expression.
            '\\' | '|' => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

impl Glob {
    /// Errors: what is wrong, then after a colon what to write.
    pub fn parse(text: &str) -> Result<Glob, String> {
        let mut all = Vec::new();
        alternatives(text, &mut all)?;
        all.iter()
            .map(|text| segments(text))
            .collect::<Result<_, _>>()
            .map(Glob)
    }

    /// The path's names between slashes; a slash before the first or after the last says nothing.
    pub fn matches(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        self.0.iter().any(|segments| {
            wildcard(
                segments,
                &names,
                |segment| *segment == Segment::Folders,
                |segment, name| segment.is(name),
            )
        })
    }
}

impl Segment {
    fn is(&self, name: &str) -> bool {
        let Segment::Name(tokens) = self else {
            return true;
        };
        let chars: Vec<char> = name.chars().collect();
        wildcard(
            tokens,
            &chars,
            |token| *token == Token::Any,
            |token, c| token.is(*c),
        )
    }
}

impl Token {
    fn is(&self, c: char) -> bool {
        match self {
            Token::Char(own) => *own == c,
            Token::One | Token::Any => true,
            Token::Of(ranges, not) => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *not
            }
        }
    }
}

/// Whether the pattern covers all items. Only the last star is ever tried again, which is enough and never takes longer than both lengths multiplied.
fn wildcard<P, T>(
    pattern: &[P],
    items: &[T],
    is_star: impl Fn(&P) -> bool,
    is: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut p, mut i) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while i < items.len() {
        if p < pattern.len() && is_star(&pattern[p]) {
            star = Some((p, i));
            p += 1;
        } else if p < pattern.len() && is(&pattern[p], &items[i]) {
            p += 1;
            i += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            i = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(is_star)
}

/// The text once for each way through its `{a,b}` and `(a|b)`.
fn alternatives(text: &str, all: &mut Vec<String>) -> Result<(), String> {
    let Some((at, open)) = first_group(text) else {
        if all.len() == MOST {
            return Err(format!(
                "stands for more than {MOST} patterns: write fewer alternatives"
            ));
        }
        all.push(text.to_owned());
        return Ok(());
    };
    let (parts, after) = split_group(&text[at + 1..], open)?;
    let mut before = &text[..at];
    let mut none = false;
    if open == '(' {
        match before.chars().last() {
            Some('@') => before = &before[..at - 1],
            Some('?') => {
                before = &before[..at - 1];
                none = true;
            }
            Some(sign @ ('!' | '+' | '*')) => {
                return Err(format!(
                    "has `{sign}(`, which is not read: write a pattern that begins with `!` for what stays watched, or a regular expression"
                ));
            }
            _ => {}
        }
    }
    for part in none.then_some("").into_iter().chain(parts) {
        alternatives(&format!("{before}{part}{after}"), all)?;
    }
    Ok(())
}

/// Where the first group opens that is not inside brackets, and by which sign. `{a}` without a comma is no group.
fn first_group(text: &str) -> Option<(usize, char)> {
    let mut skip = 0;
    for (at, c) in text.char_indices() {
        match c {
            _ if at < skip => {}
            '[' => skip = at + class_length(&text[at..]).unwrap_or(1),
            '{' | '(' => return Some((at, c)),
            _ => {}
        }
    }
    None
}

/// What stands between the separators, and what follows the closing sign.
fn split_group(text: &str, open: char) -> Result<(Vec<&str>, &str), String> {
    let (close, separator) = match open {
        '{' => ('}', ','),
        _ => (')', '|'),
    };
    let (mut depth, mut from, mut skip) = (0, 0, 0);
    let mut parts = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            _ if at < skip => {}
            '[' => skip = at + class_length(&text[at..]).unwrap_or(1),
            _ if c == open => depth += 1,
            _ if c == close && depth > 0 => depth -= 1,
            _ if c == separator && depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ if c == close => {
                parts.push(&text[from..at]);
                if parts[0].contains("..") && parts.len() == 1 && open == '{' {
                    return Err("has a range in braces, which is not read: write {1,2,3}".into());
                }
                return Ok((parts, &text[at + 1..]));
            }
            _ => {}
        }
    }
    Err(format!(
        "has `{open}` without `{close}`: write `[{open}]` for the sign itself"
    ))
}

fn segments(text: &str) -> Result<Vec<Segment>, String> {
    let mut segments = Vec::new();
    for name in slashes(text) {
        match name {
            "" | "." => {}
            "**" => {
                if segments.last() != Some(&Segment::Folders) {
                    segments.push(Segment::Folders);
                }
            }
            name => segments.push(Segment::Name(tokens(name)?)),
        }
    }
    Ok(segments)
}

/// Split at the slashes that are not inside brackets.
fn slashes(text: &str) -> Vec<&str> {
    let (mut names, mut from, mut skip) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        match c {
            _ if at < skip => {}
            '[' => skip = at + class_length(&text[at..]).unwrap_or(1),
            '/' => {
                names.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    names.push(&text[from..]);
    names
}

fn tokens(name: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        match c {
            '*' => {
                if tokens.last() != Some(&Token::Any) {
                    tokens.push(Token::Any);
                }
            }
            '?' => tokens.push(Token::One),
            '[' => {
                length = class_length(rest)
                    .ok_or("has `[` without `]`: write `[[]` for the sign itself")?;
                tokens.push(class(&rest[1..length - 1]));
            }
            c => tokens.push(Token::Char(c)),
        }
        rest = &rest[length..];
    }
    Ok(tokens)
}

/// Bytes from `[` to its `]`; one that comes first is of the class.
fn class_length(text: &str) -> Option<usize> {
    let inner = text[1..].trim_start_matches(['!', '^']);
    let start = text.len() - inner.len();
    let first = inner.chars().next()?.len_utf8();
    inner[first..].find(']').map(|at| start + first + at + 1)
}

fn class(inner: &str) -> Token {
    let rest = inner.strip_prefix(['!', '^']);
    let chars: Vec<char> = rest.unwrap_or(inner).chars().collect();
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        match chars.get(at + 1..at + 3) {
            Some(&['-', to]) => {
                ranges.push((chars[at], to));
                at += 3;
            }
            _ => {
                ranges.push((chars[at], chars[at]));
                at += 1;
            }
        }
    }
    Token::Of(ranges, rest.is_some())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_matches_and_what_does_not() {
        for (glob, yes, no) in [
            (
                "*.log",
                &["a.log", ".log", "/a.log"][..],
                &["a.js", "b/a.log"][..],
            ),
            ("src/*.js", &["src/a.js"], &["src/b/a.js", "a.js", "src"]),
            ("src/**", &["src", "src/a", "src/a/b"], &["srcs", "a/src"]),
            ("**/test/**", &["test", "a/test", "a/test/b"], &["tests/b"]),
            ("src/**/*.js", &["src/a.js", "src/b/c/a.js"], &["src/a.ts"]),
            ("a**b", &["ab", "axxb"], &["a/b"]),
            ("?.js", &["ä.js"], &[".js", "ab.js"]),
            ("[a-c]x", &["ax", "cx"], &["dx", "x"]),
            ("[!a]x", &["bx"], &["ax"]),
            ("[]x]", &["]", "x"], &["y"]),
            ("*.{js,ts}", &["a.js", "a.ts"], &["a.css"]),
            ("{a,b{c,d}}/x", &["a/x", "bc/x", "bd/x"], &["b/x"]),
            ("(a|b).js", &["a.js", "b.js"], &["c.js"]),
            ("@(a|b)", &["a"], &["@a"]),
            ("a?(b).js", &["a.js", "ab.js"], &["abb.js"]),
            ("./a/", &["a", "a/"], &["b"]),
            (
                "*a*a*a*a*b",
                &["aaaab"],
                &["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],
            ),
        ] {
            let parsed = Glob::parse(glob).unwrap();
            for path in yes {
                assert!(parsed.matches(path), "{glob} is to match {path}");
            }
            for path in no {
                assert!(!parsed.matches(path), "{glob} is not to match {path}");
            }
        }
    }

    #[test]
    fn mistakes() {
        for (glob, why) in [
            ("[ab", "has `[` without `]`"),
            ("{a,b", "has `{` without `}`"),
            ("x(1", "has `(` without `)`"),
            ("!(a|b)", "has `!(`, which"),
            ("a{1..9}", "has a range in braces"),
            (
                "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}",
                "stands for more",
            ),
        ] {
            let said = Glob::parse(glob).unwrap_err();
            assert!(said.starts_with(why), "{glob}: {said}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn a_literal_matches_itself_alone(path in "[a-c*?\\[\\]{}()!^$+,-]{1,8}", other in "[a-c]{1,3}") {
            let glob = Glob::parse(&literal(&path)).unwrap();
            prop_assert!(glob.matches(&path));
            prop_assert_eq!(glob.matches(&other), path == other);
        }

        #[test]
        fn any_text_is_read(glob in "[a*?\\[\\]{}()|,/!^-]{0,12}", path in "[a/]{0,6}") {
            if let Ok(glob) = Glob::parse(&glob) {
                glob.matches(&path);
            }
        }
    }
}
