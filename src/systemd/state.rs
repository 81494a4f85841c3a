//! The state of many units in one call.

use zbus::Message;

use super::call::{self, MANAGER, MANAGER_PATH, READ};
use super::manager::Manager;

/// A unit as ListUnits gives it: load, active and sub state in systemd's words (systemd(1), org.freedesktop.systemd1(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitState {
    pub name: String,
    /// `loaded`, `not-found`, `bad-setting`, `error`, `masked`.
    pub load: String,
    /// `active`, `reloading`, `inactive`, `failed`, `activating`, `deactivating`.
    pub active: String,
    /// E.g. `running`, `exited`, `dead`, `auto-restart`, `listening`.
    pub sub: String,
    /// The job that is queued or running: `start`, `stop`, `restart`…
    pub job: Option<String>,
    /// The object's path on the bus.
    pub path: String,
    /// The path of the job's object, to tell one job from the next.
    pub(super) job_path: Option<String>,
}

impl UnitState {
    /// Whether there may be processes: anything but `inactive` and `failed`.
    pub fn is_up_or_moving(&self) -> bool {
        !matches!(self.active.as_str(), "inactive" | "failed")
    }

    /// What [`Manager::not_simply_running`] says by leaving a unit out that has processes; its object's path is not told.
    pub fn running(name: &str) -> UnitState {
        UnitState {
            name: name.to_owned(),
            load: "loaded".to_owned(),
            active: "active".to_owned(),
            sub: "running".to_owned(),
            job: None,
            path: String::new(),
            job_path: None,
        }
    }

    /// What is known of a unit that systemd has forgotten.
    pub(super) fn gone(name: &str) -> UnitState {
        UnitState {
            name: name.to_owned(),
            load: "not-found".to_owned(),
            active: "inactive".to_owned(),
            sub: "dead".to_owned(),
            job: None,
            path: object_path(name),
            job_path: None,
        }
    }
}

/// The path of a unit's object: bytes outside `[A-Za-z0-9]`, and a leading digit, as `_` and two hex digits
/// (sd_bus_path_encode(3)).
pub(super) fn object_path(unit: &str) -> String {
    let mut path = String::from("/org/freedesktop/systemd1/unit/");
    for (index, byte) in unit.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (index > 0 && byte.is_ascii_digit()) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("_{byte:02x}"));
        }
    }
    path
}

type Row = (
    String,
    String,
    String,
    String,
    String,
    String,
    zbus::OwnedObjectPath,
    u32,
    String,
    zbus::OwnedObjectPath,
);

pub(super) fn parse(reply: &Message) -> zbus::Result<Vec<UnitState>> {
    let rows: Vec<Row> = reply.body().deserialize()?;
    Ok(rows
        .into_iter()
        .map(
            |(name, _, load, active, sub, _, path, id, job, job_path)| UnitState {
                name,
                load,
                active,
                sub,
                job: (id != 0).then_some(job),
                path: path.to_string(),
                job_path: (id != 0).then(|| job_path.to_string()),
            },
        )
        .collect())
}

pub(super) fn by_names(units: &[String]) -> zbus::Result<Message> {
    call::message(false, MANAGER_PATH, MANAGER, "ListUnitsByNames", &units)
}

impl Manager {
    /// The state of each of the named units, in their order, in one call; a unit that does not exist is `not-found`.
    pub async fn states(&self, units: &[String]) -> anyhow::Result<Vec<UnitState>> {
        if units.is_empty() {
            return Ok(Vec::new());
        }
        let reply = self
            .ask_one(READ, MANAGER_PATH, MANAGER, "ListUnitsByNames", &units)
            .await?;
        let mut found = parse(&reply)?;
        // systemd answers under the unit's own name, so an alias or a repeated name comes back as another row.
        if found.len() != units.len() || found.iter().zip(units).any(|(f, u)| f.name != *u) {
            let rows: std::collections::HashMap<String, UnitState> = found
                .into_iter()
                .map(|row| (row.name.clone(), row))
                .collect();
            found = units
                .iter()
                .map(|unit| {
                    rows.get(unit)
                        .cloned()
                        .unwrap_or_else(|| UnitState::gone(unit))
                })
                .collect();
        }
        Ok(found)
    }

    /// Of the loaded units whose names match one of the glob patterns, those that are not simply loaded, active and running: with a healthy cluster a reply of
    /// a few bytes, where 1,000 rows cost systemd and us 2 ms each. systemd compares each word with the load, the active and the sub state.
    pub async fn not_simply_running(&self, patterns: &[String]) -> anyhow::Result<Vec<UnitState>> {
        const OTHER: [&str; 14] = [
            "stub",
            "not-found",
            "bad-setting",
            "error",
            "merged",
            "masked",
            "reloading",
            "inactive",
            "failed",
            "activating",
            "deactivating",
            "maintenance",
            "refreshing",
            "exited",
        ];
        let reply = self
            .ask_one(
                READ,
                MANAGER_PATH,
                MANAGER,
                "ListUnitsByPatterns",
                &(&OTHER[..], patterns),
            )
            .await?;
        Ok(parse(&reply)?)
    }

    /// The loaded units whose names match one of the glob patterns (fnmatch(3)). A stopped unit that nothing refers to
    /// is not loaded, hence not here: ask for it by name.
    pub async fn states_matching(&self, patterns: &[String]) -> anyhow::Result<Vec<UnitState>> {
        let none: [&str; 0] = [];
        let reply = self
            .ask_one(
                READ,
                MANAGER_PATH,
                MANAGER,
                "ListUnitsByPatterns",
                &(&none[..], patterns),
            )
            .await?;
        Ok(parse(&reply)?)
    }
}

#[cfg(test)]
mod tests {
    use super::object_path;

    #[test]
    fn object_paths_are_those_of_systemd() {
        // As `busctl tree org.freedesktop.systemd1` shows them.
        let path = |unit| object_path(unit)["/org/freedesktop/systemd1/unit/".len()..].to_owned();
        assert_eq!(path("cron.service"), "cron_2eservice");
        assert_eq!(path("api-1@0.service"), "api_2d1_400_2eservice");
        assert_eq!(path("0a.service"), "_30a_2eservice");
        assert_eq!(path(r"a\x20b.service"), "a_5cx20b_2eservice");
    }
}
