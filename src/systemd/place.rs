//! Where the processes of a unit are when it runs, whether it does or not.

use anyhow::Context;

use super::call::{self, MANAGER, MANAGER_PATH, PROPERTIES, READ};
use super::connect::Bus;
use super::details::{SERVICE, get, value};
use super::manager::Manager;

/// What a control group's name may not begin with, because the kernel has files of those names (systemd's cg_needs_escape()).
const TAKEN: [&str; 12] = [
    "cgroup.", "cpu.", "cpuacct.", "cpuset.", "io.", "blkio.", "memory.", "devices.", "pids.",
    "hugetlb.", "rdma.", "misc.",
];

impl Manager {
    /// The control group of each service, below the root of the hierarchy: `/system.slice/system-api.slice/api@0.service`. None for a unit that systemd
    /// does not know.
    pub async fn places(&self, units: &[String]) -> anyhow::Result<Vec<Option<String>>> {
        let answers = self
            .ask(READ, || {
                let mut calls = vec![call::message(
                    false,
                    MANAGER_PATH,
                    PROPERTIES,
                    "Get",
                    &(MANAGER, "ControlGroup"),
                )?];
                for unit in units {
                    calls.push(get(unit, SERVICE, "Slice")?);
                }
                Ok(calls)
            })
            .await?;
        let root: String = value(answers.first()).context("systemd has no control group")?;
        Ok(units
            .iter()
            .zip(&answers[1..])
            .map(|(unit, slice)| {
                let slice: String = value(Some(slice))?;
                (!slice.is_empty()).then(|| place(&root, &slice, unit))
            })
            .collect())
    }
}

/// Where the instances of a template are when nothing says otherwise: the folder that has their control groups, as [`Manager::places`] gives them. A template has a slice of its
/// own, below that of the system's services or of the user's apps (systemd.special(7)). None for a manager that is neither.
pub fn usual(bus: &Bus, template: &str) -> Option<String> {
    let stem = template.split_once('@')?.0;
    // It is escaped already, but a slice's name has a meaning for `-`, and `\` is the mark of an escape.
    let escaped = stem.replace('\\', "\\x5c").replace('-', "\\x2d");
    let (root, slice) = match bus {
        Bus::System => (String::new(), format!("system-{escaped}.slice")),
        Bus::User => {
            let uid = rustix::process::getuid().as_raw();
            let root = format!("/user.slice/user-{uid}.slice/user@{uid}.service");
            (root, format!("app-{escaped}.slice"))
        }
        Bus::Address(_) => return None,
    };
    let group = place(&root, &slice, template);
    group.rsplit_once('/').map(|(folder, _)| folder.to_owned())
}

/// The name of a unit's control group in that folder.
pub fn escaped(name: &str) -> String {
    let taken = name.starts_with(['_', '.'])
        || matches!(name, "notify_on_release" | "release_agent" | "tasks")
        || TAKEN.iter().any(|prefix| name.starts_with(prefix));
    match taken {
        true => format!("_{name}"),
        false => name.to_owned(),
    }
}

/// `a-b.slice` lies in `a.slice` (systemd.slice(5)).
fn place(root: &str, slice: &str, unit: &str) -> String {
    let mut path = root.trim_end_matches('/').to_owned();
    let name = slice.trim_end_matches(".slice");
    if name != "-" {
        let ends = name.match_indices('-').map(|(at, _)| at);
        for end in ends.chain([name.len()]) {
            path.push_str(&format!("/{}", escaped(&format!("{}.slice", &name[..end]))));
        }
    }
    format!("{path}/{}", escaped(unit))
}

#[cfg(test)]
mod tests {
    use super::{place, usual};
    use crate::systemd::Bus;

    #[test]
    fn a_template_has_a_slice_of_its_own() {
        let usual = |template| usual(&Bus::System, template).unwrap();
        assert_eq!(usual("api@.service"), "/system.slice/system-api.slice");
        assert_eq!(
            usual("my-api\\x20b@.service"),
            "/system.slice/system-my\\x2dapi\\x5cx20b.slice"
        );
    }

    #[test]
    fn as_systemd_lays_them_out() {
        for (root, slice, unit, expected) in [
            (
                "/",
                "system-api.slice",
                "api@0.service",
                "/system.slice/system-api.slice/api@0.service",
            ),
            ("/x", "-.slice", "api@0.service", "/x/api@0.service"),
            (
                "",
                "app-my\\x2dapi.slice",
                "my-api@0.service",
                "/app.slice/app-my\\x2dapi.slice/my-api@0.service",
            ),
            (
                "",
                "a.slice",
                "memory.x@0.service",
                "/a.slice/_memory.x@0.service",
            ),
        ] {
            assert_eq!(place(root, slice, unit), expected);
        }
    }
}
