//! The two processes between rpmctl and the private manager, both rpmctl re-executed: guard and pid 1.
//!
//! Standard input is the control pipe (`stop`, `kill`, or its end when rpmctl died), standard output the report
//! (`cgroup PATH`, `init PID`, then `ready`, then perhaps `failed: WHY`).

use std::fs;
use std::io::{BufRead, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{
    Pid, Signal, WaitOptions, kill_process, set_parent_process_death_signal, setsid, wait,
};
use rustix::thread::UnshareFlags;

use super::{INIT_SUBCOMMAND, cgroup, layout, mounts};

/// How long a part may take to come up before booting is given up.
const BOOT_LIMIT: Duration = Duration::from_secs(30);
/// How long the apps have to end by themselves once rpmctl is gone.
const ORPHANED_LIMIT: Duration = Duration::from_secs(5);
const JOURNALD_LIMIT: Duration = Duration::from_secs(2);

/// Runs guard or pid 1, by the arguments after the hidden subcommand (`guard SYSTEMD JOURNALD PID`, `init SYSTEMD JOURNALD CGROUP`).
/// Only ever started by [`super::boot`].
pub fn init_main(args: impl IntoIterator<Item = std::ffi::OsString>) -> ExitCode {
    let args: Vec<PathBuf> = args.into_iter().map(PathBuf::from).collect();
    let result = match args.iter().map(PathBuf::as_path).collect::<Vec<_>>()[..] {
        [role, systemd, journald, pid] if role == Path::new("guard") => {
            guard([systemd, journald, pid])
        }
        [role, systemd, journald, cgroup] if role == Path::new("init") => {
            init(systemd, journald, cgroup)
        }
        _ => {
            eprintln!("error: {INIT_SUBCOMMAND} is started by rpmctl run alone");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&format!(
                "failed: {}",
                format!("{error:#}").replace('\n', "\t")
            ));
            ExitCode::FAILURE
        }
    }
}

/// A line for rpmctl; when it is gone there is nobody to tell.
fn report(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Makes the cgroup, and outlives the pid namespace by just long enough to remove it: rpmctl may be killed at any moment.
fn guard([systemd, journald, pid]: [&Path; 3]) -> Result<()> {
    setsid().context("cannot leave the terminal's session")?; // Ctrl-C is rpmctl's to handle
    let pid = pid.to_str().and_then(|pid| pid.parse().ok());
    let cgroup = cgroup::create(pid.context("the guard needs the pid of rpmctl")?)?;
    report(&format!("cgroup {}", cgroup.display()));
    let ended = until_ended(systemd, journald, &cgroup);
    cgroup::remove(&cgroup).with_context(|| format!("cannot remove {}", cgroup.display()))?;
    ended
}

fn until_ended(systemd: &Path, journald: &Path, cgroup: &Path) -> Result<()> {
    mounts::unshare(UnshareFlags::NEWNS | UnshareFlags::NEWPID)?;
    let mut init = Command::new("/proc/self/exe")
        .args([INIT_SUBCOMMAND, "init"])
        .args([systemd, journald, cgroup])
        .spawn()
        .context("cannot start the first process of the pid namespace")?;
    report(&format!("init {}", init.id()));
    let ended = init.wait();
    ended.context("cannot wait for the first process of the pid namespace")?;
    Ok(())
}

enum Event {
    /// A line on the control pipe; `None` at its end.
    Control(Option<String>),
    /// `READY=1` of the part that was started last, sd_notify(3).
    Ready,
    Exited(Pid),
}

/// Pid 1: starts journal and manager, reaps whatever is orphaned, stops the manager when told to or when rpmctl is gone.
fn init(systemd: &Path, journald: &Path, cgroup: &Path) -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("cannot follow the guard")?;
    mounts::proc()?;
    let notify = Path::new(layout::RUNTIME).join("notify");
    let socket = UnixDatagram::bind(&notify)
        .with_context(|| format!("cannot create {}", notify.display()))?;
    let (sender, events) = mpsc::channel();
    watch(sender.clone(), socket);

    // One that entered a container from outside (nsenter) is in a cgroup that cannot be named in there, and a newer journald (257) that
    // finds process 1 in such a one gives up.
    let outside = cgroup.parent().unwrap_or(cgroup);
    cgroup::move_self(outside).with_context(|| format!("cannot use {}", outside.display()))?;
    let journald = start(Command::new(journald), &notify)?;
    reap(sender);
    until_ready(&events, journald, "systemd-journald")?;
    // The manager takes the cgroup it finds itself in as the root of its tree; named as user managers' are, so that
    // journald knows the units in it as _SYSTEMD_USER_UNIT.
    let own = cgroup.join(format!(
        "user@{}.service",
        rustix::process::getuid().as_raw()
    ));
    fs::create_dir(&own)
        .and_then(|()| cgroup::move_self(&own))
        .with_context(|| format!("cannot use {}", own.display()))?;
    let mut command = Command::new(systemd);
    command.args(["--user", "--log-target=journal"]);
    let started = start(command, &notify);
    cgroup::move_self(outside).context("cannot leave the private manager's cgroup")?;
    let systemd = started?;
    until_ready(&events, systemd, "systemd --user")?;
    report("ready");

    let mut stopping = false;
    let mut deadline = None;
    loop {
        match next(&events, deadline) {
            Some(Event::Exited(pid)) if pid == systemd => break,
            Some(Event::Exited(pid)) if pid == journald => {
                bail!("systemd-journald ended unexpectedly")
            }
            Some(Event::Exited(_) | Event::Ready) => {}
            Some(Event::Control(Some(line))) if line == "kill" => return Ok(()),
            Some(Event::Control(line)) => {
                if line.is_none() {
                    deadline = Some(Instant::now() + ORPHANED_LIMIT);
                }
                if !stopping {
                    stopping = true;
                    kill_process(systemd, Signal::TERM).context("cannot stop systemd --user")?;
                }
            }
            None => return Ok(()), // the kernel ends what is left, with pid 1
        }
    }
    if !stopping {
        bail!("systemd --user ended unexpectedly{}", last_words());
    }
    kill_process(journald, Signal::TERM).context("cannot stop systemd-journald")?;
    let deadline = Instant::now() + JOURNALD_LIMIT;
    while let Some(event) = next(&events, Some(deadline)) {
        if matches!(event, Event::Exited(pid) if pid == journald) {
            break;
        }
    }
    Ok(())
}

/// With an environment of its own: what the apps inherit is set over the bus.
fn start(mut command: Command, notify: &Path) -> Result<Pid> {
    let program = command.get_program().to_string_lossy().into_owned();
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(layout::BOOT_LOG)
        .with_context(|| format!("cannot create {}", layout::BOOT_LOG))?;
    command.env_clear();
    for name in ["HOME", "USER", "LOGNAME", "SHELL", "LANG"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    let child = command
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("XDG_RUNTIME_DIR", layout::RUNTIME)
        .env(
            "SYSTEMD_UNIT_PATH",
            format!("{}:{}", layout::UNITS, layout::BASE),
        )
        .env("NOTIFY_SOCKET", notify)
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("cannot open the boot log twice")?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    Pid::from_raw(child.id().cast_signed()).ok_or_else(|| anyhow!("{program} has no process id"))
}

fn until_ready(events: &Receiver<Event>, part: Pid, name: &str) -> Result<()> {
    let deadline = Instant::now() + BOOT_LIMIT;
    loop {
        match next(events, Some(deadline)) {
            Some(Event::Ready) => return Ok(()),
            Some(Event::Exited(pid)) if pid == part => {
                bail!("{name} ended while starting{}", last_words())
            }
            Some(Event::Exited(_)) => {}
            Some(Event::Control(_)) => bail!("stopped while {name} was starting"),
            None => bail!(
                "{name} was not ready within {} s{}",
                BOOT_LIMIT.as_secs(),
                last_words()
            ),
        }
    }
}

fn last_words() -> String {
    match fs::read_to_string(layout::BOOT_LOG) {
        Ok(text) if !text.trim().is_empty() => format!(": {}", text.trim()),
        _ => String::new(),
    }
}

/// `None` at the deadline.
fn next(events: &Receiver<Event>, deadline: Option<Instant>) -> Option<Event> {
    let Some(deadline) = deadline else {
        return events.recv().ok();
    };
    events
        .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        .ok()
}

/// One thread a source, each blocking in its own call; they end with the process.
fn watch(sender: Sender<Event>, notify: UnixDatagram) {
    let control = sender.clone();
    thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let _ = control.send(Event::Control(Some(line)));
        }
        let _ = control.send(Event::Control(None));
    });
    let ready = sender.clone();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length) = notify.recv(&mut buffer) {
            if buffer[..length]
                .split(|&byte| byte == b'\n')
                .any(|line| line == b"READY=1")
            {
                let _ = ready.send(Event::Ready);
            }
        }
    });
}

/// Reaps every child and orphan. Begun once there is a child: without any, waiting fails.
fn reap(sender: Sender<Event>) {
    thread::spawn(move || {
        loop {
            match wait(WaitOptions::empty()) {
                Ok(Some((pid, _))) => drop(sender.send(Event::Exited(pid))),
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    });
}
