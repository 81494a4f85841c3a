//! Each app: what of it is down, what it needs that is gone, and where units, files and what runs are not the same.

use std::path::PathBuf;

use super::directives::Known;
use super::finding::Finding;
use super::words::{self, Words, word};
use crate::apply::view::Mark;

/// An app as it was seen.
#[derive(Clone, Debug, Default)]
pub struct App {
    pub name: String,
    /// The ecosystem file.
    pub file: PathBuf,
    pub file_is: FileIs,
    pub instances: usize,
    pub online: usize,
    /// It starts at boot, so that what is down is missed.
    pub boots: bool,
    /// Instances that failed or wait for a restart: name, state in PM2's words, why.
    pub down: Vec<(String, String, Option<String>)>,
    /// Instances that are stopped.
    pub stopped: Vec<String>,
    pub unhealthy: Vec<(String, String)>,
    pub marks: Vec<Mark>,
    /// Files and folders that its command, or its units, need and that are not there.
    pub missing: Vec<Missing>,
    /// Unit and directive that this systemd does not know, and the version that does; or the first that no longer does.
    pub unknown: Vec<(String, &'static str, Known)>,
    /// Units of its names that are not rpmctl's.
    pub foreign: Vec<(String, PathBuf)>,
    /// Listeners that are not open although it is to run, with who holds the address.
    pub taken: Vec<(String, Holder)>,
    /// What its units load of rpmctl's is of another version.
    pub outdated: bool,
    /// SELinux is on, and the program lies where systemd may not run it.
    pub forbidden: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileIs {
    #[default]
    Applied,
    /// Changed after its units were written.
    Newer,
    Gone,
    /// Standard input, or out of this user's sight.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    Program(PathBuf),
    Folder(PathBuf),
    /// rpmctl itself, as a unit calls it.
    Rpmctl(String, PathBuf),
    /// The listen shim or the preload.
    Loaded(PathBuf),
    Environment(PathBuf),
    User(String),
    Group(String),
}

/// Who listens there; none where only root may know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    pub process: Option<(u32, String)>,
}

pub fn apps(seen: &[App], words: &Words<'_>) -> Vec<Finding> {
    let mut found: Vec<Finding> = seen.iter().flat_map(|app| one(app, words)).collect();
    let is_well = |app: &&App| {
        !found
            .iter()
            .any(|one| one.about.as_deref() == Some(&app.name))
    };
    let well: Vec<&App> = seen.iter().filter(is_well).collect();
    if !well.is_empty() {
        let instances: usize = well.iter().map(|app| app.online).sum();
        found.push(Finding::ok(
            "apps",
            format!(
                "nothing is wrong with {} of {} apps ({instances} instances online)",
                well.len(),
                seen.len()
            ),
        ));
    }
    found
}

fn one(app: &App, words: &Words<'_>) -> Vec<Finding> {
    let Words {
        rpmctl, systemctl, ..
    } = words;
    let name = word(&app.name);
    let file = app.file.display();
    let file_word = words::path(&app.file);
    let apply = format!("{rpmctl} apply {file_word}");
    let mut found: Vec<Finding> = Vec::new();
    for missing in &app.missing {
        let (check, what, fix) = match missing {
            Missing::Program(path) => (
                "programs",
                format!(
                    "{} is not there, or cannot be run: the next start fails",
                    path.display()
                ),
                format!("install it again, or: {apply} (which looks for the interpreter anew)"),
            ),
            Missing::Folder(path) => (
                "programs",
                format!(
                    "its folder {} is not there: the next start fails",
                    path.display()
                ),
                format!("put it back, or change cwd in {file} and apply it"),
            ),
            Missing::Rpmctl(unit, path) => {
                let what = format!(
                    "{unit} calls {}, which is not there: systemctl restarts what runs in its place, one after another, without health checks",
                    path.display()
                );
                found.push(Finding::warning("rpmctl", what, apply.clone()));
                continue;
            }
            Missing::Loaded(path) => (
                "rpmctl",
                format!("{}, which its processes load, is not there", path.display()),
                apply.clone(),
            ),
            Missing::Environment(path) => (
                "programs",
                format!("{} is not there: the next start fails", path.display()),
                apply.clone(),
            ),
            Missing::User(user) => (
                "programs",
                format!("there is no user {user}: the next start fails"),
                format!(
                    "sudo useradd --system {}, or change user in {file} and apply it",
                    word(user)
                ),
            ),
            Missing::Group(group) => (
                "programs",
                format!("there is no group {group}: the next start fails"),
                format!(
                    "sudo groupadd --system {}, or change group in {file} and apply it",
                    word(group)
                ),
            ),
        };
        found.push(Finding::broken(check, what, fix));
    }
    for (address, holder) in &app.taken {
        let (who, fix) = match &holder.process {
            Some((pid, program)) => (
                format!("process {pid} ({program})"),
                format!("end it, or give the app another port; then: {rpmctl} start {name}"),
            ),
            None => (
                "somebody else".to_owned(),
                "sudo ss -ltnp says who".to_owned(),
            ),
        };
        found.push(Finding::broken(
            "ports",
            format!("{address} is held by {who}"),
            fix,
        ));
    }
    for (unit, path) in &app.foreign {
        found.push(Finding::broken(
            "foreign",
            format!("{unit} has a file that is not rpmctl's: {}", path.display()),
            format!("remove or rename it, then: {systemctl} daemon-reload; {apply}"),
        ));
    }
    if let Some((first, state, why)) = app.down.first() {
        let which = match app.down.len() {
            1 => first.clone(),
            all => format!("{first} and {} more", all - 1),
        };
        let verb = if app.down.len() == 1 { "is" } else { "are" };
        let why = why
            .as_ref()
            .map_or_else(String::new, |why| format!(": {why}"));
        let quoted = word(first);
        found.push(Finding::broken(
            "apps",
            format!("{which} {verb} {state}{why}"),
            format!("{rpmctl} logs {quoted} shows its last lines; when it is mended: {rpmctl} restart {name}"),
        ).naming(&app.name));
    } else if app.boots && !app.stopped.is_empty() {
        let stopped = app.stopped.len();
        let stopped_words: Vec<String> = app.stopped.iter().map(|one| word(one)).collect();
        found.push(Finding::broken(
            "apps",
            format!(
                "{stopped} of {} instances are stopped, though it starts at boot",
                app.instances
            ),
            match app.instances.saturating_sub(stopped) {
                0 => format!("{rpmctl} start {name}; if it is to stay down: {rpmctl} stop {name}"),
                left => format!(
                    "{rpmctl} start {}; if fewer are wanted: {rpmctl} scale {name} {left}",
                    stopped_words.join(" ")
                ),
            },
        ));
    }
    if let Some((instance, why)) = app.unhealthy.first() {
        found.push(
            Finding::warning(
                "health",
                format!("{instance}: {why}"),
                format!("{rpmctl} logs {name}; {rpmctl} show {name}"),
            )
            .naming(&app.name),
        );
    }
    for mark in &app.marks {
        found.push(match mark {
            Mark::Edited(path) => Finding::warning(
                "units",
                format!("{} was changed by hand; the next apply writes it anew", path.display()),
                format!("put the change into {file} ([apps.systemd.Service] takes any directive), then: {apply}"),
            ),
            Mark::DropIn(path) => Finding::note("units", format!("{} changes its units", path.display())),
            Mark::NeedsReload => Finding::warning(
                "units",
                "systemd has not read its units since they changed",
                format!("{systemctl} daemon-reload"),
            ),
            Mark::Old(numbers) => {
                let of: Vec<String> = numbers.iter().take(5).map(ToString::to_string).collect();
                let more = if numbers.len() > 5 { "…" } else { "" };
                Finding::warning(
                    "units",
                    format!("{} of {} instances are older than its settings ({}{more})", numbers.len(), app.instances, of.join(" ")),
                    format!("{rpmctl} reload {name}"),
                )
            }
        });
    }
    for (unit, directive, known) in &app.unknown {
        let (what, fix) = match known {
            Known::From(version) => (
                format!(
                    "{directive}= in {unit} does nothing here: systemd {version} and later know it"
                ),
                format!("take it out of {file}, or upgrade systemd"),
            ),
            Known::Until(version) => (
                format!("{directive}= in {unit} does nothing: systemd {version} dropped it"),
                format!("write its successor into {file}: MemoryMax=, CPUWeight=, IOWeight="),
            ),
        };
        found.push(Finding::warning("units", what, fix));
    }
    if app.outdated {
        found.push(Finding::warning(
            "rpmctl",
            "its units are those of another version of rpmctl",
            format!("{apply} (instances restart in turns)"),
        ));
    }
    if let Some(path) = &app.forbidden {
        found.push(Finding::warning(
            "selinux",
            format!("SELinux enforces, and systemd may not run what has the label of a home: {}", path.display()),
            "move it to /srv or /opt and: sudo restorecon -R FOLDER; or where it is: sudo semanage fcontext -a -t bin_t 'FOLDER(/.*)?'; sudo restorecon -R FOLDER",
        ));
    }
    match app.file_is {
        FileIs::Gone => found.push(Finding::warning(
            "files",
            format!("its ecosystem file {file} is gone: nothing can be applied or pruned from it"),
            format!("put it back; if the app is to go too: {rpmctl} delete {name}"),
        )),
        FileIs::Newer => found.push(Finding::note(
            "files",
            format!(
                "{file} was changed after it was applied: {rpmctl} plan {file_word} shows what is to do"
            ),
        )),
        FileIs::Applied | FileIs::Unknown => {}
    }
    found.into_iter().map(|one| one.about(&app.name)).collect()
}
