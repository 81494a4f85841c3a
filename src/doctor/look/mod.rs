//! What is looked at. Nothing is changed, and nothing is waited for longer than its deadline.

mod conf;
mod disk;
mod kernel;
mod left;
mod running;

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::timeout;

use super::apps;
use super::finding::{Finding, Level};
use super::words::{self, Words};
use super::{journal, leftovers, limits, machine, pm2, watcher};
use crate::apply::Machine;
use crate::journal::Scope;
use crate::systemd::{Bus, ConnectError, Manager, Unreachable};
use crate::unit_files::Places;

/// What connecting, and each question to the manager, may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is to be examined.
#[derive(Clone, Debug)]
pub struct Asked {
    pub places: Places,
    /// The user's own manager.
    pub user: bool,
    pub journal: Scope,
    pub home: Option<PathBuf>,
    /// rpmctl's own version.
    pub version: &'static str,
}

/// Everything, the worst first; within that in the order of the checks.
pub async fn examine(asked: &Asked) -> Vec<Finding> {
    let root = rustix::process::geteuid().is_root();
    let words = Words::of(asked.user, root);
    let ground = asked.clone();
    let looking = tokio::task::spawn_blocking(move || disk::look(&ground));
    let manager = connect(asked.user).await;
    let version = match &manager {
        Ok(manager) => match timeout(PATIENCE, manager.version()).await {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(error)) => Err(silent(format!("{error:#}"))),
            Err(_) => Err(late()),
        },
        Err(error) => Err(error.clone()),
    };
    let number = version.as_ref().ok().and_then(|text| machine::number(text));
    let mut found = machine::manager(&version);
    let Ok(Ok(ground)) = timeout(PATIENCE, looking).await else {
        found.push(Finding::broken(
            "disk",
            format!(
                "units, users and groups could not be looked up within {} s",
                PATIENCE.as_secs()
            ),
            "is a network file system or directory (LDAP) away? see: mount; getent group",
        ));
        return found;
    };
    let without_systemd = matches!(&version, Err(error) if error.why == Unreachable::NoSystemd);
    if !without_systemd {
        if !asked.user {
            found.extend(machine::rights(&ground.rights));
        }
        found.extend(machine::cgroup(&ground.cgroup, number));
        found.extend(ground.linger.map(machine::linger));
        found.extend(journal::journal(&ground.journal));
    }
    found.extend(machine::disks(&ground.disks));
    found.extend(limits::limits(&ground.limits, &ground.wanted));
    found.extend(pm2::pm2(&ground.pm2));
    let disk::Apps {
        mut apps,
        observed,
        mut watcher,
        metrics,
        mut leftovers,
        candidates,
    } = match ground.apps {
        Ok(apps) => apps,
        Err(why) => {
            let folder = words::path(&asked.places.on_disk(&asked.places.units));
            found.push(Finding::broken("apps", why, format!("ls -ld {folder}")));
            return sorted(found);
        }
    };
    let mut asked_all = false;
    if let (Ok(manager), Some(version)) = (manager, number) {
        let machine = Machine {
            places: asked.places.clone(),
            manager,
            journal: asked.journal.clone(),
        };
        running::unknown(&observed, &mut apps, version);
        let asking = running::look(
            &machine,
            &observed,
            &mut apps,
            &mut watcher,
            &mut leftovers,
            &candidates,
        );
        let failed = match timeout(PATIENCE, asking).await {
            Ok(Ok(())) => {
                asked_all = true;
                None
            }
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(_) => Some(late().what),
        };
        if let Some(why) = failed {
            found.push(Finding::broken(
                "bus",
                format!("the state of the apps is not known: {why}"),
                "is systemd frozen or very busy? see: systemctl status",
            ));
        }
    }
    let apps: Vec<apps::App> = apps.into_values().collect();
    let mut of_apps = apps::apps(&apps, &words);
    of_apps.extend(watcher::watcher(&watcher, asked.version, &words));
    of_apps.extend(watcher::own(&metrics, asked.version, &words));
    of_apps.extend(leftovers::leftovers(&leftovers, &words));
    // What is on disk is well: of what runs nobody has told.
    of_apps.retain(|one| asked_all || one.level != Level::Ok);
    found.extend(of_apps);
    sorted(found)
}

fn sorted(mut found: Vec<Finding>) -> Vec<Finding> {
    found.sort_by_key(|one| one.level);
    found
}

async fn connect(user: bool) -> Result<Manager, ConnectError> {
    let bus = if user { Bus::User } else { Bus::System };
    // Connecting has a deadline of its own.
    Manager::connect(bus).await
}

fn late() -> ConnectError {
    silent(format!(
        "systemd did not answer within {} s",
        PATIENCE.as_secs()
    ))
}

fn silent(what: String) -> ConnectError {
    ConnectError {
        why: Unreachable::Late,
        what,
        hints: vec!["it is very busy, or stopped: see State in /proc/1/status".to_owned()],
    }
}
