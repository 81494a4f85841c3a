//! Environment variables of an app.

use std::collections::BTreeMap;
use std::fmt;

/// A variable's name as systemd takes it: `[A-Za-z_][A-Za-z0-9_]*`; it drops any other without a word (systemd.exec(5), seen on 247 to 262).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvName(String);

/// Values may hold anything but NUL.
pub type Environment = BTreeMap<EnvName, String>;

impl EnvName {
    pub fn new(text: &str) -> Option<EnvName> {
        let mut chars = text.chars();
        let first = chars.next()?;
        let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
        (letter(first) && chars.all(|c| letter(c) || c.is_ascii_digit()))
            .then(|| EnvName(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EnvName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EnvName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
