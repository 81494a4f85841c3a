//! `rpmctl run`: the apps in the foreground; everything ends with us, however we end.
//!
//! Where a service manager can be reached, the units go to its runtime folder and are bound to a scope that holds a process of ours; where none can,
//! a private systemd is booted and everything lives in it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;

use super::args::FileArgs;
use super::compile::{self, For};
use super::logs::{self, LogsArgs};
use super::report::{self, Stop};
use super::{apply, machine, out, plan};
use crate::apply::{Machine, observe, run};
use crate::journal::{LogApp, Scope};
use crate::plan::{Scope as Which, removal};
use crate::private::{self, Tether};
use crate::systemd::{Bus, ConnectError, Manager, UnitState, Unreachable};
use crate::unit_files::Places;
use crate::units::UnitSet;

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
    let user = user || !rustix::process::geteuid().is_root();
    let bus = if user { Bus::User } else { Bus::System };
    if !args.private {
        match Manager::connect(bus).await {
            Ok(manager) => return on_manager(&args.file, manager, user).await,
            Err(ConnectError {
                why: Unreachable::NoSystemd | Unreachable::NoBus | Unreachable::NoUserManager,
                ..
            }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    on_private(&args.file).await
}

async fn on_private(file: &FileArgs) -> anyhow::Result<ExitCode> {
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
            result = serve(&machine, &set) => result,
            error = private.ended() => Err(error),
        }
    }
    .await;
    private.shutdown().await?;
    result
}

async fn on_manager(file: &FileArgs, manager: Manager, user: bool) -> anyhow::Result<ExitCode> {
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
        refuse_running(&machine, &set)?;
        // Known before they are written: a run that is killed leaves none of them.
        tether.remove_at_end(&folder).await?;
        for app in &set.apps {
            for unit in &app.units {
                tether
                    .remove_at_end(&machine.places.units.join(&unit.name))
                    .await?;
            }
        }
        let result = serve(&machine, &set).await;
        let ended = stop(&machine, &set).await;
        result.and_then(|code| ended.map(|()| code))
    }
    .await;
    tether.release().await?;
    result
}

/// Two runs of one app would take its units from each other, and the first to end would end both.
fn refuse_running(machine: &Machine, set: &UnitSet) -> anyhow::Result<()> {
    let there = observe::files(&machine.places, &UnitSet::default())?.apps();
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
    };
    let mut set = compile::compile(file, &target, false)?.set;
    for app in &mut set.apps {
        app.enabled_by.clear();
    }
    Ok(set)
}

/// Starts everything and shows its lines until a signal comes or nothing runs any more.
async fn serve(machine: &Machine, set: &UnitSet) -> anyhow::Result<ExitCode> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let follow = LogsArgs {
        follow: true,
        since: Some(format!("@{}", now.as_secs())),
        ..LogsArgs::default()
    };
    let apps: Vec<LogApp> = set
        .apps
        .iter()
        .map(|app| LogApp {
            name: app.facts.app.to_string(),
            stem: app.facts.app.stem().to_owned(),
            instances: None,
            date_format: app.facts.date_format.clone(),
        })
        .collect();
    tokio::select! {
        // Ends on SIGINT and SIGTERM: that is how a run is meant to end.
        ended = logs::run(&follow, &apps, machine.journal.clone()) => {
            ended?;
            Ok(ExitCode::SUCCESS)
        }
        result = start_and_watch(machine, set) => result,
    }
}

async fn start_and_watch(machine: &Machine, set: &UnitSet) -> anyhow::Result<ExitCode> {
    let observed = observe::observe(&machine.places, Some(&machine.manager), set).await?;
    let plan = plan::make(set, &observed, &Which::Wanted)?;
    machine::install_shim(&machine.places, set)?;
    let failures = run::run(machine, &plan, None, |step| out::say(&format!("  {step}"))).await?;
    apply::show_failures(&failures, None);
    for app in &set.apps {
        for address in &app.facts.listen {
            out::say(&format!("  {} listens on {address}", app.facts.app));
        }
    }
    let units: Vec<String> = set
        .apps
        .iter()
        .flat_map(|app| (0..app.facts.instances).map(|n| app.facts.app.instance(n)))
        .collect();
    let mut watch = machine.manager.watch(&units).await?;
    loop {
        let down = |state: &UnitState| {
            matches!(state.active.as_str(), "failed" | "inactive") && state.job.is_none()
        };
        // A start that fails passes through `failed` on its way to its automatic restart: only an answer tells them apart.
        if watch.seen().iter().all(|seen| down(&seen.state))
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

async fn stop(machine: &Machine, set: &UnitSet) -> anyhow::Result<()> {
    let observed = observe::observe(&machine.places, Some(&machine.manager), set).await?;
    let apps: Vec<String> = set
        .apps
        .iter()
        .map(|app| app.facts.app.to_string())
        .collect();
    let plan = removal(&apps, &observed);
    let failures = run::run(machine, &plan, None, |step| out::say(&format!("  {step}"))).await?;
    match failures.first() {
        None => Ok(()),
        Some(failure) => Err(Stop::new(format!("{}: {}", failure.unit, failure.why)).into()),
    }
}
