//! PM2 beside rpmctl: both keep apps up, and both want their ports.

use std::path::PathBuf;

use super::finding::Finding;
use super::words::word;

#[derive(Clone, Debug, Default)]
pub struct Pm2 {
    /// Process and folder of each daemon.
    pub daemons: Vec<(u32, String)>,
    /// Its units that start at boot.
    pub units: Vec<String>,
    /// Lists of processes that it restores at its start.
    pub dumps: Vec<PathBuf>,
}

pub fn pm2(seen: &Pm2) -> Vec<Finding> {
    let mut found = Vec::new();
    for (pid, home) in &seen.daemons {
        let home = match home.as_str() {
            "" => String::new(),
            home => format!(" of {home}"),
        };
        found.push(Finding::warning(
            "pm2",
            format!("PM2 runs (process {pid}{home}): an app that both have fails on its port"),
            "when all its apps are in an ecosystem file: pm2 delete all; pm2 save --force; pm2 kill",
        ));
    }
    for unit in &seen.units {
        let dumps: Vec<String> = seen
            .dumps
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let restores = match dumps.is_empty() {
            true => String::new(),
            false => format!(", with the apps of {}", dumps.join(" ")),
        };
        found.push(
            Finding::warning(
                "pm2",
                format!("{unit} starts PM2 at the next boot{restores}"),
                format!(
                    "pm2 unstartup systemd, or: sudo systemctl disable --now {}",
                    word(unit)
                ),
            )
            .naming(unit),
        );
    }
    if found.is_empty() {
        found.push(Finding::ok("pm2", "PM2 neither runs nor starts at boot"));
    }
    found
}

/// The folder that a PM2 daemon names in its title, `PM2 v5.3.0: God Daemon (/root/.pm2)`; none for any other process.
pub fn daemon(title: &str) -> Option<String> {
    let title = title.strip_prefix("PM2 v")?;
    let (_, rest) = title.split_once(": God Daemon")?;
    let home = rest.trim_matches([' ', '\0', '\n']);
    Some(
        home.trim_start_matches('(')
            .trim_end_matches(')')
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Level, worst};
    use super::*;

    #[test]
    fn titles() {
        let home = |title| daemon(title);
        assert_eq!(
            home("PM2 v5.3.0: God Daemon (/root/.pm2)\0\0").as_deref(),
            Some("/root/.pm2")
        );
        assert_eq!(home("PM2 v7.0.1: God Daemon").as_deref(), Some(""));
        assert_eq!(home("vim PM2 v5: God Daemon"), None);
        assert_eq!(home("node\0app.js"), None);
    }

    #[test]
    fn running_or_about_to() {
        assert_eq!(worst(&pm2(&Pm2::default())), Level::Ok);
        let seen = Pm2 {
            daemons: vec![(42, "/root/.pm2".into())],
            units: vec!["pm2-root.service".into()],
            dumps: vec!["/root/.pm2/dump.pm2".into()],
        };
        let found = pm2(&seen);
        assert_eq!(found.len(), 2);
        assert!(found[0].what.contains("process 42 of /root/.pm2"));
        assert!(found[1].what.contains("dump.pm2"));
        // A list alone does nothing.
        let dump = Pm2 {
            dumps: seen.dumps,
            ..Pm2::default()
        };
        assert_eq!(worst(&pm2(&dump)), Level::Ok);
    }
}
