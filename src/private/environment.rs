//! The environment the apps inherit: rpmctl's own, as under PM2 and as `docker run -e` expects; an app's own values win.

/// Which of these variables pass, as `NAME=value` for the manager's SetEnvironment.
///
/// Left out: what systemd sets for each process itself, what describes this very process, and what it cannot carry
/// (names outside `[A-Za-z_][A-Za-z0-9_]*`, values that are not UTF-8 or too long for one variable).
pub fn inherited(
    variables: impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)>,
) -> Vec<String> {
    variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| is_name(name) && !is_own(name))
        .map(|(name, value)| format!("{name}={value}"))
        // execve(2): MAX_ARG_STRLEN, with the terminating NUL.
        .filter(|assignment| assignment.len() < 128 * 1024)
        .collect()
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_own(name: &str) -> bool {
    const OWN: &[&str] = &[
        "_",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "NOTIFY_SOCKET",
        "INVOCATION_ID",
        "JOURNAL_STREAM",
        "MANAGERPID",
        "MAINPID",
        "XDG_RUNTIME_DIR",
        "DBUS_SESSION_BUS_ADDRESS",
    ];
    const FAMILIES: &[&str] = &["LISTEN_", "WATCHDOG_", "SYSTEMD_", "XDG_SESSION_"];
    OWN.contains(&name) || FAMILIES.iter().any(|family| name.starts_with(family))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn an_app_inherits_what_it_can_carry_and_nothing_of_ours() {
        let long = "x".repeat(128 * 1024);
        let given = [
            ("DATABASE_URL", "postgres://a?b=\"c\"\nd %h $HOME"),
            ("EMPTY", ""),
            ("PATH", "/opt/node/bin:/bin"),
            ("LISTEN_FDS", "3"),
            ("SYSTEMD_UNIT_PATH", "/x"),
            ("NOTIFY_SOCKET", "/x"),
            ("a.b", "x"),
            ("1A", "x"),
            ("LONG", &long),
        ]
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let raw = (OsString::from("RAW"), OsString::from_vec(vec![0xff]));
        assert_eq!(
            inherited(given.into_iter().chain([raw])),
            [
                "DATABASE_URL=postgres://a?b=\"c\"\nd %h $HOME",
                "EMPTY=",
                "PATH=/opt/node/bin:/bin"
            ]
        );
    }
}
