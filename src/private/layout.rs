//! Where the private manager's files lie, and the files it boots from; all on the fresh tmpfs at /run/systemd.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

use super::needs::Programs;

/// `XDG_RUNTIME_DIR` of the private manager: bus, control socket, RuntimeDirectory= of units.
pub const RUNTIME: &str = "/run/systemd/rpmctl";
/// Where the apps' units go; the first directory the manager looks in.
pub const UNITS: &str = "/run/systemd/rpmctl/units";
/// Environment files; for root alone.
pub const ENV: &str = "/run/systemd/rpmctl/env";
/// The targets a manager needs to exist; the machine's own units are not looked at, so nothing of it is started.
pub const BASE: &str = "/run/systemd/rpmctl/base";
pub const BUS_ADDRESS: &str = "unix:path=/run/systemd/rpmctl/bus";
pub const JOURNAL: &str = "/run/log/journal";
/// What systemd and journald print while booting; quoted when that fails.
pub const BOOT_LOG: &str = "/run/systemd/rpmctl/boot.log";

/// Only what journald.conf(5) must not take from the machine's configuration.
const JOURNALD_CONF: &str = "\
[Journal]
Storage=volatile
Seal=no
ReadKMsg=no
Audit=no
ForwardToSyslog=no
ForwardToKMsg=no
ForwardToConsole=no
ForwardToWall=no
RateLimitIntervalSec=0
RateLimitBurst=0
";

/// dbus-daemon(1): as the session bus's, without the machine's activatable services. Only root may connect.
const BUS_CONF: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=/run/systemd/rpmctl/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
  <limit name="max_replies_per_connection">50000</limit>
  <limit name="max_match_rules_per_connection">50000</limit>
</busconfig>
"#;

/// systemd.special(7): what `systemd --user` refers to by name.
const BASE_UNITS: &[(&str, &str)] = &[
    (
        "default.target",
        "[Unit]\nRequires=basic.target dbus.service\nAfter=basic.target dbus.service\nAllowIsolate=yes\n",
    ),
    (
        "basic.target",
        "[Unit]\nWants=sockets.target timers.target paths.target\nAfter=sockets.target timers.target paths.target\n",
    ),
    ("sockets.target", "[Unit]\nDescription=Sockets\n"),
    ("timers.target", "[Unit]\nDescription=Timers\n"),
    ("paths.target", "[Unit]\nDescription=Paths\n"),
    ("app.slice", "[Unit]\nDescription=Apps\n"),
    (
        "session.slice",
        "[Unit]\nDescription=What the apps are managed with\n",
    ),
    (
        "shutdown.target",
        "[Unit]\nDefaultDependencies=no\nRefuseManualStart=yes\n",
    ),
    (
        "exit.target",
        "[Unit]\nDefaultDependencies=no\nRequires=systemd-exit.service\nAfter=systemd-exit.service\nAllowIsolate=yes\n",
    ),
    (
        "systemd-exit.service",
        "[Unit]\nDefaultDependencies=no\nRequires=shutdown.target\nAfter=shutdown.target\nSuccessAction=exit-force\n\
         [Service]\nType=oneshot\nExecStart=/bin/true\nSlice=-.slice\n",
    ),
    (
        "dbus.socket",
        "[Socket]\nListenStream=%t/bus\nSocketMode=0600\n",
    ),
    // For the manager alone; an app that runs systemctl of its own is not to look there.
    (
        "service.d/10-rpmctl.conf",
        "[Service]\nUnsetEnvironment=SYSTEMD_UNIT_PATH\n",
    ),
];

/// Writes all of it. The runtime directory can be passed through by other users (an app with `user =` has its
/// RuntimeDirectory= in it); bus and environment files in it are root's.
pub fn write(programs: &Programs) -> Result<()> {
    for (dir, mode) in [
        ("/run/systemd/system", 0o755), // without it systemd --user exits at once, sd_booted(3)
        ("/run/systemd/journal", 0o755),
        ("/run/systemd/journald.conf.d", 0o755),
        (RUNTIME, 0o711),
        (UNITS, 0o755),
        (ENV, 0o700),
        (BASE, 0o755),
        ("/run/systemd/rpmctl/base/service.d", 0o755),
        (JOURNAL, 0o755), // for readers that come before the first line
    ] {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {dir}"))?;
        fs::set_permissions(dir, fs::Permissions::from_mode(mode))
            .with_context(|| format!("cannot set the mode of {dir}"))?;
    }
    let file = |path: &Path, text: &str| {
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    file(
        Path::new("/run/systemd/journald.conf.d/zz-rpmctl.conf"),
        JOURNALD_CONF,
    )?;
    file(&Path::new(RUNTIME).join("bus.conf"), BUS_CONF)?;
    for (name, text) in BASE_UNITS {
        file(&Path::new(BASE).join(name), text)?;
    }
    let dbus = format!(
        "[Unit]\nRequires=dbus.socket\nAfter=dbus.socket\n[Service]\n\
         ExecStart={} --config-file=%t/bus.conf --nofork --nopidfile --nosyslog --address=systemd:\nSlice=session.slice\n",
        programs.dbus_daemon.display()
    );
    file(&Path::new(BASE).join("dbus.service"), &dbus)
}
