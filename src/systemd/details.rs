//! What ListUnits does not tell: restarts, process, exit cause.
//!
//! Two ways, because a call costs about 0.05 ms and GetAll of a service about 0.3 ms (2 cores, 300 instances):
//! [`Manager::facts`] asks one property of each instance and the rest only where it means something, for lists;
//! [`Manager::details`] asks everything, for the few units a person looks at.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use zbus::{Message, Variant};

use super::call::{self, Answer, MANAGER, MANAGER_PATH, PROPERTIES, READ};
use super::manager::Manager;
use super::state::{UnitState, object_path};

pub(super) const UNIT: &str = "org.freedesktop.systemd1.Unit";
pub(super) const SERVICE: &str = "org.freedesktop.systemd1.Service";

/// How the last process of a service ended, raw: Result=, ExecMainCode= (CLD_EXITED 1, CLD_KILLED 2, CLD_DUMPED 3; 0: it
/// has not ended) and ExecMainStatus= (exit code or signal number), see org.freedesktop.systemd1(5).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ending {
    pub result: String,
    pub code: i32,
    pub status: i32,
}

/// What a list shows of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Automatic restarts since the last manual start.
    pub restarts: Option<u32>,
    /// Only for units that are not active.
    pub ending: Option<Ending>,
}

/// All that is known of a service. Counters that systemd does not have are none, not 2⁶⁴−1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    pub name: String,
    pub main_pid: Option<u32>,
    pub restarts: u32,
    pub ending: Ending,
    pub main_started: Option<SystemTime>,
    pub active_since: Option<SystemTime>,
    /// 32 hex digits, as in the journal's `_SYSTEMD_INVOCATION_ID=`; a new one each start.
    pub invocation_id: Option<String>,
    pub control_group: Option<String>,
    /// What the service said of itself: `STATUS=` of sd_notify(3).
    pub status_text: Option<String>,
    /// Bytes.
    pub memory: Option<u64>,
    /// Processor time used, nanoseconds.
    pub cpu_nsec: Option<u64>,
    pub tasks: Option<u64>,
    /// The unit file on disk is newer than what systemd runs.
    pub need_daemon_reload: bool,
    /// Where the unit file is.
    pub fragment_path: Option<String>,
}

pub(super) fn get(unit: &str, interface: &str, property: &str) -> zbus::Result<Message> {
    let body = &(interface, property);
    call::message(false, &object_path(unit), PROPERTIES, "Get", body)
}

/// The value of a property, when the unit has it.
pub(super) fn value<T>(answer: Option<&Answer>) -> Option<T>
where
    T: for<'v> TryFrom<Variant<'v>>,
{
    let reply = answer?.as_ref().ok()?;
    let body = reply.body();
    let value: Variant<'_> = body.deserialize().ok()?;
    T::try_from(value).ok()
}

fn known(counter: u64) -> Option<u64> {
    (counter != u64::MAX).then_some(counter)
}

fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

pub(super) fn time(usec: u64) -> Option<SystemTime> {
    let usec = known(usec).filter(|usec| *usec > 0)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(usec))
}

fn hex(bytes: &[u8]) -> Option<String> {
    let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    filled(id).filter(|id| id.bytes().any(|digit| digit != b'0'))
}

/// Instances of one template whose control groups differ only in their last part. Not so for names that cgroup v1 and
/// systemd escape with `_` (`memory.x@0.service`): those have a dot, or an underscore in front.
fn template(unit: &str) -> Option<&str> {
    let (stem, _) = unit.split_once('@')?;
    (!stem.contains('.') && !stem.starts_with('_')).then_some(stem)
}

impl Manager {
    /// What a list needs of these services, in as few calls as possible: NRestarts of each, the exit cause of those that are not active.
    pub async fn facts(&self, units: &[UnitState]) -> anyhow::Result<Vec<Facts>> {
        #[derive(Clone, Copy)]
        enum What {
            Restarts,
            Result,
            Code,
            Status,
        }
        let mut wanted: Vec<(usize, What)> = Vec::new();
        for (index, unit) in units.iter().enumerate() {
            if unit.load != "loaded" || !unit.name.ends_with(".service") {
                continue;
            }
            wanted.push((index, What::Restarts));
            if unit.active != "active" {
                wanted.extend([What::Result, What::Code, What::Status].map(|what| (index, what)));
            }
        }
        let answers = self
            .ask(READ, || {
                wanted
                    .iter()
                    .map(|(index, what)| {
                        let property = match what {
                            What::Restarts => "NRestarts",
                            What::Result => "Result",
                            What::Code => "ExecMainCode",
                            What::Status => "ExecMainStatus",
                        };
                        get(&units[*index].name, SERVICE, property)
                    })
                    .collect()
            })
            .await?;
        let mut facts = vec![Facts::default(); units.len()];
        for ((index, what), answer) in wanted.into_iter().zip(&answers) {
            let answer = Some(answer);
            let fact = &mut facts[index];
            match what {
                What::Restarts => fact.restarts = value(answer),
                What::Result => {
                    fact.ending.get_or_insert_default().result = value(answer).unwrap_or_default();
                }
                What::Code => {
                    fact.ending.get_or_insert_default().code = value(answer).unwrap_or_default();
                }
                What::Status => {
                    fact.ending.get_or_insert_default().status = value(answer).unwrap_or_default();
                }
            }
        }
        Ok(facts)
    }

    /// Where the processes of each unit are, below the root of the hierarchy: `/system.slice/system-api.slice/api@0.service`; nothing for a unit that
    /// has none. One instance of a template is asked for, its siblings lie beside it; one with a slice of its own is asked for by
    /// [`control_groups`](Manager::control_groups).
    pub async fn likely_control_groups(
        &self,
        units: &[UnitState],
    ) -> anyhow::Result<Vec<Option<String>>> {
        let runs = |unit: &UnitState| {
            unit.load == "loaded"
                && unit.name.ends_with(".service")
                && unit.is_up_or_moving()
                && unit.sub != "auto-restart"
        };
        let mut asked: HashSet<&str> = HashSet::new();
        let first: Vec<usize> = (0..units.len())
            .filter(|index| runs(&units[*index]))
            .filter(|index| template(&units[*index].name).is_none_or(|stem| asked.insert(stem)))
            .collect();
        let names: Vec<String> = first
            .iter()
            .map(|index| units[*index].name.clone())
            .collect();
        let mut groups = vec![None; units.len()];
        let mut beside: HashMap<&str, String> = HashMap::new();
        for (index, group) in first.into_iter().zip(self.control_groups(&names).await?) {
            let parent = group.as_deref().and_then(|group| group.rsplit_once('/'));
            if let (Some(stem), Some((parent, _))) = (template(&units[index].name), parent) {
                beside.insert(stem, parent.to_owned());
            }
            groups[index] = group;
        }
        for (unit, group) in units.iter().zip(&mut groups) {
            if group.is_none()
                && runs(unit)
                && let Some(parent) = template(&unit.name).and_then(|stem| beside.get(stem))
            {
                *group = Some(format!("{parent}/{}", unit.name));
            }
        }
        Ok(groups)
    }

    /// The control group of each unit, asked one by one; nothing for a unit without processes.
    pub async fn control_groups(&self, units: &[String]) -> anyhow::Result<Vec<Option<String>>> {
        let answers = self
            .ask(READ, || {
                units
                    .iter()
                    .map(|unit| get(unit, SERVICE, "ControlGroup"))
                    .collect()
            })
            .await?;
        Ok(answers
            .iter()
            .map(|answer| value(Some(answer)).and_then(filled))
            .collect())
    }

    /// When the manager read its unit files last: when it was started, or at the last daemon-reload. None where it does not tell (systemd 247).
    pub async fn units_loaded(&self) -> anyhow::Result<Option<SystemTime>> {
        let property = &(MANAGER, "UnitsLoadTimestamp");
        let answers = self
            .ask(READ, || {
                let get = call::message(false, MANAGER_PATH, PROPERTIES, "Get", property)?;
                Ok(vec![get])
            })
            .await?;
        Ok(value(answers.first()).and_then(time))
    }

    /// Whether the files of each unit have changed since the manager read them, drop-ins included.
    pub async fn need_reload(&self, units: &[String]) -> anyhow::Result<Vec<bool>> {
        let answers = self
            .ask(READ, || {
                units
                    .iter()
                    .map(|unit| get(unit, UNIT, "NeedDaemonReload"))
                    .collect()
            })
            .await?;
        let answer = |answer| value(Some(answer)).unwrap_or_default();
        Ok(answers.iter().map(answer).collect())
    }

    /// The drop-ins of each unit as the manager has read them.
    pub async fn drop_ins(&self, units: &[String]) -> anyhow::Result<Vec<Vec<String>>> {
        let answers = self
            .ask(READ, || {
                units
                    .iter()
                    .map(|unit| get(unit, UNIT, "DropInPaths"))
                    .collect()
            })
            .await?;
        let answer = |answer| value(Some(answer)).unwrap_or_default();
        Ok(answers.iter().map(answer).collect())
    }

    /// Everything about each service, in their order: one GetAll and four Gets each. For another kind of unit, and for
    /// one that does not exist, only what all units have is filled.
    pub async fn details(&self, units: &[String]) -> anyhow::Result<Vec<Details>> {
        const OF_UNIT: [&str; 4] = [
            "ActiveEnterTimestamp",
            "InvocationID",
            "NeedDaemonReload",
            "FragmentPath",
        ];
        let answers = self
            .ask(READ, || {
                let mut calls = Vec::with_capacity(units.len() * 5);
                for unit in units {
                    let path = object_path(unit);
                    calls.push(call::message(false, &path, PROPERTIES, "GetAll", &SERVICE)?);
                    for property in OF_UNIT {
                        calls.push(get(unit, UNIT, property)?);
                    }
                }
                Ok(calls)
            })
            .await?;
        Ok(units
            .iter()
            .zip(answers.chunks(1 + OF_UNIT.len()))
            .map(|(unit, answers)| Details {
                name: unit.clone(),
                active_since: value(answers.get(1)).and_then(time),
                invocation_id: value::<Vec<u8>>(answers.get(2)).and_then(|id| hex(&id)),
                need_daemon_reload: value(answers.get(3)).unwrap_or_default(),
                fragment_path: value(answers.get(4)).and_then(filled),
                ..of_service(answers.first())
            })
            .collect())
    }
}

fn of_service(answer: Option<&Answer>) -> Details {
    let Some(Ok(reply)) = answer else {
        return Details::default();
    };
    let body = reply.body();
    let mut all: HashMap<&str, Variant<'_>> = body.deserialize().unwrap_or_default();
    let mut number = |name| {
        let value = all.remove(name)?;
        u64::try_from(&value)
            .ok()
            .or_else(|| u32::try_from(&value).ok().map(u64::from))
            .and_then(known)
    };
    let main_pid = number("MainPID").filter(|pid| *pid != 0);
    let restarts = number("NRestarts");
    let memory = number("MemoryCurrent");
    let cpu_nsec = number("CPUUsageNSec");
    let tasks = number("TasksCurrent");
    let started = number("ExecMainStartTimestamp");
    let mut signed = |name| {
        let value = all.remove(name);
        value.and_then(|value| i32::try_from(value).ok())
    };
    let code = signed("ExecMainCode").unwrap_or_default();
    let status = signed("ExecMainStatus").unwrap_or_default();
    let mut text = |name| {
        let value = all.remove(name);
        value.and_then(|value| String::try_from(value).ok())
    };
    Details {
        main_pid: main_pid.and_then(|pid| u32::try_from(pid).ok()),
        restarts: restarts
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or_default(),
        ending: Ending {
            result: text("Result").unwrap_or_default(),
            code,
            status,
        },
        main_started: started.and_then(time),
        control_group: text("ControlGroup").and_then(filled),
        status_text: text("StatusText").and_then(filled),
        memory,
        cpu_nsec,
        tasks,
        ..Details::default()
    }
}
