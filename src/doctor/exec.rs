//! Commands of units read back (systemd.service(5), "COMMAND LINES"): which programs and files they need.

use std::path::Path;

/// The words of an `Exec…=` as the program gets them, its prefixes (`:`, `-`, `+`…) gone; specifiers but `%%` stay as they are.
pub fn words(line: &str) -> Vec<String> {
    let line = line
        .trim_start()
        .trim_start_matches([':', '-', '+', '!', '@', '|']);
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) if word.is_none() => {
                quote = Some(c);
                word = Some(String::new());
            }
            (' ' | '\t', None) => words.extend(word.take()),
            ('\\', _) => {
                let escaped = match chars.next() {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some('r') => '\r',
                    Some('s') => ' ',
                    Some('x') => {
                        let hex: String = chars.by_ref().take(2).collect();
                        u8::from_str_radix(&hex, 16).map_or('?', char::from)
                    }
                    Some(other) => other,
                    None => '\\',
                };
                word.get_or_insert_default().push(escaped);
            }
            ('%', _) if chars.peek() == Some(&'%') => {
                chars.next();
                word.get_or_insert_default().push('%');
            }
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// What our start script runs in the end: the words behind its own, without the wrapper that tells stderr apart.
pub fn of_start(words: &[String]) -> &[String] {
    // /bin/sh -c SCRIPT NAME FOLDER MAX WITHIN COMMAND…
    let command = match words {
        [shell, flag, ..] if shell == "/bin/sh" && flag == "-c" => words.get(7..).unwrap_or(&[]),
        _ => words,
    };
    let wrapped = command
        .first()
        .is_some_and(|first| first.ends_with("/systemd-cat"));
    match command
        .iter()
        .position(|word| word == "--")
        .filter(|_| wrapped)
    {
        Some(at) => &command[at + 1..],
        None => command,
    }
}

/// Files that the command of an app cannot do without: its program, and its script where `script` names one by a path.
pub fn needed(command: &[String], script: &str) -> Vec<String> {
    let is_file = |word: &&String| word.starts_with('/');
    let named = Path::new(script).file_name();
    let is_script =
        |word: &&String| named.is_some() && Path::new(word.as_str()).file_name() == named;
    let program = command.first().filter(is_file);
    let script = command.iter().skip(1).filter(is_file).find(is_script);
    program.into_iter().chain(script).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_rpmctl_writes_them() {
        let line = r#":/bin/sh -c "echo\nf=$1 \"a b\" ${t%%.*}" "api" "%t/rpmctl/%N" 16 135 /usr/bin/systemd-cat -t "api@%i" -- "/usr/bin/node" "--x" "/srv/a b/app.js""#;
        let all = words(line);
        assert_eq!(all[0], "/bin/sh");
        assert_eq!(all[2], "echo\nf=$1 \"a b\" ${t%.*}");
        let command = of_start(&all);
        assert_eq!(command, ["/usr/bin/node", "--x", "/srv/a b/app.js"]);
        assert_eq!(
            needed(command, "./app.js"),
            ["/usr/bin/node", "/srv/a b/app.js"]
        );
        assert_eq!(needed(command, "npm start"), ["/usr/bin/node"]);
        let bare = words(
            line.replace("/usr/bin/systemd-cat -t \"api@%i\" -- ", "")
                .as_str(),
        );
        assert_eq!(of_start(&bare).len(), 3);
    }

    #[test]
    fn as_others_write_them() {
        assert_eq!(
            words("-/bin/x  'a b' c\\x20d \"\""),
            ["/bin/x", "a b", "c d", ""]
        );
        assert_eq!(
            of_start(&words("/usr/bin/x -- y")),
            ["/usr/bin/x", "--", "y"]
        );
        assert_eq!(needed(&words("sleep 100"), "sleep 100"), [""; 0]);
        assert_eq!(words(""), [""; 0]);
    }
}
