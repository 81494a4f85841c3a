//! Command lines: whether one needs a shell, and its words when it does not.

/// Words as sh(1) splits them, quotes and backslashes taken out, nothing expanded and no comments. None when a quote is left open.
pub fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => match chars.next()? {
                            '\n' => {}
                            c @ ('"' | '\\' | '$' | '`') => word.push(c),
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            '\\' => match chars.next()? {
                '\n' => {}
                c => word.get_or_insert_default().push(c),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

/// Words that only a shell can run.
const BUILTINS: [&str; 16] = [
    ".", ":", "cd", "eval", "exec", "export", "for", "if", "set", "source", "trap", "ulimit",
    "umask", "unset", "until", "while",
];

/// Whether the line has syntax that only a shell understands: operators, expansions, patterns, comments, assignments, builtins.
pub fn needs_shell(line: &str) -> bool {
    let mut quote = None;
    let mut word_start = true;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => {
                chars.next();
            }
            (_, '$' | '`') => return true,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '|' | '&' | ';' | '<' | '>' | '(' | ')' | '*' | '?' | '[' | '\n') => {
                return true;
            }
            (None, '#' | '~') if word_start => return true,
            (None, _) => {}
        }
        word_start = c.is_ascii_whitespace();
    }
    match words(line).as_deref() {
        Some([first, ..]) => assignment(first) || BUILTINS.contains(&first.as_str()),
        _ => false,
    }
}

/// `NAME=value`
fn assignment(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| crate::model::EnvName::new(name).is_some())
}

/// Programs that the line starts, as far as can be told without being a shell: the first word of each command that is not an assignment.
pub fn programs(line: &str) -> Vec<String> {
    line.split(['|', '&', ';', '(', ')', '\n'])
        .filter_map(|part| {
            words(part)?
                .into_iter()
                .find(|word| !assignment(word) && word != "exec")
        })
        .filter(|word| {
            !BUILTINS.contains(&word.as_str())
                && word
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c))
        })
        .collect()
}

/// One word for sh(1) that reads as exactly this text.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn split() {
        let split = |line| words(line).unwrap();
        assert_eq!(split("npm  run start"), ["npm", "run", "start"]);
        assert_eq!(
            split(r#"a 'b c' "d \" e" f\ g '' #h"#),
            ["a", "b c", "d \" e", "f g", "", "#h"]
        );
        assert_eq!(split("  --x=1  "), ["--x=1"]);
        assert!(split("").is_empty());
        assert_eq!(words("it's"), None);
        assert_eq!(words("\"x"), None);
    }

    #[test]
    fn where_a_shell_is_needed() {
        for line in [
            "a && b",
            "a | b",
            "a > f",
            "echo $X",
            "echo \"$X\"",
            "echo `x`",
            "ls *.js",
            "NODE_ENV=x node a.js",
            "cd x",
            "a ; b",
            "a # b",
            "ls ~/x",
            "exec node a.js",
        ] {
            assert!(needs_shell(line), "{line}");
        }
        for line in [
            "npm run start",
            "node --port=3000 a.js",
            "echo 'a && b'",
            "echo \"a && b\"",
            "echo a\\&b",
            "serve a~b x#y",
            "npm start -- --env.X=1",
        ] {
            assert!(!needs_shell(line), "{line}");
        }
    }

    #[test]
    fn programs_of_a_line() {
        assert_eq!(
            programs("NODE_ENV=x npm start && exec node a.js | tee f"),
            ["npm", "node", "tee"]
        );
        assert_eq!(programs("cd x; ./run.sh"), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn quoting_is_undone_by_splitting(list in proptest::collection::vec("[^\0]{0,20}", 0..6)) {
            let line: Vec<String> = list.iter().map(|word| quote(word)).collect();
            prop_assert_eq!(words(&line.join(" ")).unwrap(), list);
        }
    }
}
