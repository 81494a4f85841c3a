//! `rpmctl run`: the apps in the foreground; everything ends with us, however we end.
//!
//! Where a service manager can be reached, the units go to its runtime folder and are bound to a scope that holds a process of ours; where none can,
//! a private systemd is booted and everything lives in it.

use std::future::pending;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::args::FileArgs;
use super::compile::{self, For};
use super::logs::{self, LogsArgs};
use super::report::{self, Stop};
use super::{apply, machine, out, plan};
use crate::apply::{Machine, observe};
use crate::journal::{LogApp, Scope};
use crate::plan::{Scope as Which, removal};
use crate::private::{self, Tether};
use crate::systemd::{Bus, ConnectError, Manager, UnitState, Unreachable};
use crate::unit_files::Places;
use crate::units::{Facts, UnitSet};
use crate::watch::{self, Ground};

#[derive(Args, Debug)]
pub struct RunArgs {
    #[command(flatten)]
    pub file: FileArgs,
    /// Boot a private systemd even where a service manager can be reached
    #[arg(long)]
    pub private: bool,
}

pub async fn run(args: RunArgs, user: bool) -> anyhow::Result<ExitCode> {
    // A file with problems is told before anything is booted; standard input can be read once only.
    if args.file.file.as_os_str() != "-" {
        compile::model(&args.file, false, false).map(drop)?;
    }
    let mut asked = Asked::watch()?;
    let user = user || !rustix::process::geteuid().is_root();
    let bus = if user { Bus::User } else { Bus::System };
    if !args.private {
        match Manager::connect(bus).await {
            Ok(manager) => return on_manager(&args.file, manager, user, &mut asked).await,
            Err(ConnectError {
                why: Unreachable::NoSystemd | Unreachable::NoBus | Unreachable::NoUserManager,
                ..
            }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    on_private(&args.file, &mut asked).await
}

/// SIGINT and SIGTERM, from the first moment: that is how a run is meant to end.
struct Asked {
    interrupt: Signal,
    terminate: Signal,
}

impl Asked {
    fn watch() -> anyhow::Result<Asked> {
        Ok(Asked {
            interrupt: signal(SignalKind::interrupt()).context("cannot watch for SIGINT")?,
            terminate: signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?,
        })
    }

    /// Waits until the run is asked to end. Cancel safe.
    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

async fn on_private(file: &FileArgs, asked: &mut Asked) -> anyhow::Result<ExitCode> {
    // Booting ends by itself within a second or two, and is then shut down in good order.
    let mut private = private::boot().await?;
    let result = async {
        let manager = Manager::connect(Bus::Address(private.bus_address().to_owned())).await?;
        let folder = private.runtime_dir();
        let machine = Machine {
            places: Places {
                root: None,
                units: private.unit_dir().into(),
                env: private.env_dir().into(),
                state: folder.join("rpmctl-state"),
                run: folder.join("rpmctl"),
                templates: machine::places(false)?.templates,
                search: vec![],
            },
            manager,
            journal: Scope::Directory(private.journal_dir().into()),
        };
        let set = compile(file, &machine, true, None).await?;
        tokio::select! {
            result = serve(&machine, &set, asked) => result,
            error = private.ended() => Err(error),
        }
    }
    .await;
    private.shutdown().await?;
    result
}

async fn on_manager(
    file: &FileArgs,
    manager: Manager,
    user: bool,
    asked: &mut Asked,
) -> anyhow::Result<ExitCode> {
    let (places, folder) = transient_places(user)?;
    let mut tether = Tether::fasten(&manager.connection()).await?;
    let machine = Machine {
        places,
        journal: machine::journal(user),
        manager,
    };
    let bind_to = Some(tether.unit_name().to_owned());
    let result = async {
        let set = compile(file, &machine, user, bind_to).await?;
        // Nothing of another's may be stopped or removed when we end.
        refuse_taken(&machine, &set).await?;
        // Known before they are written: a run that is killed leaves none of them.
        tether.stop_at_end(user, &units(&set)).await?;
        tether.remove_at_end(&folder).await?;
        for unit in set.apps.iter().flat_map(|app| &app.units) {
            let file = machine.places.units.join(&unit.name);
            tether.remove_at_end(&file).await?;
        }
        // systemd keeps the runtime folder of an instance that was stopped between two starts.
        let runtime = machine::places(user)?.run;
        for instance in instances(&set) {
            let folder = runtime.join(instance.trim_end_matches(".service"));
            tether.remove_at_end(&folder).await?;
        }
        serve(&machine, &set, asked).await
    }
    .await;
    tether.release().await?;
    result
}

/// Every unit of a set, its instances in the template's place.
fn units(set: &UnitSet) -> Vec<String> {
    let of_files = set
        .apps
        .iter()
        .flat_map(|app| app.units.iter().map(|unit| unit.name.clone()))
        .filter(|name| !name.contains("@."));
    of_files.chain(instances(set)).collect()
}

fn instances(set: &UnitSet) -> Vec<String> {
    set.apps
        .iter()
        .flat_map(|app| (0..app.facts.instances).map(|n| app.facts.app.instance(n)))
        .collect()
}

/// Two runs of an app would take each other's units, as a run and an apply would.
async fn refuse_taken(machine: &Machine, set: &UnitSet) -> anyhow::Result<()> {
    let observed = observe::observe(&machine.places, Some(&machine.manager), set).await?;
    plan::make(set, &observed, &Which::Wanted)?;
    let there = observed.apps();
    let taken = set
        .apps
        .iter()
        .find_map(|app| there.get(app.facts.app.as_str()));
    match taken {
        None => Ok(()),
        Some(app) => Err(Stop::new(format!("{} is running already", app.facts.app))
            .hint(format!(
                "another rpmctl run of {} has it; end that first",
                app.facts.file.display()
            ))
            .into()),
    }
}

/// Runtime folders of the manager: nothing of a run outlives the machine's boot.
fn transient_places(user: bool) -> anyhow::Result<(Places, PathBuf)> {
    let permanent = machine::places(user)?;
    let run = permanent
        .run
        .parent()
        .unwrap_or(Path::new("/run"))
        .to_owned();
    let folder = run.join(format!("rpmctl-run-{}", std::process::id()));
    let mut search = permanent.search;
    search.push(permanent.units);
    let places = Places {
        root: None,
        units: run.join(if user {
            "systemd/user"
        } else {
            "systemd/system"
        }),
        env: folder.join("env"),
        state: folder.join("state"),
        run: folder.join("lock"),
        templates: permanent.templates,
        search,
    };
    Ok((places, folder))
}

async fn compile(
    file: &FileArgs,
    machine: &Machine,
    user_manager: bool,
    bind_to: Option<String>,
) -> anyhow::Result<UnitSet> {
    let target = For {
        places: &machine.places,
        user_manager,
        systemd: machine::version(&machine.manager).await?,
        can_switch_user: rustix::process::geteuid().is_root(),
        bind_to,
        foreground: true,
    };
    let mut set = compile::compile(file, &target, false)?.set;
    for app in &mut set.apps {
        app.enabled_by.clear();
    }
    // Within this process instead.
    set.watcher = None;
    Ok(set)
}

/// Starts everything and shows its lines until a signal comes or nothing runs any more; stops it, and shows the lines of that as well.
async fn serve(machine: &Machine, set: &UnitSet, asked: &mut Asked) -> anyhow::Result<ExitCode> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let follow = LogsArgs {
        follow: true,
        since: Some(format!("@{}.{:06}", now.as_secs(), now.subsec_micros())),
        ..LogsArgs::default()
    };
    let apps: Vec<LogApp> = set
        .apps
        .iter()
        .map(|app| LogApp {
            name: app.facts.app.to_string(),
            stem: app.facts.app.stem().to_owned(),
            sockets: app.facts.sockets(),
            date_format: app.facts.date_format.clone(),
            namespace: app.facts.logs.namespace.clone(),
            ..LogApp::default()
        })
        .collect();
    let (gone, unseen) = oneshot::channel();
    let work = async {
        let result = tokio::select! {
            biased;
            () = asked.wait() => Ok(ExitCode::SUCCESS),
            _ = unseen => Ok(ExitCode::SUCCESS),
            () = watch(machine, set) => Ok(ExitCode::SUCCESS),
            result = start_and_watch(machine, set) => result,
        };
        let stopped = stop(machine, set).await;
        result.and_then(|code| stopped.map(|()| code))
    };
    let scope = machine.journal.clone();
    let (result, shown) = logs::during(work, &follow, &apps, scope, gone).await;
    result.and_then(|code| shown.map(|()| code))
}

async fn start_and_watch(machine: &Machine, set: &UnitSet) -> anyhow::Result<ExitCode> {
    let observed = observe::observe(&machine.places, Some(&machine.manager), set).await?;
    let plan = plan::make(set, &observed, &Which::Wanted)?;
    machine::install_loaded(&machine.places, set)?;
    for app in &set.apps {
        for note in &app.notes {
            out::say(&format!("note: {}: {note}", app.facts.app));
        }
    }
    let failures = apply::run_plan(machine, &plan).await?;
    apply::show_failures(&failures, None);
    let failed = |app: &Facts| {
        failures
            .iter()
            .any(|failure| failure.app == app.app.as_str())
    };
    for app in set.apps.iter().filter(|app| !failed(&app.facts)) {
        for address in &app.facts.listen {
            out::say(&format!("  {} listens on {address}", app.facts.app));
        }
    }
    let units = instances(set);
    let mut watch = machine.manager.watch(&units).await?;
    // A job that ended comes again when its clock says so.
    let comes_again = set
        .apps
        .iter()
        .any(|app| app.facts.schedule.is_some() && !app.facts.autorestart);
    let down = |state: &UnitState| {
        matches!(state.active.as_str(), "failed" | "inactive") && state.job.is_none()
    };
    loop {
        // A start that fails passes through `failed` on its way to its automatic restart, and a reload tells of units that are down and are not: only an
        // answer tells them apart.
        if !comes_again
            && watch.seen().iter().all(|seen| down(&seen.state))
            && let states = machine.manager.states(&units).await?
            && states.iter().all(down)
        {
            let jobs = set.apps.iter().all(|app| !app.facts.autorestart);
            if jobs && states.iter().all(|state| state.active == "inactive") {
                out::say("every instance has done its work");
                return Ok(ExitCode::SUCCESS);
            }
            out::say("error: no instance runs any more");
            return Ok(ExitCode::from(report::FAILED));
        }
        watch.next().await?;
    }
}

/// What `rpmctl watch` does, as a task of this process; ends only with it.
async fn watch(machine: &Machine, set: &UnitSet) {
    if set.apps.iter().any(|app| app.facts.needs_watcher()) {
        let ground = Ground {
            places: Arc::new(machine.places.clone()),
            bus: machine.manager.bus(),
            journal: machine.journal.clone(),
        };
        if let Err(error) = watch::until(ground, pending()).await {
            out::say(&format!("error: the watcher has ended: {error:#}"));
        }
    }
    pending().await
}

async fn stop(machine: &Machine, set: &UnitSet) -> anyhow::Result<()> {
    let observed = observe::observe(&machine.places, Some(&machine.manager), set).await?;
    let apps: Vec<String> = set
        .apps
        .iter()
        .map(|app| app.facts.app.to_string())
        .collect();
    let plan = removal(&apps, &observed);
    let failures = apply::run_plan(machine, &plan).await?;
    match failures.first() {
        None => Ok(()),
        Some(failure) => Err(Stop::new(format!("{}: {}", failure.unit, failure.why)).into()),
    }
}
