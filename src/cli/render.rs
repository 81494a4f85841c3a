//! `rpmctl render`: the files alone, for images; no systemd is asked.

use std::path::absolute;
use std::process::ExitCode;

use super::args::RenderArgs;
use super::compile::{self, For};
use super::report::Stop;
use super::{machine, out, plan};
use crate::apply::{observe, run};
use crate::plan::Scope;

pub fn run(args: RenderArgs, user: bool) -> anyhow::Result<ExitCode> {
    let root = absolute(&args.root)?;
    if root.exists() && !root.is_dir() {
        return Err(
            Stop::new(format!("{} is not a folder", args.root.display()))
                .hint("name the folder that stands for / of the machine to be")
                .into(),
        );
    }
    let places = machine::places(user)?.below(root.clone());
    let target = For {
        places: &places,
        user_manager: user,
        systemd: args.systemd,
        can_switch_user: !user,
        bind_to: None,
        foreground: false,
    };
    let compiled = compile::compile(&args.file, &target, false)?;
    let observed = observe::files(&places, &compiled.set)?;
    // What lies there from an earlier file of the same name goes; what --only leaves out is not gone from the file.
    let scope = if args.file.only.is_empty() {
        Scope::File(&compiled.file)
    } else {
        Scope::Wanted
    };
    let plan = plan::make(&compiled.set, &observed, &scope)?;
    run::file_changes(&places, &plan, run::When::AtOnce).commit()?;
    machine::install_loaded(&places, &compiled.set)?;
    for app in &compiled.set.apps {
        for unit in &app.units {
            out::line(
                &places
                    .on_disk(&places.units)
                    .join(&unit.name)
                    .display()
                    .to_string(),
            )?;
        }
        for env in &app.env {
            out::line(
                &places
                    .on_disk(&places.env)
                    .join(&env.name)
                    .display()
                    .to_string(),
            )?;
        }
        for note in &app.notes {
            out::say(&format!("note: {}: {note}", app.facts.app));
        }
    }
    if let Some(unit) = &plan.watch.unit
        && unit.after.is_some()
    {
        let path = places.on_disk(&places.units).join(&unit.name);
        out::line(&path.display().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}
