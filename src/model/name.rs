//! An app's name, and the unit names it becomes.

use std::fmt;

/// Longest unit-name stem: 255 bytes (systemd.unit(5)) less the longest ending we add, `-socket.service` or `@4294967295.service`, and room for a job.
const STEM_MAX: usize = 200;

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
        let stem = escape(written);
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

    pub fn template(&self) -> String {
        format!("{}@.service", self.stem)
    }

    pub fn instance(&self, index: u32) -> String {
        format!("{}@{index}.service", self.stem)
    }

    pub fn socket(&self) -> String {
        format!("{}.socket", self.stem)
    }

    /// The idle service that the socket activates instead of an instance.
    pub fn holder(&self) -> String {
        format!("{}-socket.service", self.stem)
    }

    pub fn target(&self) -> String {
        format!("{}.target", self.stem)
    }

    /// Whether a unit of this name is one of the app's: its target, socket, holder, template or an instance.
    pub fn owns(&self, unit: &str) -> bool {
        let instance = || {
            let number = unit
                .strip_prefix(&self.stem)?
                .strip_prefix('@')?
                .strip_suffix(".service")?;
            number.parse::<u32>().ok().map(|n| n.to_string() == number)
        };
        [self.target(), self.socket(), self.holder(), self.template()]
            .iter()
            .any(|own| own == unit)
            || instance() == Some(true)
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

/// `\xHH` for every byte that a unit name cannot hold.
fn escape(text: &str) -> String {
    let mut stem = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => stem.push(byte.into()),
            _ => stem.push_str(&format!("\\x{byte:02x}")),
        }
    }
    stem
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
        assert_eq!(Name::new("dev:api").unwrap().stem(), "dev\\x3aapi");
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
            "api.socket",
            "api-socket.service",
            "api@.service",
            "api@12.service",
        ] {
            assert!(name.owns(own), "{own}");
        }
        for other in [
            "api.service",
            "api2@.service",
            "api@x.service",
            "api@07.service",
            "api@0.socket",
            "api-socket.socket",
            "xapi.target",
        ] {
            assert!(!name.owns(other), "{other}");
        }
    }
}
