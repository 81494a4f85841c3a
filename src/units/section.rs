//! Unit text as sections and directives, as far as comparing two units and reading our marker needs it.

/// What systemd drops at both ends of a line and around `=`; other scripts' blanks are text.
const BLANK: [char; 3] = [' ', '\t', '\r'];

/// The directives of a unit in order; values are raw, joined over continuation lines.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sections(Vec<(String, String, String)>);

impl Sections {
    /// Follows systemd.syntax(7): comments, line continuation by a trailing backslash, blanks around `=` dropped. Lines of another form are skipped, as
    /// systemd skips them.
    pub fn parse(text: &str) -> Sections {
        let mut found = Vec::new();
        let mut section = String::new();
        let mut joined = String::new();
        for line in text.lines() {
            if joined.is_empty() && line.trim_start_matches(BLANK).is_empty()
                || line.trim_start_matches(BLANK).starts_with(['#', ';'])
            {
                continue;
            }
            if let Some(start) = line.strip_suffix('\\') {
                joined.push_str(start);
                joined.push(' ');
                continue;
            }
            joined.push_str(line);
            let whole = std::mem::take(&mut joined);
            let whole = whole.trim_matches(BLANK);
            if let Some(name) = whole.strip_prefix('[').and_then(|w| w.strip_suffix(']')) {
                section = name.to_owned();
            } else if let Some((key, value)) = whole.split_once('=') {
                found.push((
                    section.clone(),
                    key.trim_end_matches(BLANK).to_owned(),
                    value.trim_start_matches(BLANK).to_owned(),
                ));
            }
        }
        Sections(found)
    }

    /// The last value of a directive.
    pub fn get<'a>(&'a self, section: &str, key: &str) -> Option<&'a str> {
        self.all(section, key).last()
    }

    /// Directives and values of a section, in order.
    pub fn section<'a>(&'a self, section: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0
            .iter()
            .filter(move |(s, _, _)| s == section)
            .map(|(_, key, value)| (key.as_str(), value.as_str()))
    }

    /// Every value of a directive, in order.
    pub fn all<'a, 'k>(
        &'a self,
        section: &'k str,
        key: &'k str,
    ) -> impl Iterator<Item = &'a str> + use<'a, 'k> {
        self.0
            .iter()
            .filter(move |(s, k, _)| s == section && k == key)
            .map(|(_, _, value)| value.as_str())
    }

    /// The directives that decide how a running unit behaves: without our marker, `[Install]`, and words for people.
    pub fn effective(&self) -> Vec<&(String, String, String)> {
        self.0
            .iter()
            .filter(|(section, key, _)| {
                section != "X-Rpmctl"
                    && section != "Install"
                    && !(section == "Unit"
                        && matches!(
                            key.as_str(),
                            "Description" | "Documentation" | "After" | "Before" | "Wants"
                        ))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syntax() {
        let sections = Sections::parse(
            "# comment\n[Unit]\nDescription = a b\n\n[Service]\nExecStart=x \\\n# between\n  y\nX=\\\\\nbroken\nX=2\n",
        );
        assert_eq!(sections.get("Unit", "Description"), Some("a b"));
        assert_eq!(sections.get("Service", "ExecStart"), Some("x    y"));
        assert_eq!(sections.get("Service", "X"), Some("2"));
        assert_eq!(sections.get("Unit", "X"), None);
        let other_blanks = Sections::parse("[X-Rpmctl]\nApp=\u{a0}a\u{2028}\n");
        assert_eq!(other_blanks.get("X-Rpmctl", "App"), Some("\u{a0}a\u{2028}"));
    }

    #[test]
    fn words_for_people_are_not_effective() {
        let a = Sections::parse("[Unit]\nDescription=a\n[Service]\nX=1\n[X-Rpmctl]\nHash=1\n");
        let b = Sections::parse("[Unit]\nDescription=b\n[Service]\nX=1\n[Install]\nWantedBy=x\n");
        let c = Sections::parse("[Unit]\nDescription=a\n[Service]\nX=2\n");
        assert_eq!(a.effective(), b.effective());
        assert_ne!(a.effective(), c.effective());
    }
}
