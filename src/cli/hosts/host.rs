//! What stands behind `-H`: where ssh is to go.

use std::fmt;

/// A machine as ssh names it: an address, a name of its configuration, with a user or a port where they were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// As it was written, without `ssh://`: what people see.
    pub shown: String,
    /// What ssh is given: `user@name`.
    pub destination: String,
    pub port: Option<u16>,
}

const FORMS: &str = "write [USER@]HOST, [USER@]HOST:PORT, ssh://[USER@]HOST[:PORT], an IPv6 address with a port as [ADDRESS]:PORT";

impl Host {
    /// `user@host`, `user@host:port`, `ssh://user@host:port`, `[v6]:port`, `v6`.
    /// Errors: nothing, what ssh would take for an option, a port out of 1 to 65535, a path, blanks and control characters.
    pub fn parse(text: &str) -> Result<Host, String> {
        let shown = text.strip_prefix("ssh://").unwrap_or(text);
        let shown = match text.len() == shown.len() {
            true => shown,
            false => shown.strip_suffix('/').unwrap_or(shown),
        };
        // Of a user's name everything up to the last one.
        let (user, rest) = match shown.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, shown),
        };
        let (name, port) = split(rest)?;
        let odd = |part: &str| {
            part.is_empty() || part.starts_with('-') || part.contains(char::is_whitespace)
        };
        let forbidden = |one: char| one.is_control() || "/\\'\"`$;&|<>()*?#".contains(one);
        if odd(name) || user.is_some_and(odd) || shown.contains(forbidden) {
            return Err(FORMS.to_owned());
        }
        Ok(Host {
            shown: shown.to_owned(),
            destination: match user {
                Some(user) => format!("{user}@{name}"),
                None => name.to_owned(),
            },
            port,
        })
    }
}

/// Name and port. More than one colon without brackets is an IPv6 address.
fn split(text: &str) -> Result<(&str, Option<u16>), String> {
    let port = |text: &str| match text.parse::<u16>() {
        Ok(port) if port > 0 && text.bytes().all(|one| one.is_ascii_digit()) => Ok(Some(port)),
        _ => Err(format!("{text:?} is no port; {FORMS}")),
    };
    if let Some(rest) = text.strip_prefix('[') {
        let (name, after) = rest.split_once(']').ok_or(FORMS)?;
        return match after.strip_prefix(':') {
            Some(number) => Ok((name, port(number)?)),
            None if after.is_empty() => Ok((name, None)),
            None => Err(FORMS.to_owned()),
        };
    }
    match text.split_once(':') {
        Some((name, number)) if !number.contains(':') => Ok((name, port(number)?)),
        _ => Ok((text, None)),
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form() {
        for (text, destination, port) in [
            ("web1", "web1", None),
            ("root@web1", "root@web1", None),
            ("root@web1:2222", "root@web1", Some(2222)),
            ("ssh://root@web1:2222", "root@web1", Some(2222)),
            ("ssh://web1/", "web1", None),
            ("a@corp.example@web1", "a@corp.example@web1", None),
            ("fe80::1%eth0", "fe80::1%eth0", None),
            ("root@[2001:db8::1]:22", "root@2001:db8::1", Some(22)),
            ("[::1]", "::1", None),
            ("10.0.0.7:1", "10.0.0.7", Some(1)),
        ] {
            let host = Host::parse(text).unwrap();
            assert_eq!((host.destination.as_str(), host.port), (destination, port));
        }
        assert_eq!(
            Host::parse("ssh://root@web1:2222").unwrap().shown,
            "root@web1:2222"
        );
    }

    #[test]
    fn what_ssh_or_a_shell_would_take_for_something_else() {
        for text in [
            "",
            "-oProxyCommand=x",
            "-H",
            "root@-x",
            "-x@web1",
            "@web1",
            "root@",
            "web1:",
            "web1:0",
            "web1:70000",
            "web1:+22",
            "web1:2x",
            "web 1",
            "web1\n",
            "ssh://",
            "ssh://web1/path",
            "[::1",
            "[::1]22",
            "$(id)",
            "a;b",
            "a`b`",
            "a|b",
            "a'b",
        ] {
            assert!(Host::parse(text).is_err(), "{text:?}");
        }
    }
}
