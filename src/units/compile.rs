//! A model becomes a set of units.

use std::path::PathBuf;

use super::facts::Facts;
use super::marker;
use super::template::Templates;
use super::{
    AppUnits, UnitFile, UnitSet, clock, environment, health, install, quote, service, socket,
    target, watcher,
};
use crate::model::{App, Balance, Model};

/// Where the units will live and what runs them.
pub struct Site {
    /// systemd's version: what it does not know is not written.
    pub systemd: u32,
    /// The user manager, `--user`.
    pub user_manager: bool,
    /// A unit that every unit ends with: `run` in the foreground.
    pub bind_to: Option<String>,
    /// `run` in the foreground: no other rpmctl finds these apps.
    pub foreground: bool,
    /// Folder of the environment files.
    pub env_dir: PathBuf,
    /// The listen shim's file.
    pub shim: PathBuf,
    /// The Node preload's file.
    pub preload: PathBuf,
    /// The rpmctl that units run.
    pub rpmctl: PathBuf,
    pub templates: Templates,
}

/// Longest line that systemd reads in a unit file (LONG_LINE_MAX), and longest argument or variable the kernel takes (MAX_ARG_STRLEN, less the NUL).
const LINE_MAX: usize = 1 << 20;
const ARG_MAX: usize = 131_071;

/// Every app's units, ordered so that an app comes after those it depends on.
/// Errors: what cannot be expressed as a unit, a sentence each.
pub fn compile(model: &Model, site: &Site) -> Result<UnitSet, Vec<String>> {
    let mut apps = Vec::new();
    let mut errors = Vec::new();
    for app in in_start_order(&model.apps) {
        match compile_app(model, app, site) {
            Ok(units) => apps.push(units),
            Err(error) => errors.push(format!("app {:?}: {error}", app.name.as_str())),
        }
    }
    let watcher = match apps.iter().any(|app| app.facts.needs_watcher()) {
        true => match watcher::unit(site) {
            Ok(unit) => Some(unit),
            Err(error) => {
                errors.push(error);
                None
            }
        },
        false => None,
    };
    if errors.is_empty() {
        Ok(UnitSet { apps, watcher })
    } else {
        Err(errors)
    }
}

fn compile_app(model: &Model, app: &App, site: &Site) -> Result<AppUnits, String> {
    let mut notes = Vec::new();
    let start = service::Start::of(app);
    let facts = Facts::of(
        app,
        model.file.clone(),
        model.profile.clone(),
        start.notifies(),
    );
    let mut units = Vec::new();
    let mut add = |name: String, text: String, of_target: bool| {
        let text = marker::mark(&text, &facts, of_target);
        if let Some(line) = text.lines().find(|line| line.len() >= LINE_MAX) {
            let key = line.split('=').next().unwrap_or_default();
            return Err(format!(
                "{name}: {key}= is longer than systemd's 1 MiB a line"
            ));
        }
        units.push(UnitFile { name, text });
        Ok(())
    };
    let common = |app: &App| {
        let mut context = tera::Context::new();
        context.insert("app", &quote::prose(app.name.as_str()));
        context.insert("file", &quote::prose(&model.file.display().to_string()));
        context.insert("description", &quote::prose(app.name.as_str()));
        context.insert("target", &app.name.target());
        context.insert("holder", &app.name.holder());
        context.insert("user_manager", &site.user_manager);
        context.insert("bind_to", &site.bind_to);
        socket::of_instance(&mut context, app);
        context
    };

    let mut context = common(app);
    service::fill(&mut context, app, start, site, &mut notes)?;
    add(
        app.name.template(),
        site.templates.render("app@.service", &context)?,
        false,
    )?;
    if facts.balance == Balance::Reuseport && !app.listen.is_empty() {
        let mut context = common(app);
        socket::fill(&mut context, app, &app.listen.iter().collect::<Vec<_>>());
        add(
            app.name.socket_template(),
            site.templates.render("app@.socket", &context)?,
            false,
        )?;
    }
    let shared = socket::shared(app);
    for (name, addresses) in &shared {
        let mut context = common(app);
        socket::fill(&mut context, app, addresses);
        add(
            name.clone(),
            site.templates.render("app.socket", &context)?,
            false,
        )?;
    }
    if !shared.is_empty() {
        add(
            app.name.holder(),
            site.templates.render("app-socket.service", &common(app))?,
            false,
        )?;
    }
    if let Some(schedule) = &app.schedule {
        let mut context = common(app);
        clock::fill_timer(&mut context, schedule);
        add(
            app.name.timer(),
            site.templates.render("app-cron.timer", &context)?,
            false,
        )?;
        let mut context = common(app);
        clock::fill_service(&mut context, app, site)?;
        add(
            app.name.clock(),
            site.templates.render("app-cron.service", &context)?,
            false,
        )?;
    }
    if let Some(command) = health::command(app) {
        let mut context = common(app);
        service::fill_surroundings(&mut context, app, site)?;
        health::fill(&mut context, app, command);
        add(
            app.name.health_template(),
            site.templates.render("app-health@.service", &context)?,
            false,
        )?;
    }
    let mut context = common(app);
    target::fill(&mut context, app, site, &facts);
    add(
        app.name.target(),
        site.templates.render("app.target", &context)?,
        true,
    )?;

    let env = environment::files(app, start, site);
    for (name, value) in &app.env {
        if name.as_str().len() + 1 + value.len() > ARG_MAX {
            return Err(format!(
                "env.{name} is longer than the kernel's {ARG_MAX} bytes a variable"
            ));
        }
    }
    if app.command.args.iter().any(|arg| arg.len() > ARG_MAX) {
        return Err(format!(
            "an argument is longer than the kernel's {ARG_MAX} bytes"
        ));
    }
    let enabled_by = install::enabled_by(
        &units.last().expect("the target was just added").text,
        facts.boots(),
    );
    Ok(AppUnits {
        facts,
        units,
        env,
        enabled_by,
        notes,
    })
}

/// Depth first over `depends_on`; `config` has refused cycles.
fn in_start_order(apps: &[App]) -> Vec<&App> {
    fn visit<'a>(app: &'a App, apps: &'a [App], ordered: &mut Vec<&'a App>) {
        if ordered.iter().any(|done| done.name == app.name) {
            return;
        }
        for dependency in &app.depends_on {
            if let crate::model::Dependency::App(name) = dependency
                && let Some(other) = apps.iter().find(|other| other.name == *name)
            {
                visit(other, apps, ordered);
            }
        }
        ordered.push(app);
    }
    let mut ordered = Vec::with_capacity(apps.len());
    for app in apps {
        visit(app, apps, &mut ordered);
    }
    ordered
}
