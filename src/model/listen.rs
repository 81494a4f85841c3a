//! Addresses that an app's instances listen on together.

use std::fmt;

/// One address, in the form of `ListenStream=` (systemd.socket(5)): a port on all addresses, an IPv4 or bracketed IPv6 address with a port, or the
/// absolute path of a unix socket.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Listen {
    Port(u16),
    Address(std::net::SocketAddr),
    Path(String),
}

impl Listen {
    /// `3000`, `"127.0.0.1:3000"`, `"[::1]:3000"`, `"/run/app.sock"`. Errors: the words for what is wrong.
    pub fn parse(text: &str) -> Result<Listen, &'static str> {
        const FORM: &str =
            "is not an address: write 3000, 127.0.0.1:3000, [::1]:3000 or /run/app.sock";
        let text = text.trim();
        if text.starts_with('/') {
            if text.len() > 107 {
                return Err("is longer than the 107 bytes of a socket's path (unix(7))");
            }
            if text.chars().any(char::is_control) {
                return Err("has a control character");
            }
            if text.ends_with('\\') {
                return Err("ends with a backslash, to which systemd joins the next line");
            }
            return Ok(Listen::Path(text.to_owned()));
        }
        if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
            return match text.parse() {
                Ok(port) if port > 0 => Ok(Listen::Port(port)),
                _ => Err("is not a port: ports are 1 to 65535"),
            };
        }
        match text.parse::<std::net::SocketAddr>() {
            Ok(address) if address.port() > 0 => Ok(Listen::Address(address)),
            _ => Err(FORM),
        }
    }

    /// Whether two sockets cannot be open on the two at once: the same port, and one address that the other takes in. A port on all addresses is taken
    /// to be IPv6 that takes in IPv4 (`net.ipv6.bindv6only`), as it nearly always is.
    pub fn clashes(&self, other: &Listen) -> bool {
        if self.port().is_none() || self.port() != other.port() {
            return self == other;
        }
        let (Listen::Address(a), Listen::Address(b)) = (self, other) else {
            return true;
        };
        a == b
            || [a, b].iter().any(|one| one.ip().is_unspecified())
                && (a.is_ipv4() == b.is_ipv4()
                    || [a, b]
                        .iter()
                        .any(|one| one.is_ipv6() && one.ip().is_unspecified()))
    }

    /// The TCP port, when there is one.
    pub fn port(&self) -> Option<u16> {
        match self {
            Listen::Port(port) => Some(*port),
            Listen::Address(address) => Some(address.port()),
            Listen::Path(_) => None,
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Port(port) => write!(f, "{port}"),
            Listen::Address(address) => write!(f, "{address}"),
            Listen::Path(path) => f.write_str(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for text in ["3000", "127.0.0.1:80", "[::1]:8080", "/run/app.sock"] {
            assert_eq!(Listen::parse(text).unwrap().to_string(), text);
        }
        for (a, b, clash) in [
            ("3000", "127.0.0.1:3000", true),
            ("3000", "3001", false),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("[::]:80", "127.0.0.1:80", true),
            ("0.0.0.0:80", "[::1]:80", false),
            ("10.0.0.1:80", "127.0.0.1:80", false),
            ("/run/a", "/run/b", false),
            ("/run/a", "/run/a", true),
            ("/run/a", "80", false),
        ] {
            let parsed = |text| Listen::parse(text).unwrap();
            assert_eq!(parsed(a).clashes(&parsed(b)), clash, "{a} {b}");
            assert_eq!(parsed(b).clashes(&parsed(a)), clash, "{b} {a}");
        }
        for bad in [
            "0",
            "65536",
            "localhost:80",
            "",
            "run/app.sock",
            "/run/app\\",
            "127.0.0.1:0",
        ] {
            assert!(Listen::parse(bad).is_err(), "{bad}");
        }
    }
}
