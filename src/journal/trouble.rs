//! What journalctl's complaints mean for the user.

use super::query::Scope;

/// What the user must know of journalctl's stderr (in the C locale); None when it only chats. `namespace`: the journal that it read instead of the
/// machine's.
pub fn explain(stderr: &str, scope: &Scope, namespace: Option<&str>) -> Option<String> {
    let denied = stderr.contains("ermission");
    if namespace.is_some() && !denied && not_there_yet(stderr, scope, namespace) {
        return None;
    }
    in_scope(stderr, scope)
}

fn in_scope(stderr: &str, scope: &Scope) -> Option<String> {
    let line = |part: &str| stderr.lines().find(|line| line.contains(part));
    let hidden = line("not seeing messages from other users").is_some();
    let denied = line("insufficient permissions").is_some() || line("Permission denied").is_some();
    match scope {
        Scope::System if hidden || denied => Some(
            "the system journal is not readable for this user: run as root, or join a group that may read it \
             (sudo usermod -aG systemd-journal $USER, then log in again; on Debian and Ubuntu adm does as well)"
                .to_owned(),
        ),
        Scope::User { .. } if denied => Some(
            "this user's journal is not readable: journald keeps one a user only on disk \
             (sudo mkdir -p /var/log/journal && sudo systemctl restart systemd-journald), \
             or join the group systemd-journal to read all of it"
                .to_owned(),
        ),
        Scope::Directory(directory) if denied => {
            Some(format!("the journal in {} is not readable for this user", directory.display()))
        }
        Scope::System | Scope::User { .. } if line("No journal files were found").is_some() => Some(
            "this machine has no journal: systemd-journald is not running (systemctl status systemd-journald), \
             or keeps nothing (Storage=none in journald.conf)"
                .to_owned(),
        ),
        _ => {
            let told = |part: &str| line(part).map(|line| line.trim().to_owned());
            if let Some(time) = told("Failed to parse timestamp") {
                let time = time.rsplit(": ").next().unwrap_or_default();
                return Some(format!(
                    "\"{time}\" is not a time: write it as \"2026-11-22 14:30\", \"14:30\", \"yesterday\", \"-2h\" or \"1 hour ago\""
                ));
            }
            if let Some(pattern) = told("Bad pattern") {
                return Some(format!("--grep: {}", pattern.replacen("Bad pattern", "bad pattern", 1)));
            }
            if line("without pattern matching support").is_some() {
                return Some("--grep: this machine's journalctl was built without pattern matching".to_owned());
            }
            None
        }
    }
}

/// Whether a journal in a directory or a namespace of its own has no file, or none of this boot, yet.
pub fn not_there_yet(stderr: &str, scope: &Scope, namespace: Option<&str>) -> bool {
    (matches!(scope, Scope::Directory(_)) || namespace.is_some())
        && [
            "No journal files",
            "Data from the specified boot",
            "No such file or directory",
        ]
        .iter()
        .any(|part| stderr.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HINT: &str = "Hint: You are currently not seeing messages from other users and the system.\n      \
        Users in groups 'adm', 'systemd-journal' can see all messages.\n      Pass -q to turn off this notice.\n";
    const DENIED: &str = "No journal files were opened due to insufficient permissions.\n";

    #[test]
    fn permissions() {
        let user = Scope::User { uid: 1000 };
        assert!(
            in_scope(HINT, &Scope::System)
                .unwrap()
                .contains("systemd-journal")
        );
        assert!(
            in_scope(DENIED, &Scope::System)
                .unwrap()
                .contains("systemd-journal")
        );
        assert_eq!(in_scope(HINT, &user), None);
        assert!(
            in_scope(&format!("{HINT}{DENIED}"), &user)
                .unwrap()
                .contains("/var/log/journal")
        );
    }

    #[test]
    fn what_the_user_wrote() {
        let told = |stderr| in_scope(stderr, &Scope::System).unwrap();
        assert!(told("Failed to parse timestamp: bogus\n").starts_with("\"bogus\" is not a time"));
        assert_eq!(
            told("Bad pattern \"(\": missing closing parenthesis\n"),
            "--grep: bad pattern \"(\": missing closing parenthesis"
        );
        assert!(told("No journal files were found.\n").contains("systemd-journald"));
        assert_eq!(in_scope("-- No entries --\n", &Scope::System), None);
    }

    #[test]
    fn a_directory_that_is_still_empty() {
        let scope = Scope::Directory("/d".into());
        let none = "No journal files were found.\n";
        assert!(not_there_yet(none, &scope, None));
        assert!(!not_there_yet(none, &Scope::System, None));
        assert_eq!(explain(none, &scope, None), None);
        let shop = Some("shop");
        assert!(not_there_yet(none, &Scope::System, shop));
        assert_eq!(explain(none, &Scope::System, shop), None);
        assert!(explain(DENIED, &Scope::System, shop).is_some());
    }
}
