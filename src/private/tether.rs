//! Where a service manager can be reached: units bound to the life of this process.
//!
//! A scope holds one small process that waits for the end of a pipe from rpmctl. However rpmctl ends, the pipe ends,
//! the process stops the units and ends, the scope with it, and `BindsTo=` stops what is left. Not rpmctl's own pid: a child of it that
//! outlives it (a pager, journalctl) would keep the scope alive, and rpmctl stays in the cgroup it was started in.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};
use zbus::{Connection, OwnedObjectPath, Variant};

use super::bus::{MANAGER, MANAGER_INTERFACE, MANAGER_PATH, next_signal, signals};

/// How long the manager may take to make the scope.
const LIMIT: Duration = Duration::from_secs(10);

/// Remembers what its input names; at its end stops the units and removes the files, in this order: a unit whose file is gone when the manager is
/// reloaded has no `BindsTo=` any more, and no `CollectMode=`: one that failed when it was stopped would stay on the list of failed units. Where systemctl
/// does not reach the manager, `BindsTo=` has to do.
///
/// It never ends before systemd has moved it: a scope made of a process that is just ending would stay, empty, until the next daemon-reload.
const HOLD: &str = r#"scope=$1
set -f --
moved() {
    while read -r line; do case $line in */"$scope") return 0 ;; esac; done </proc/$$/cgroup
    return 1
}
units= manager=--system
while IFS= read -r line; do
    case $line in
    manager:*) manager=${line#*:} ;;
    unit:*) units="$units ${line#*:}" ;;
    file:*) set -- "$@" "${line#*:}" ;;
    esac
done
tries=0
until moved || [ $tries -ge 100 ]; do tries=$((tries + 1)); sleep 0.05; done
if [ -n "$units" ]; then
    systemctl "$manager" --quiet stop -- $units
    systemctl "$manager" --quiet reset-failed -- $units
fi
[ $# -eq 0 ] || exec rm -rf -- "$@""#;

/// The scope; dropping it, or the death of this process, ends it and stops what is bound to it.
pub struct Tether {
    unit: String,
    hold: Child,
    pipe: ChildStdin,
}

impl Tether {
    /// Makes `rpmctl-run-<pid>.scope` in the manager behind `connection` (system or user) and waits until it is active.
    ///
    /// Subscribes to the manager's signals on that connection; AlreadySubscribed is fine.
    pub async fn fasten(connection: &Connection) -> Result<Tether> {
        let unit = format!("rpmctl-run-{}.scope", std::process::id());
        let mut hold = Command::new("/bin/sh")
            .args(["-c", HOLD, "rpmctl-run", &unit])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0) // Ctrl-C is rpmctl's to handle
            .spawn()
            .context("cannot start /bin/sh")?;
        let pipe = hold.stdin.take().context("no pipe to /bin/sh")?;
        let pid = hold.id().context("/bin/sh ended at once")?;
        tokio::time::timeout(LIMIT, make_scope(connection, &unit, pid))
            .await
            .unwrap_or_else(|_| Err(anyhow!("no answer within {} s", LIMIT.as_secs())))
            .with_context(|| format!("cannot make {unit}"))?;
        Ok(Tether { unit, hold, pipe })
    }

    /// The scope's name, for `BindsTo=` and `After=` of each unit that is to end with this process.
    pub fn unit_name(&self) -> &str {
        &self.unit
    }

    /// Has units of the user's or the system's manager stopped when this process is gone, before any file is removed.
    /// No white space in their names: systemd's names have none.
    pub async fn stop_at_end(&mut self, user: bool, units: &[String]) -> Result<()> {
        let manager = if user { "--user" } else { "--system" };
        let mut lines = format!("manager:{manager}\n");
        for unit in units {
            lines.push_str(&format!("unit:{unit}\n"));
        }
        self.tell(lines.as_bytes()).await
    }

    /// Has a file or a folder of ours removed when this process is gone, however it ended.
    /// No line feed in the path; a file that is gone by then is no error.
    pub async fn remove_at_end(&mut self, file: &Path) -> Result<()> {
        let bytes = file.as_os_str().as_bytes();
        if bytes.contains(&b'\n') || !file.is_absolute() {
            bail!(
                "cannot have {} removed at the end: not an absolute path of one line",
                file.display()
            );
        }
        self.tell(&[b"file:", bytes, b"\n"].concat()).await
    }

    async fn tell(&mut self, lines: &[u8]) -> Result<()> {
        let told = self.pipe.write_all(lines).await;
        // Not a reader of ours that went away: the cause must not say BrokenPipe.
        told.map_err(|_| anyhow!("the scope that rpmctl run is bound to has ended"))
    }

    /// Ends the scope, which stops what is still bound to it, and removes the files named.
    pub async fn release(mut self) -> Result<()> {
        drop(self.pipe);
        self.hold.wait().await.context("cannot wait for /bin/sh")?;
        Ok(())
    }
}

async fn make_scope(connection: &Connection, unit: &str, pid: u32) -> Result<()> {
    let mut removed = signals(connection, MANAGER_INTERFACE, "JobRemoved", None).await?;
    let subscribed = connection
        .call_method(
            Some(MANAGER),
            MANAGER_PATH,
            Some(MANAGER_INTERFACE),
            "Subscribe",
            &(),
        )
        .await;
    match subscribed {
        Err(zbus::Error::MethodError(name, _, _)) if name.ends_with(".AlreadySubscribed") => {}
        result => drop(result?),
    }
    let properties = vec![
        (
            "Description",
            Variant::from(format!(
                "what rpmctl run (process {}) holds",
                std::process::id()
            )),
        ),
        ("PIDs", Variant::from(vec![pid])),
        ("CollectMode", Variant::from("inactive-or-failed")),
    ];
    let auxiliary: Vec<(&str, Vec<(&str, Variant)>)> = Vec::new();
    let arguments = (unit, "fail", properties, auxiliary);
    let reply = connection
        .call_method(
            Some(MANAGER),
            MANAGER_PATH,
            Some(MANAGER_INTERFACE),
            "StartTransientUnit",
            &arguments,
        )
        .await?;
    let job: OwnedObjectPath = reply.body().deserialize()?;
    loop {
        let signal = next_signal(&mut removed).await.context("the bus closed")?;
        let (_, path, _, result): (u32, OwnedObjectPath, String, String) =
            signal.body().deserialize()?;
        if path == job && result == "done" {
            return Ok(());
        } else if path == job {
            bail!("systemd answered {result}");
        }
    }
}
