//! What is on disk: units, the files they need, and what is left beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{Asked, conf, kernel, left};
use crate::apply::observe;
use crate::doctor::apps::{App, FileIs, Missing};
use crate::doctor::exec;
use crate::doctor::journal::Journal;
use crate::doctor::leftovers::Leftovers;
use crate::doctor::limits::{Limits, Wanted, nofile};
use crate::doctor::machine::{Cgroup, Disk, Rights};
use crate::doctor::pm2::Pm2;
use crate::doctor::watcher::{Own, Watcher};
use crate::host::accounts;
use crate::model::Listen;
use crate::plan::Observed;
use crate::unit_files::{Places, generations, preload, scan, shim};
use crate::units::section::Sections;
use crate::units::{AppUnits, marker, metrics, quote, watcher};

pub struct Ground {
    pub rights: Rights,
    pub cgroup: Cgroup,
    /// Of a user's manager.
    pub linger: Option<bool>,
    pub journal: Journal,
    pub disks: Vec<Disk>,
    pub limits: Limits,
    pub wanted: Wanted,
    pub pm2: Pm2,
    /// Or why the units cannot be read.
    pub apps: Result<Apps, String>,
}

pub struct Apps {
    pub apps: BTreeMap<String, App>,
    pub observed: Observed,
    pub watcher: Watcher,
    pub metrics: Own,
    pub leftovers: Leftovers,
    /// Instances that have a runtime folder and no app.
    pub candidates: Vec<String>,
}

pub fn look(asked: &Asked) -> Ground {
    let places = &asked.places;
    let folders = [&places.units, &places.state, &places.run];
    let observed = observe::apps(places).map_err(|error| format!("{error:#}"));
    let mut wanted = Wanted::default();
    let mut namespaces = BTreeSet::new();
    let apps = observed.map(|observed| {
        let known = observed.apps();
        for app in known.values() {
            wants(&mut wanted, app, asked.user);
            namespaces.extend(app.facts.logs.namespace.clone());
        }
        read(places, known, observed)
    });
    if let Ok(apps) = &apps
        && !apps.watcher.needed_by.is_empty()
    {
        let text = scan::named(places, watcher::UNIT, marker::is_watcher).own;
        wanted
            .files
            .extend(files(watcher::UNIT, &text.unwrap_or_default()));
    }
    Ground {
        rights: conf::rights(),
        cgroup: kernel::cgroup(asked.user),
        linger: asked.user.then(lingers),
        journal: conf::journal(asked.user, namespaces),
        disks: folders
            .iter()
            .filter_map(|folder| kernel::disk(&places.on_disk(folder)))
            .collect(),
        limits: kernel::limits(),
        wanted,
        pm2: kernel::pm2(asked.home.as_deref()),
        apps,
    }
}

fn lingers() -> bool {
    let uid = rustix::process::geteuid().as_raw().to_string();
    let name = accounts::name(&uid).unwrap_or(uid);
    Path::new("/var/lib/systemd/linger").join(name).exists()
}

fn wants(wanted: &mut Wanted, app: &AppUnits, user: bool) {
    let name = app.facts.app.as_str();
    if app.has_socket() {
        let sockets = app
            .units
            .iter()
            .filter(|unit| unit.name.ends_with(".socket"));
        let queue = |text: &str| Sections::parse(text).get("Socket", "Backlog")?.parse().ok();
        let longest = sockets.filter_map(|unit| queue(&unit.text)).max();
        wanted.queues.push((name.to_owned(), longest));
    }
    if app.facts.watch.is_some() {
        wanted.watching.push(name.to_owned());
    }
    for unit in &app.units {
        wanted.files.extend(files(&unit.name, &unit.text));
    }
    if user {
        let ports = app
            .facts
            .listen
            .iter()
            .filter_map(|text| match Listen::parse(text) {
                Ok(Listen::Port(port)) => Some(port),
                Ok(Listen::Address(address)) => Some(address.port()),
                _ => None,
            });
        wanted
            .ports
            .extend(ports.map(|port| (name.to_owned(), port)));
    }
}

fn files(unit: &str, text: &str) -> Option<(String, u64)> {
    let limit = nofile(Sections::parse(text).get("Service", "LimitNOFILE")?)?;
    Some((unit.to_owned(), limit))
}

fn read(places: &Places, known: BTreeMap<String, AppUnits>, observed: Observed) -> Apps {
    let names: BTreeSet<String> = known.values().flat_map(AppUnits::names).collect();
    let foreign = scan::foreign(places, &names, &observed.units).unwrap_or_default();
    let gone = accounts_gone(&known);
    let selinux = kernel::enforces_selinux();
    let apps = known
        .values()
        .map(|app| {
            let mut seen = one(places, app, selinux, &gone);
            seen.foreign = foreign
                .iter()
                .filter(|(unit, _)| app.facts.app.owns(unit))
                .map(|(unit, path)| (unit.clone(), path.clone()))
                .collect();
            (seen.name.clone(), seen)
        })
        .collect();
    let own = |unit: &'static str| {
        let found = scan::named(places, unit, |text| marker::is_own(unit, text));
        let text = found.own.or(found.elsewhere.map(|(_, text)| text));
        let sections = text.as_deref().map(Sections::parse);
        let get = |section, key| sections.as_ref()?.get(section, key);
        let program =
            get("Service", "ExecStart").and_then(|line| exec::words(line).into_iter().next());
        Own {
            unit,
            foreign: found.foreign,
            there: text.is_some(),
            version: get("X-Rpmctl", "Version").map(str::to_owned),
            calls_in_vain: program.map(PathBuf::from).filter(|path| !runs(path)),
        }
    };
    let watcher = Watcher {
        own: own(watcher::UNIT),
        needed_by: known
            .values()
            .filter(|app| app.facts.needs_watcher())
            .map(|app| app.facts.app.to_string())
            .collect(),
        unlinked: is_unlinked(places),
        ..Watcher::default()
    };
    let (leftovers, candidates) = left::left(places, &known, &observed);
    Apps {
        apps,
        metrics: own(metrics::SERVICE),
        watcher,
        leftovers,
        candidates,
        observed,
    }
}

/// As an apply sees it, which makes the links that the watcher's file asks for.
fn is_unlinked(places: &Places) -> bool {
    let found = scan::named(places, watcher::UNIT, marker::is_watcher);
    let name = BTreeMap::from([(watcher::UNIT.to_owned(), String::new())]);
    let shipped = found.elsewhere.map(|(_, text)| text);
    match (shipped.or(found.own), scan::links(places, &name)) {
        (Some(text), Ok(links)) => {
            let there = |wanted: &String| links.iter().any(|(folder, _)| folder == wanted);
            !watcher::enabled_by(&text).iter().all(there)
        }
        _ => false,
    }
}

/// What units name and the machine does not know.
struct Gone {
    users: BTreeSet<String>,
    groups: BTreeSet<String>,
}

/// One question each for all apps.
fn accounts_gone(known: &BTreeMap<String, AppUnits>) -> Gone {
    let gone = |database: &str, key: &str| -> BTreeSet<String> {
        let names: BTreeSet<String> = known
            .values()
            .filter_map(|app| {
                Sections::parse(&template(app)?)
                    .get("Service", key)
                    .map(str::to_owned)
            })
            .filter(|name| !name.contains('%'))
            .collect();
        let names: Vec<String> = names.into_iter().collect();
        let answer = accounts::known(database, &names).unwrap_or_default();
        let unknown = answer.into_iter().filter(|(_, known)| !known);
        unknown.map(|(name, _)| name).collect()
    };
    Gone {
        users: gone("passwd", "User"),
        groups: gone("group", "Group"),
    }
}

fn template(app: &AppUnits) -> Option<String> {
    let name = app.facts.app.template();
    let unit = app.units.iter().find(|unit| unit.name == name)?;
    Some(unit.text.clone())
}

fn one(places: &Places, app: &AppUnits, selinux: bool, gone: &Gone) -> App {
    let facts = &app.facts;
    let mut seen = App {
        name: facts.app.to_string(),
        file: facts.file.clone(),
        file_is: file_is(places, app),
        instances: facts.instances as usize,
        ..App::default()
    };
    let text = template(app).unwrap_or_default();
    let sections = Sections::parse(&text);
    let get = |key: &str| sections.get("Service", key);
    let dynamic =
        get("DynamicUser").is_some_and(|value| matches!(value, "yes" | "true" | "1" | "on"));
    if !dynamic {
        let user = get("User").filter(|user| gone.users.contains(*user));
        let group = get("Group").filter(|group| gone.groups.contains(*group));
        seen.missing
            .extend(user.map(|name| Missing::User(name.to_owned())));
        seen.missing
            .extend(group.map(|name| Missing::Group(name.to_owned())));
    }
    // Where / is another, nothing here says what is there.
    let elsewhere = get("RootDirectory").or(get("RootImage")).is_some();
    if !elsewhere {
        let command = exec::words(get("ExecStart").unwrap_or_default());
        let needed = exec::needed(exec::of_start(&command), &facts.script);
        for (number, path) in needed.into_iter().map(PathBuf::from).enumerate() {
            let is_there = if number == 0 {
                runs(&path)
            } else {
                there(&path)
            };
            if path.to_string_lossy().contains('%') {
                continue;
            }
            if selinux && kernel::is_of_home(&path) {
                seen.forbidden.get_or_insert(path.clone());
            }
            if !is_there {
                seen.missing.push(Missing::Program(path));
            }
        }
        if !facts.cwd.as_os_str().is_empty() && !there(&facts.cwd) {
            seen.missing.push(Missing::Folder(facts.cwd.clone()));
        }
    }
    for file in sections.all("Service", "EnvironmentFile") {
        let path = quote::read_glob_path(file).filter(|path| path.starts_with('/'));
        if let Some(path) = path.map(PathBuf::from)
            && !there(&places.on_disk(&path))
        {
            seen.missing.push(Missing::Environment(path));
        }
    }
    let clock = facts.app.clock();
    if let Some(unit) = app.units.iter().find(|unit| unit.name == clock) {
        let sections = Sections::parse(&unit.text);
        for line in sections.all("Service", "ExecStart") {
            // As templates/turns.sh is called: rpmctl, the instances, what rpmctl is told.
            let words = exec::words(line);
            let called = words.windows(3).find(|words| {
                words[0].starts_with('/') && matches!(words[2].as_str(), "reload" | "--user")
            });
            if let Some([word, ..]) = called
                && !runs(Path::new(word))
            {
                seen.missing
                    .push(Missing::Rpmctl(clock.clone(), word.into()));
            }
        }
    }
    for path in loaded(places, app) {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let current = match name.ends_with(".so") {
            true => shim::file_name(),
            false => preload::file_name(),
        };
        seen.outdated |= name != current;
        if !there(&places.on_disk(&path)) {
            seen.missing.push(Missing::Loaded(path));
        }
    }
    seen
}

/// What of rpmctl's the app's environment names.
fn loaded(places: &Places, app: &AppUnits) -> BTreeSet<PathBuf> {
    let folder = places.shim().display().to_string();
    let texts = app.env.iter().map(|file| file.text.as_str());
    let mut found = BTreeSet::new();
    for text in texts {
        for (at, _) in text.match_indices(&folder) {
            let rest = &text[at..];
            let end = rest.find(|c: char| c.is_whitespace() || "\"'`:;,\\".contains(c));
            let path = &rest[..end.unwrap_or(rest.len())];
            if path.ends_with(".so") || path.ends_with(".cjs") {
                found.insert(PathBuf::from(path));
            }
        }
    }
    found
}

fn file_is(places: &Places, app: &AppUnits) -> FileIs {
    let file = &app.facts.file;
    if !file.is_absolute() || file.ends_with("<stdin>") || file.ends_with("-") {
        return FileIs::Unknown;
    }
    let changed = match fs::metadata(file) {
        Ok(file) => file.modified(),
        Err(error) if error.kind() == ErrorKind::NotFound => return FileIs::Gone,
        Err(_) => return FileIs::Unknown,
    };
    let target = places.on_disk(&places.units).join(app.facts.app.target());
    let known = generations::times(places).and_then(|all| all.last().map(|(_, made)| *made));
    // An apply that found nothing to do writes nothing.
    let written = fs::metadata(target)
        .and_then(|target| target.modified())
        .ok();
    match (changed, written.max(known)) {
        (Ok(changed), Some(written)) if changed > written => FileIs::Newer,
        _ => FileIs::Applied,
    }
}

/// What this user may not see counts as there.
fn there(path: &Path) -> bool {
    let gone = |error: &std::io::Error| {
        matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
    };
    !fs::metadata(path).is_err_and(|error| gone(&error))
}

fn runs(path: &Path) -> bool {
    match fs::metadata(path) {
        Ok(file) => file.is_file() && file.permissions().mode() & 0o111 != 0,
        Err(_) => there(path),
    }
}
