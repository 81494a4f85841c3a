//! An ecosystem file, checked against this machine and compiled for one.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::args::FileArgs;
use super::report::{Shown, Stop};
use super::{ecosystem, machine as here, out, table};
use crate::config::{self, Options};
use crate::host::owner;
use crate::model::Model;
use crate::unit_files::{Places, preload, scan, shim};
use crate::units::template::{self, Templates};
use crate::units::{self, AppUnits, Site, UnitFile, UnitSet};

/// For which machine a file is compiled.
pub struct For<'a> {
    pub places: &'a Places,
    pub user_manager: bool,
    /// systemd's version there.
    pub systemd: u32,
    /// Whether `user` of an app can be obeyed: by the system's manager, and by one that root runs.
    pub can_switch_user: bool,
    /// A unit that every unit ends with.
    pub bind_to: Option<String>,
    /// For `run`: apps that no other rpmctl finds.
    pub foreground: bool,
}

/// A compiled file and what its user should know.
pub struct Compiled {
    pub set: UnitSet,
    /// Absolute.
    pub file: PathBuf,
}

/// Errors are shown here, all problems of the file at once; with `json` as an object on stdout.
pub fn compile(args: &FileArgs, machine: &For<'_>, json: bool) -> anyhow::Result<Compiled> {
    let (model, notes) = model(args, !machine.can_switch_user, json)?;
    let site = site(machine)?;
    let mut set = units::compile(&model, &site)
        .map_err(|errors| Stop::new(errors.join("\nerror: ")).hint("nothing was changed"))?;
    if let Some((app, note)) = whoever_may_be_root(&mut set, machine, &site.rpmctl) {
        app.notes.push(note);
    }
    for note in notes {
        let mut apps = set.apps.iter_mut();
        let name = note.app.as_deref();
        if let Some(app) = apps.find(|app| Some(app.facts.app.as_str()) == name) {
            app.notes.push(note.what);
        }
    }
    Ok(Compiled {
        set,
        file: model.file,
    })
}

/// Root's units are about to name a program that somebody else may replace; told to the first app that needs one of them.
fn whoever_may_be_root<'a>(
    set: &'a mut UnitSet,
    machine: &For<'_>,
    rpmctl: &Path,
) -> Option<(&'a mut AppUnits, String)> {
    let runs_it = |app: &AppUnits| app.facts.needs_watcher() || app.facts.schedule.is_some();
    let app = set.apps.iter_mut().find(|app| runs_it(app))?;
    if machine.user_manager || machine.foreground || !rustix::process::geteuid().is_root() {
        return None;
    }
    let others = owner::others_may_replace(rpmctl)?;
    let path = rpmctl.display();
    let note = format!(
        "its units run {path} as root, and {} is not root's alone: whoever may write there becomes root; `sudo install {path} /usr/local/bin/`, and apply with that one",
        others.display()
    );
    Some((app, note))
}

/// Where units of this machine live, and what is in them. Errors: its templates cannot be read.
pub fn site(machine: &For<'_>) -> anyhow::Result<Site> {
    Ok(Site {
        systemd: machine.systemd,
        user_manager: machine.user_manager,
        bind_to: machine.bind_to.clone(),
        foreground: machine.foreground,
        env_dir: machine.places.env.clone(),
        shim: machine.places.shim().join(shim::file_name()),
        preload: machine.places.shim().join(preload::file_name()),
        rpmctl: here::rpmctl()?,
        templates: site_templates(machine.places)?,
    })
}

/// The watcher's unit, for apps that are not compiled anew.
pub fn watcher(machine: &For<'_>) -> anyhow::Result<UnitFile> {
    let made = units::watcher::unit(&site(machine)?);
    Ok(made.map_err(|error| Stop::new(error).hint("nothing was changed"))?)
}

/// The templates in force; a file of the site that stands for none of ours is told.
fn site_templates(places: &Places) -> anyhow::Result<Templates> {
    let folder = places.on_disk(&places.templates);
    let site = scan::templates(places).context("the site's templates cannot be read")?;
    let shipped = template::SHIPPED.map(|(name, _)| name);
    for name in site.keys().filter(|name| !shipped.contains(&name.as_str())) {
        out::say(&format!(
            "note: {} is not used: templates are called {}",
            folder.join(name).display(),
            shipped.join(", ")
        ));
    }
    let templates = Templates::new(&site).map_err(|error| {
        let hint = format!("mend or remove it in {}", folder.display());
        Stop::new(error).hint(hint)
    })?;
    Ok(templates)
}

/// The checked model. Errors are shown here.
pub fn model(
    args: &FileArgs,
    one_user: bool,
    json: bool,
) -> anyhow::Result<(Model, Vec<config::Note>)> {
    let options = Options {
        profile: args.env.clone(),
        only: args.only.clone(),
        user_manager: one_user,
        home: None,
    };
    let loaded = ecosystem::load(&args.file, args.stdin_filename.as_deref(), options)?;
    let checked = loaded.checked;
    match checked.model {
        Some(model) if checked.problems.is_empty() => Ok((model, checked.notes)),
        _ => {
            let report = loaded.written.report(&checked.problems);
            if json {
                // Under the name that `check --json` has: an object whatever the outcome.
                let problems = serde_json::json!({ "problems": report.to_json() });
                out::line(&problems.to_string())?;
            } else {
                out::say(report.to_text(table::colour_err()).trim_end());
            }
            Err(Shown.into())
        }
    }
}
