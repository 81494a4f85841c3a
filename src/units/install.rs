//! `[Install]` of an app's target as links, so that enabling needs no call and works in an image without a systemd.

use super::section::Sections;

/// Folders below the unit directory that hold a link to an enabled target: one for each unit in `WantedBy=` and `RequiredBy=` (systemd.unit(5)).
/// Empty where the app does not start at boot.
pub fn enabled_by(target: &str, autostart: bool) -> Vec<String> {
    if !autostart {
        return vec![];
    }
    let sections = Sections::parse(target);
    let mut folders = vec![];
    for (key, ending) in [("WantedBy", "wants"), ("RequiredBy", "requires")] {
        for value in sections.all("Install", key) {
            if value.is_empty() {
                folders.retain(|folder: &String| !folder.ends_with(ending));
            }
            folders.extend(
                value
                    .split_whitespace()
                    .map(|unit| format!("{unit}.{ending}")),
            );
        }
    }
    folders.sort();
    folders.dedup();
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links() {
        let text = "[Install]\nWantedBy=multi-user.target a.target\nRequiredBy=b.target\n";
        assert_eq!(
            enabled_by(text, true),
            [
                "a.target.wants",
                "b.target.requires",
                "multi-user.target.wants"
            ]
        );
        assert!(enabled_by(text, false).is_empty());
        assert_eq!(
            enabled_by(
                "[Install]\nWantedBy=a.target\nWantedBy=\nWantedBy=c.target\n",
                true
            ),
            ["c.target.wants"]
        );
    }
}
