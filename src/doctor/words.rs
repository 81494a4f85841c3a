//! Commands as they are told: a shell takes them as they stand.

use std::path::Path;

/// How commands are given: `rpmctl`, or `rpmctl --user`.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    pub rpmctl: &'a str,
    pub systemctl: &'a str,
    /// Before what changes rpmctl's files or ends its processes: `sudo `, or nothing where they are the asker's own.
    pub sudo: &'a str,
}

impl Words<'static> {
    /// `user`: of the user's own manager; `root`: who asks is root.
    pub fn of(user: bool, root: bool) -> Words<'static> {
        let (rpmctl, systemctl, sudo) = match (user, root) {
            (true, _) => ("rpmctl --user", "systemctl --user", ""),
            (false, true) => ("rpmctl", "systemctl", ""),
            (false, false) => ("sudo rpmctl", "sudo systemctl", "sudo "),
        };
        Words {
            rpmctl,
            systemctl,
            sudo,
        }
    }
}

/// One word of a command, whatever is in it: backslashes of units, blanks of files.
pub fn word(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| text.to_owned(), |quoted| quoted.into_owned())
}

pub fn path(path: &Path) -> String {
    word(&path.to_string_lossy())
}

/// All of them, one behind the other.
pub fn paths<'a>(paths: impl IntoIterator<Item = &'a Path>) -> String {
    let words: Vec<String> = paths.into_iter().map(path).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_a_shell_takes_them() {
        for text in ["a b", r"a\x20b@.service", "it's", "/srv/$x;y", "api@0"] {
            assert_eq!(shlex::split(&word(text)).unwrap(), [text]);
        }
        assert_eq!(
            word("/etc/systemd/system/api@.service"),
            "/etc/systemd/system/api@.service"
        );
        let two = paths([Path::new("/a b"), Path::new("/c")]);
        assert_eq!(shlex::split(&two).unwrap(), ["/a b", "/c"]);
    }
}
