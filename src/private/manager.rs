//! Booting the private manager and ending it, from rpmctl's side.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use zbus::Connection;

use super::bus::{BUS, BUS_PATH, MANAGER, MANAGER_INTERFACE, MANAGER_PATH, next_signal, signals};
use super::{INIT_SUBCOMMAND, cgroup, environment, layout, mounts, needs};

/// How long the manager may take from `ready` to its name on the bus.
const BUS_LIMIT: Duration = Duration::from_secs(10);
/// How long the kernel may take to end killed processes.
const END_LIMIT: Duration = Duration::from_secs(10);

/// A running private manager. Dropping it, or the death of this process, stops the apps (5 s to end) and all of it.
pub struct Manager {
    guard: Child,
    /// Its end tells init that rpmctl is gone.
    control: ChildStdin,
    report: Lines<BufReader<ChildStdout>>,
    init: u32,
    cgroup: PathBuf,
    connection: Connection,
}

/// Boots one and waits until its bus answers; about 0.2 s.
///
/// The calling thread gets mounts of its own (see [`super::mounts`]), for good: call it on the main thread, before
/// anything runs on other threads (tokio's blocking pool), which would go on seeing the machine's /run.
/// Errors say what is missing: root, a package, a capability, a writable cgroup tree.
pub async fn boot() -> Result<Manager> {
    let programs = needs::check()?;
    mounts::enter()?;
    layout::write(&programs)?;
    // Whatever was started ends with the control pipe; the guard removes the cgroup.
    start(&programs)
        .await
        .context("the private systemd did not start")
}

async fn start(programs: &needs::Programs) -> Result<Manager> {
    let mut guard = Command::new("/proc/self/exe")
        .args([INIT_SUBCOMMAND, "guard"])
        .args([&programs.systemd, &programs.journald])
        .arg(std::process::id().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start rpmctl a second time")?;
    let control = guard.stdin.take().context("no control pipe")?;
    let mut report = BufReader::new(guard.stdout.take().context("no report pipe")?).lines();
    let first = next_report(&mut report).await?;
    let cgroup = first.strip_prefix("cgroup ").map(PathBuf::from);
    let cgroup = cgroup.ok_or_else(|| anyhow!("unexpected report {first:?}"))?;
    let first = next_report(&mut report).await?;
    let init = first.strip_prefix("init ").and_then(|pid| pid.parse().ok());
    let init = init.ok_or_else(|| anyhow!("unexpected report {first:?}"))?;
    let ready = next_report(&mut report).await?;
    if ready != "ready" {
        bail!("unexpected report {ready:?}");
    }
    let connection = tokio::time::timeout(BUS_LIMIT, connect())
        .await
        .map_err(|_| {
            anyhow!(
                "its manager did not come onto its bus within {} s",
                BUS_LIMIT.as_secs()
            )
        })??;
    Ok(Manager {
        guard,
        control,
        report,
        init,
        cgroup,
        connection,
    })
}

/// The next line; what init says of its failure is the error.
async fn next_report(report: &mut Lines<BufReader<ChildStdout>>) -> Result<String> {
    let line = report
        .next_line()
        .await
        .context("cannot read what became of it")?;
    let line = line.ok_or_else(|| anyhow!("its first process was killed"))?;
    match line.strip_prefix("failed: ") {
        Some(why) => Err(anyhow!("{}", why.replace('\t', "\n"))),
        None => Ok(line),
    }
}

/// Connects, waits until the manager owns its name, and hands it the environment the apps inherit.
async fn connect() -> Result<Connection> {
    let connection = zbus::connection::Builder::address(layout::BUS_ADDRESS)
        .build()
        .await
        .with_context(|| format!("cannot connect to {}", layout::BUS_ADDRESS))?;
    let mut owners = signals(&connection, BUS, "NameOwnerChanged", Some(MANAGER)).await?;
    let owned = connection
        .call_method(Some(BUS), BUS_PATH, Some(BUS), "NameHasOwner", &(MANAGER,))
        .await?;
    if !owned.body().deserialize::<bool>()? {
        next_signal(&mut owners).await.context("the bus closed")?;
    }
    let variables = environment::inherited(std::env::vars_os());
    connection
        .call_method(
            Some(MANAGER),
            MANAGER_PATH,
            Some(MANAGER_INTERFACE),
            "SetEnvironment",
            &(variables,),
        )
        .await
        .context("cannot hand over the environment")?;
    Ok(connection)
}

impl Manager {
    /// `unix:path=…`, for whoever shares the mounts of this process.
    pub fn bus_address(&self) -> &'static str {
        layout::BUS_ADDRESS
    }

    /// The connection made while booting: nothing is subscribed on it.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Where unit files go; a new file is found without a daemon-reload.
    pub fn unit_dir(&self) -> &'static Path {
        Path::new(layout::UNITS)
    }

    /// Where environment files go; mode 0700.
    pub fn env_dir(&self) -> &'static Path {
        Path::new(layout::ENV)
    }

    /// `XDG_RUNTIME_DIR` of the manager and its apps (`%t`).
    pub fn runtime_dir(&self) -> &'static Path {
        Path::new(layout::RUNTIME)
    }

    /// For `journalctl -D`; the units' lines carry `_SYSTEMD_USER_UNIT`, the manager's own `USER_UNIT`.
    pub fn journal_dir(&self) -> &'static Path {
        Path::new(layout::JOURNAL)
    }

    /// Pid 1 of the private pid namespace, as this machine numbers it: `nsenter -t PID -m -p`.
    /// Pids the manager and the journal tell are numbers of that namespace; `cgroup.procs` read here is not.
    pub fn pid(&self) -> u32 {
        self.init
    }

    /// What a path of the manager's is called by processes that do not share these mounts: `/proc/PID/root/…`.
    pub fn seen_from_outside(&self, path: &Path) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.init))
            .join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Waits until the manager ends by itself, which it never should, and says why. Cancel safe.
    pub async fn ended(&mut self) -> anyhow::Error {
        match next_report(&mut self.report).await {
            Ok(line) => anyhow!("the private systemd ended: {line}"),
            Err(error) => error.context("the private systemd ended"),
        }
    }

    /// Stops every unit as its own settings say (signals, timeouts), then the manager, and waits until nothing is left.
    /// Dropping the future half-way leaves 5 s to whatever still runs.
    pub async fn shutdown(self) -> Result<()> {
        self.end("stop\n").await
    }

    /// Ends all processes at once (SIGKILL) and waits until nothing is left.
    pub async fn kill(self) -> Result<()> {
        self.end("kill\n").await
    }

    async fn end(mut self, command: &str) -> Result<()> {
        // A pipe nobody reads any more: it has ended already.
        let _ = self.control.write_all(command.as_bytes()).await;
        // Until both guard and init have closed it.
        while let Ok(Some(_)) = self.report.next_line().await {}
        self.guard
            .wait()
            .await
            .context("cannot wait for the private systemd")?;
        // The guard has done it, unless it was killed: then the kernel may still be ending what is in there.
        let removed = tokio::time::timeout(END_LIMIT, async {
            while cgroup::remove(&self.cgroup).is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        if removed.await.is_err() {
            cgroup::remove(&self.cgroup)
                .with_context(|| format!("cannot remove {}", self.cgroup.display()))?;
        }
        Ok(())
    }
}
