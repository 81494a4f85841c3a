//! The units that a package of rpmctl brings, for the program as the package lays it down; an apply uses them in place of writing its own.

use std::collections::BTreeMap;

use super::template::Templates;
use super::{Site, UnitFile, marker, metrics, watcher};
use crate::model::Listen;

/// Where packages put rpmctl.
pub const RPMCTL: &str = "/usr/bin/rpmctl";

/// The packages serve every systemd from 247 on: one before this names what it does not know in its journal, and goes on without.
const SYSTEMD: u32 = 250;

/// Each with its folder below `/usr/lib/systemd`; the socket of metrics listens at `listen`.
pub fn units(listen: &Listen) -> Result<Vec<(&'static str, UnitFile)>, String> {
    let system = site(false)?;
    let [socket, service] = metrics::units(&system, listen)?;
    let all = [
        ("system", watcher::unit(&system)?),
        ("system", socket),
        ("system", service),
        ("user", watcher::unit(&site(true)?)?),
    ];
    Ok(all.map(|(folder, unit)| (folder, brought(&unit))).into())
}

fn site(user_manager: bool) -> Result<Site, String> {
    Ok(Site {
        systemd: SYSTEMD,
        user_manager,
        bind_to: None,
        foreground: false,
        env_dir: "/etc/rpmctl/env".into(),
        shim: "/var/lib/rpmctl/shim".into(),
        preload: "/var/lib/rpmctl/shim".into(),
        rpmctl: RPMCTL.into(),
        templates: Templates::new(&BTreeMap::new())?,
    })
}

/// Its first line says who writes it, which is the package then.
fn brought(unit: &UnitFile) -> UnitFile {
    let body = marker::body(&unit.text);
    let (first, rest) = body.split_once('\n').unwrap_or((body, ""));
    let what = first.split_once(" Written by ").map_or(first, |it| it.0);
    let text = format!("{what} It came with rpmctl's package.\n{rest}");
    UnitFile {
        name: unit.name.clone(),
        text: marker::mark_own(&unit.name, &text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_known_as_rpmctls_own() {
        let listen = Listen::parse("127.0.0.1:9209").unwrap();
        let units = units(&listen).unwrap();
        for (folder, UnitFile { name, text }) in &units {
            assert!(
                marker::is_own(name, text) && !marker::edited(text),
                "{text}"
            );
            assert!(!text.contains("Written by"), "{text}");
            if name.ends_with(".service") {
                let user = if *folder == "user" { " --user" } else { "" };
                let call = format!("\nExecStart=\"{RPMCTL}\"{user} ");
                assert!(text.contains(&call), "{text}");
            }
        }
        let names = units
            .iter()
            .map(|(folder, unit)| format!("{folder}/{}", unit.name));
        let expected = [
            "system/rpmctl-watch.service",
            "system/rpmctl-metrics.socket",
            "system/rpmctl-metrics.service",
            "user/rpmctl-watch.service",
        ];
        assert!(names.eq(expected));
        let socket = &units[1].1.text;
        assert_eq!(metrics::listens(socket).as_deref(), Some("127.0.0.1:9209"));
    }
}
