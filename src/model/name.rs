//! An app's name, and the unit names it becomes.

use std::fmt;

use sha2::{Digest, Sha256};

use super::Listen;

/// Longest unit-name stem: 255 bytes (systemd.unit(5)) less the longest ending we add, `-socket.service` or `@4294967295.service`, and room for a job.
const STEM_MAX: usize = 200;

/// systemd.unit(5).
const UNIT_MAX: usize = 255;

/// What the label of a shared socket begins with.
const TCP: &str = "tcp-";
const UNIX: &str = "unix-";

/// What stands behind the name in the units of its probe.
const HEALTH: &str = "\\x2dhealth";

/// The name of an app as its user wrote it; every value of this type has a valid unit name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Name {
    written: String,
    stem: String,
}

/// Why a name was refused, for a message that continues `name "…" `.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadName(pub &'static str);

impl Name {
    /// Accepts what a unit name can carry, blanks and letters of any script included; refuses what would be read as something else on a command line
    /// (`all`, `-x`, `/regex/`, `name@2`) or lead out of the unit directory.
    pub fn new(written: &str) -> Result<Name, BadName> {
        let refuse = |why| Err(BadName(why));
        if written.trim().is_empty() {
            return refuse("is empty");
        }
        if written.chars().any(char::is_control) {
            return refuse("has a control character");
        }
        if written.contains('/') {
            return refuse("has a '/', which would lead out of the unit directory");
        }
        if written.contains('@') {
            return refuse("has a '@', which separates the name from the instance (name@2)");
        }
        if written.starts_with('-') {
            return refuse("starts with '-' and would be taken for an option");
        }
        if written.starts_with('.') {
            return refuse("starts with '.' and would be a hidden file");
        }
        if written == "all" {
            return refuse("is the word for every app");
        }
        let stem = escape(written, "._-");
        if stem.len() > STEM_MAX {
            return refuse("is too long for a unit name (200 bytes after escaping)");
        }
        Ok(Name {
            written: written.to_owned(),
            stem,
        })
    }

    /// As the user wrote it.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The part of the unit names before `@` or `.`: the name with every byte outside `[A-Za-z0-9._-]` written `\xHH`, as systemd-escape(1) does.
    pub fn stem(&self) -> &str {
        &self.stem
    }

    /// [`runtime_folder`] of an instance, as its own unit writes it.
    pub fn runtime_folder(&self) -> String {
        match self.stem.contains('\\') {
            true => format!("{}@%i", runtime_folder(&self.stem)),
            false => "%N".to_owned(),
        }
    }

    pub fn template(&self) -> String {
        format!("{}@.service", self.stem)
    }

    pub fn instance(&self, index: u32) -> String {
        format!("{}@{index}.service", self.stem)
    }

    /// The socket of one address that all instances share: `api@tcp-3000.socket`, `api@tcp-127.0.0.1-3000.socket`,
    /// `api@unix-run-api.sock.socket`. The name follows from the address: another address is another unit, and both can be open at once. It never is that
    /// of an instance, which is a number. No colon: systemd-analyze(1) takes what follows one for an alias.
    pub fn socket(&self, address: &Listen) -> String {
        let label = match address {
            Listen::Port(port) => format!("{TCP}{port}"),
            Listen::Address(address) => {
                let text = address.to_string().replace(['[', ']'], "");
                format!("{TCP}{}", text.replace(':', "-"))
            }
            Listen::Path(path) => {
                let parts: Vec<String> = path.split('/').map(|part| escape(part, "._")).collect();
                format!("{UNIX}{}", parts[1..].join("-"))
            }
        };
        let name = |label: &str| format!("{}@{label}.socket", self.stem);
        let label = escape(&label, "._-\\");
        if name(&label).len() <= UNIT_MAX {
            return name(&label);
        }
        let hash = Sha256::digest(label.as_bytes());
        let hex: String = hash
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        name(&format!("{UNIX}{hex}"))
    }

    /// `balance = "reuseport"`: the template of the sockets, one an instance.
    pub fn socket_template(&self) -> String {
        format!("{}@.socket", self.stem)
    }

    /// `balance = "reuseport"`: the socket of one instance.
    pub fn instance_socket(&self, index: u32) -> String {
        format!("{}@{index}.socket", self.stem)
    }

    /// The idle service that the shared sockets activate instead of an instance.
    pub fn holder(&self) -> String {
        format!("{}-socket.service", self.stem)
    }

    /// `cron_restart`: the clock.
    pub fn timer(&self) -> String {
        format!("{}-cron.timer", self.stem)
    }

    /// `cron_restart`: what the clock starts.
    pub fn clock(&self) -> String {
        format!("{}-cron.service", self.stem)
    }

    /// `health` with a command: the template of what runs it, once for each question. systemctl shows `api-health`; the dash is escaped, which it never is in
    /// a name, so that no app's template is called so.
    pub fn health_template(&self) -> String {
        format!("{}{HEALTH}@.service", self.stem)
    }

    /// The same of an instance.
    pub fn health_instance(&self, index: u32) -> String {
        format!("{}{HEALTH}@{index}.service", self.stem)
    }

    pub fn target(&self) -> String {
        format!("{}.target", self.stem)
    }

    /// Whether a unit of this name is one of the app's: its target, holder, timer and what that starts, template, an instance, or a socket.
    pub fn owns(&self, unit: &str) -> bool {
        let mine = || unit.strip_prefix(&self.stem)?.strip_prefix('@');
        let number = |text: &str| text.parse::<u32>().is_ok_and(|n| n.to_string() == text);
        let probe = |rest: &str| match rest
            .strip_prefix(HEALTH)?
            .strip_prefix('@')?
            .strip_suffix(".service")?
        {
            "" => Some(()),
            index => number(index).then_some(()),
        };
        let part = mine().is_some_and(|rest| match rest.rsplit_once('.') {
            Some((index, "service")) => index.is_empty() || number(index),
            Some((label, "socket")) => {
                label.is_empty()
                    || number(label)
                    || label.starts_with(TCP)
                    || label.starts_with(UNIX)
            }
            _ => false,
        });
        let single = [self.target(), self.holder(), self.timer(), self.clock()];
        let probes = unit.strip_prefix(&self.stem).and_then(probe).is_some();
        part || probes || single.iter().any(|own| own == unit)
    }

    /// File name of the app's environment, in the environment directory.
    pub fn env_file(&self) -> String {
        format!("{}.env", self.stem)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// `\xHH` for every byte that is neither a letter, a digit nor one of `kept`.
/// The name of an instance's folder below `/run/rpmctl`, by its unit: a backslash in `RuntimeDirectory=` keeps the unit from starting
/// (systemd 254 to 261, its issue 41853). No name of a unit has a plus, so no two folders are the same.
pub fn runtime_folder(unit: &str) -> String {
    let instance = unit.strip_suffix(".service").unwrap_or(unit);
    instance.replace('\\', "+")
}

/// The instance's unit without its ending, by its folder.
pub fn of_runtime_folder(folder: &str) -> String {
    folder.replace('+', "\\")
}

fn escape(text: &str, kept: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) {
            escaped.push(byte.into());
        } else {
            escaped.push_str(&format!("\\x{byte:02x}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_names() {
        let name = Name::new("api-server").unwrap();
        assert_eq!(name.template(), "api-server@.service");
        assert_eq!(name.instance(3), "api-server@3.service");
        assert_eq!(name.target(), "api-server.target");
        assert_eq!(
            Name::new("SHOP MASTER - é").unwrap().stem(),
            "SHOP\\x20MASTER\\x20-\\x20\\xc3\\xa9"
        );
        let folder = |name: &str| Name::new(name).unwrap().runtime_folder();
        assert_eq!(folder("api-1.2_x"), "%N");
        assert_eq!(folder("dev:api"), "dev+x3aapi@%i");
        assert_eq!(runtime_folder("dev\\x3aapi@2.service"), "dev+x3aapi@2");
        assert_eq!(of_runtime_folder("dev+x3aapi@2"), "dev\\x3aapi@2");
        assert_eq!(Name::new("dev:api").unwrap().stem(), "dev\\x3aapi");
    }

    #[test]
    fn sockets_by_address() {
        let name = Name::new("api").unwrap();
        for (address, unit) in [
            ("3000", "api@tcp-3000.socket"),
            ("127.0.0.1:3000", "api@tcp-127.0.0.1-3000.socket"),
            ("[::1]:3000", "api@tcp---1-3000.socket"),
            ("[fe80::1%2]:80", "api@tcp-fe80--1\\x252-80.socket"),
            ("/run/my-api.sock", "api@unix-run-my\\x2dapi.sock.socket"),
            ("/3000", "api@unix-3000.socket"),
        ] {
            let socket = name.socket(&Listen::parse(address).unwrap());
            assert_eq!(socket, unit);
            assert!(name.owns(&socket), "{socket}");
        }
        let long = |end: char| Listen::parse(&format!("/{}{end}", "-".repeat(100))).unwrap();
        let longest = Name::new(&"x".repeat(200)).unwrap();
        let socket = longest.socket(&long('a'));
        assert!(socket.len() <= 255 && longest.owns(&socket), "{socket}");
        assert_ne!(socket, longest.socket(&long('b')));
    }

    #[test]
    fn refused() {
        for bad in [
            "", "  ", "../x", "a/b", "@", "a@1", "-x", ".hidden", "a\nb", "all",
        ] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
        assert!(Name::new(&"x".repeat(300)).is_err());
        assert!(Name::new(&"x".repeat(200)).is_ok());
        assert!(Name::new(&" ".repeat(60).replace(' ', "é")).is_err());
    }

    #[test]
    fn units_of_an_app_and_of_none() {
        let name = Name::new("api").unwrap();
        for own in [
            "api.target",
            "api@tcp-3000.socket",
            "api@tcp---1-3000.socket",
            "api@unix-run-api.sock.socket",
            "api@.socket",
            "api@0.socket",
            "api-socket.service",
            "api-cron.timer",
            "api-cron.service",
            "api@.service",
            "api@12.service",
        ] {
            assert!(name.owns(own), "{own}");
        }
        for other in [
            "api.service",
            "api.timer",
            "api-cron.target",
            "api2@.service",
            "api@x.service",
            "api@07.service",
            "api@x.socket",
            "api@07.socket",
            "api-socket.socket",
            "api.socket",
            "xapi.target",
        ] {
            assert!(!name.owns(other), "{other}");
        }
    }
}
