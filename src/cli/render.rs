//! `rpmctl render`: the files alone, for images; no systemd is asked.

use std::path::absolute;
use std::process::ExitCode;

use super::args::RenderArgs;
use super::compile::{self, For};
use super::{machine, out, plan};
use crate::apply::{observe, run};
use crate::plan::Scope;
use crate::unit_files::shim;

pub fn run(args: RenderArgs, user: bool) -> anyhow::Result<ExitCode> {
    let root = absolute(&args.root)?;
    let places = machine::places(user).below(root.clone());
    let target = For {
        places: &places,
        user_manager: user,
        systemd: args.systemd,
        can_switch_user: !user,
        bind_to: None,
    };
    let compiled = compile::compile(&args.file, &target, false)?;
    let observed = observe::files(&places, &compiled.set)?;
    // What lies there from an earlier file of the same name goes.
    let plan = plan::make(&compiled.set, &observed, &Scope::File(&compiled.file))?;
    run::file_changes(&places, &plan).commit()?;
    if compiled.set.apps.iter().any(|app| app.has_socket()) {
        shim::install(&places.on_disk(&places.shim()))?;
    }
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
    Ok(ExitCode::SUCCESS)
}
