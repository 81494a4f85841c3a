//! Where a service manager can be reached: units bound to the life of this process.
//!
//! A scope holds one small process that waits for the end of a pipe from rpmctl. However rpmctl ends, the pipe ends,
//! the process with it, the scope with that, and `BindsTo=` stops the units. Not rpmctl's own pid: a child of it that
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

/// Remembers the files named on its input, removes them at its end.
const HOLD: &str = r#"set --
while IFS= read -r file; do set -- "$@" "$file"; done
[ $# -eq 0 ] || exec rm -rf -- "$@""#;

/// The scope; dropping it, or the death of this process, ends it and stops what is bound to it.
pub struct Tether {
    unit: String,
    hold: Child,
    files: ChildStdin,
}

impl Tether {
    /// Makes `rpmctl-run-<pid>.scope` in the manager behind `connection` (system or user) and waits until it is active.
    ///
    /// Subscribes to the manager's signals on that connection; AlreadySubscribed is fine.
    pub async fn fasten(connection: &Connection) -> Result<Tether> {
        let unit = format!("rpmctl-run-{}.scope", std::process::id());
        let mut hold = Command::new("/bin/sh")
            .args(["-c", HOLD, "rpmctl-run"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0) // Ctrl-C is rpmctl's to handle
            .spawn()
            .context("cannot start /bin/sh")?;
        let files = hold.stdin.take().context("no pipe to /bin/sh")?;
        let pid = hold.id().context("/bin/sh ended at once")?;
        tokio::time::timeout(LIMIT, make_scope(connection, &unit, pid))
            .await
            .unwrap_or_else(|_| Err(anyhow!("no answer within {} s", LIMIT.as_secs())))
            .with_context(|| format!("cannot make {unit}"))?;
        Ok(Tether { unit, hold, files })
    }

    /// The scope's name, for `BindsTo=` and `After=` of each unit that is to end with this process.
    pub fn unit_name(&self) -> &str {
        &self.unit
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
        self.files
            .write_all(&[bytes, b"\n"].concat())
            .await
            .context("the scope that rpmctl run is bound to has ended")
    }

    /// Ends the scope, which stops what is still bound to it, and removes the files named.
    pub async fn release(mut self) -> Result<()> {
        drop(self.files);
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
