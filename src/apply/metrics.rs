//! The endpoint of `rpmctl metrics`: its socket, which systemd opens and starts the service for, there or gone.

use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};

use super::Machine;
use crate::model::Listen;
use crate::systemd::{Job, Verb};
use crate::unit_files::scan::{self, Named};
use crate::unit_files::write::Changes;
use crate::unit_files::{Places, lock::Lock};
use crate::units::metrics::{self, SERVICE, SOCKET};
use crate::units::{UnitFile, marker};

/// Longer than the service's TimeoutStopSec=.
const PATIENCE: Duration = Duration::from_secs(60);

/// The two units as they are on disk.
pub struct There {
    pub socket: Named,
    pub service: Named,
}

impl There {
    pub fn read(places: &Places) -> There {
        let named = |unit| scan::named(places, unit, |text| marker::is_own(unit, text));
        There {
            socket: named(SOCKET),
            service: named(SERVICE),
        }
    }

    /// A unit of one of these names that is not ours, with its file.
    pub fn foreign(&self) -> Option<(&'static str, PathBuf)> {
        let both = [(SOCKET, &self.socket), (SERVICE, &self.service)];
        both.into_iter()
            .find_map(|(unit, named)| Some((unit, named.foreign.clone()?)))
    }

    /// Where the socket listens: ours, else a package's.
    pub fn listens(&self) -> Option<String> {
        let shipped = self.socket.elsewhere.as_ref().map(|(_, text)| text);
        metrics::listens(self.socket.own.as_ref().or(shipped)?)
    }

    /// Both are a package's, and none is ours.
    pub fn is_shipped(&self) -> bool {
        let shipped = |named: &Named| named.own.is_none() && named.elsewhere.is_some();
        shipped(&self.socket) && shipped(&self.service)
    }
}

/// Opens the socket, now and at boot: as these units say, or without them as those of a package that are there. Whether anything was to be done.
/// Errors: the address is taken, or systemd does not open the socket; then what was not there before is not there again.
pub async fn install(
    machine: &Machine,
    there: &There,
    units: Option<&[UnitFile; 2]>,
    _lock: &Lock,
) -> anyhow::Result<bool> {
    let places = &machine.places;
    let folder = places.on_disk(&places.units);
    let mut changes = Changes::default();
    let mut written = false;
    for unit in units.into_iter().flatten() {
        let own = match unit.name == SOCKET {
            true => &there.socket.own,
            false => &there.service.own,
        };
        if own.as_ref() != Some(&unit.text) {
            changes.write(folder.join(&unit.name), &unit.text, 0o644);
            written = true;
        }
    }
    let (file, text) = match (units, &there.socket.elsewhere) {
        (Some([socket, _]), _) => (places.units.join(SOCKET), &socket.text),
        (None, Some((file, text))) => (file.clone(), text),
        (None, None) => bail!("{SOCKET} is not there"),
    };
    let mut linked = false;
    for wants in metrics::enabled_by(text) {
        let link = folder.join(wants).join(SOCKET);
        if std::fs::read_link(&link).ok().as_ref() != Some(&file) {
            changes.link(link, file.clone());
            linked = true;
        }
    }
    let states = machine.manager.states(&both()).await?;
    let opens = states
        .first()
        .is_none_or(|socket| !socket.is_up_or_moving());
    if !(written || linked || opens) {
        return Ok(false);
    }
    let listen = metrics::listens(text).and_then(|text| Listen::parse(&text).ok());
    let before = there.listens().and_then(|text| Listen::parse(&text).ok());
    let same_port =
        before.as_ref().and_then(Listen::port) == listen.as_ref().and_then(Listen::port);
    if let Some(listen) = listen.filter(|_| opens || !same_port) {
        is_free(&listen)?;
    }
    if written || linked {
        changes.commit()?;
        machine.manager.reload().await?;
    }
    if written && !opens {
        // A socket cannot be opened anew beside the service that has it.
        run(machine, Verb::Stop, &both()).await?;
    }
    machine.manager.reset_failed(&both()).await?;
    let started = run(machine, Verb::Start, &[SOCKET.to_owned()]).await;
    if started.is_err() && before.is_none() {
        remove(machine, there).await?;
    }
    started?;
    Ok(true)
}

/// Closes the socket and removes what `install` wrote; a package's units stay. Whether anything was to be done.
pub async fn uninstall(machine: &Machine, there: &There, _lock: &Lock) -> anyhow::Result<bool> {
    let states = machine.manager.states(&both()).await?;
    let own = there.socket.own.is_some() || there.service.own.is_some();
    let up = states.iter().any(|unit| unit.is_up_or_moving());
    if !own && there.socket.elsewhere.is_none() || !own && !up && links(machine).is_empty() {
        return Ok(false);
    }
    remove(machine, there).await?;
    Ok(true)
}

async fn remove(machine: &Machine, there: &There) -> anyhow::Result<()> {
    let places = &machine.places;
    // In vain where they are not there; what cannot be stopped is not removed.
    let states = machine.manager.states(&both()).await?;
    let up: Vec<String> = states
        .into_iter()
        .filter(|unit| unit.load != "not-found")
        .map(|unit| unit.name)
        .collect();
    run(machine, Verb::Stop, &up).await?;
    let mut changes = Changes::default();
    for link in links(machine) {
        changes.unlink(link);
    }
    let folder = places.on_disk(&places.units);
    for unit in [SOCKET, SERVICE] {
        // Not another's, which may stand in its place.
        let text = std::fs::read_to_string(folder.join(unit)).unwrap_or_default();
        if marker::is_own(unit, &text) {
            changes.remove(folder.join(unit));
        }
    }
    changes.commit()?;
    let shipped = there.socket.elsewhere.is_some();
    machine.manager.reset_failed(&both()).await?;
    machine
        .manager
        .reload()
        .await
        .with_context(|| match shipped {
            true => "the package's units are back".to_owned(),
            false => "the units are gone".to_owned(),
        })
}

/// Of our folder to the socket.
fn links(machine: &Machine) -> Vec<PathBuf> {
    let places = &machine.places;
    let name = [(SOCKET.to_owned(), String::new())].into();
    let found = scan::links(places, &name).unwrap_or_default();
    let folder = places.on_disk(&places.units);
    let link = |(wants, unit): &(String, String)| folder.join(wants).join(unit);
    found.iter().map(link).collect()
}

fn both() -> [String; 2] {
    [SOCKET.to_owned(), SERVICE.to_owned()]
}

async fn run(machine: &Machine, verb: Verb, units: &[String]) -> anyhow::Result<()> {
    let jobs: Vec<Job> = units
        .iter()
        .map(|unit| Job::new(verb, unit.as_str()))
        .collect();
    let results = machine.manager.run_jobs(&jobs, PATIENCE, |_| {}).await?;
    match results.iter().find_map(|result| result.problem()) {
        Some(problem) => bail!(problem),
        None => Ok(()),
    }
}

/// Found out before anything changes.
fn is_free(listen: &Listen) -> anyhow::Result<()> {
    let address = match listen {
        Listen::Port(port) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, *port)),
        Listen::Address(address) => *address,
        Listen::Path(_) => return Ok(()),
    };
    match TcpListener::bind(address) {
        // Without IPv6 there is nothing to find out that way.
        Err(error)
            if matches!(listen, Listen::Port(_))
                && error.kind() != std::io::ErrorKind::AddrInUse =>
        {
            Ok(())
        }
        bound => bound
            .map(drop)
            .with_context(|| format!("cannot listen on {listen}")),
    }
}
