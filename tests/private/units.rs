//! What runs in a private manager, and how.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::HOLD;
use crate::left::Machine;
use crate::run::{Run, wait_until};

pub fn a_unit_runs_and_its_lines_are_in_the_journal() {
    let before = Machine::now();
    let run = Run::start();
    assert!(run.boot_ms < 10_000, "booting took {} ms", run.boot_ms);
    println!("  booted in {} ms", run.boot_ms);
    let template = "[Service]\nExecStart=/usr/bin/systemd-cat -t hello@%i --stderr-priority=err \
                    /bin/sh -c 'echo hello from %i; echo oops >&2; exec sleep 1000'\n";
    fs::write(
        run.path("/run/systemd/rpmctl/units/hello@.service"),
        template,
    )
    .unwrap();
    run.start_job("hello@7.service");
    run.told("hello@7", "hello from 7");
    wait_until("the unit's field", || {
        run.journal(&["_SYSTEMD_USER_UNIT=hello@7.service"])
            .contains("hello from 7")
    });
    run.told("hello@7", "oops");
    assert_eq!(
        run.journal(&["SYSLOG_IDENTIFIER=hello@7", "PRIORITY=3"]),
        "oops\n"
    );
    wait_until("the manager's own line", || {
        run.journal(&["USER_UNIT=hello@7.service"])
            .contains("Started hello@7.service")
    });
    let unit = run.busctl(&[
        "call",
        "org.freedesktop.systemd1",
        "/org/freedesktop/systemd1",
        "org.freedesktop.systemd1.Manager",
        "GetUnit",
        "s",
        "hello@7.service",
    ]);
    let object = unit.split('"').nth(1).unwrap();
    let property = |interface: &str, name: &str| {
        run.busctl(&[
            "get-property",
            "org.freedesktop.systemd1",
            object,
            &format!("org.freedesktop.systemd1.{interface}"),
            name,
        ])
    };
    assert_eq!(property("Unit", "ActiveState"), "s \"active\"\n");
    assert_ne!(
        property("Service", "CPUUsageNSec"),
        format!("t {}\n", u64::MAX),
        "cpu time is accounted"
    );
    run.signal(Signal::TERM);
    assert_eq!(run.gone(&before), Some(0));
}

pub fn an_app_can_have_another_user() {
    let before = Machine::now();
    let run = Run::start();
    fs::write(
        run.path("/run/systemd/rpmctl/env/nobody.env"),
        "SECRET=42\n",
    )
    .unwrap();
    run.start_unit(
        "nobody.service",
        "[Service]\nUser=nobody\nRuntimeDirectory=rpmctl/nobody\nEnvironmentFile=%t/env/nobody.env\n\
         ExecStart=/usr/bin/systemd-cat -t app /bin/sh -c 'stat -c %%U $RUNTIME_DIRECTORY; echo x >$RUNTIME_DIRECTORY/starts && echo $SECRET; exec sleep 1000'\n",
    );
    run.told("app", "nobody");
    run.told("app", "42");
    run.signal(Signal::TERM);
    assert_eq!(run.gone(&before), Some(0));
}

pub fn an_app_inherits_the_environment() {
    let before = Machine::now();
    let mut command = Command::new(std::env::current_exe().unwrap());
    let path = std::env::var("PATH").unwrap();
    command
        .arg(HOLD)
        .env("GREETING", "grüß \"$HOME\" %h")
        .env("PATH", format!("/opt/some/bin:{path}"));
    let run = Run::of(command.env("LISTEN_FDS", "1"));
    run.start_unit(
        "env.service",
        "[Service]\nExecStart=/usr/bin/systemd-cat -t app /bin/sh -c 'env; exec sleep 1000'\n",
    );
    run.told("app", "GREETING=grüß \"$HOME\" %h");
    run.told("app", &format!("PATH=/opt/some/bin:{path}"));
    let lines = run.journal(&["SYSLOG_IDENTIFIER=app"]);
    for unwanted in ["LISTEN_FDS", "NOTIFY_SOCKET", "SYSTEMD_UNIT_PATH"] {
        assert!(
            !lines
                .lines()
                .any(|line| line.starts_with(&format!("{unwanted}="))),
            "{unwanted} in {lines}"
        );
    }
    run.signal(Signal::TERM);
    assert_eq!(run.gone(&before), Some(0));
}

pub fn run_outside_the_mounts_is_as_before() {
    let before = Machine::now();
    let run = Run::start();
    let names = |dir: &Path| {
        fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(
        names(&run.path("/run")),
        names(Path::new("/run")),
        "/run looks the same inside"
    );
    let during = Machine::now();
    assert_eq!(
        (&during.mounts, &during.files),
        (&before.mounts, &before.files),
        "nothing shows outside"
    );
    let network = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
    assert_eq!(
        network("self"),
        network(&run.init.to_string()),
        "the network is the machine's"
    );
    run.signal(Signal::TERM);
    assert_eq!(run.gone(&before), Some(0));
}

pub fn two_at_once_do_not_meet() {
    let before = Machine::now();
    let (one, two) = (Run::start(), Run::start());
    one.start_unit(
        "same.service",
        "[Service]\nExecStart=/usr/bin/systemd-cat -t app /bin/sh -c 'echo one; exec sleep 1000'\n",
    );
    two.start_unit(
        "same.service",
        "[Service]\nExecStart=/usr/bin/systemd-cat -t app /bin/sh -c 'echo two; exec sleep 1000'\n",
    );
    one.told("app", "one");
    two.told("app", "two");
    assert_eq!(one.journal(&["SYSLOG_IDENTIFIER=app"]), "one\n");
    assert_eq!(two.journal(&["SYSLOG_IDENTIFIER=app"]), "two\n");
    let of_two = two.members();
    one.signal(Signal::KILL);
    wait_until("the first to end", || {
        !Path::new(&format!("/proc/{}", one.init)).exists()
    });
    assert_eq!(two.members(), of_two, "the second goes on");
    two.signal(Signal::TERM);
    assert_eq!(two.gone(&before), Some(0));
    assert_eq!(one.gone(&before), None);
}

/// As in a container without --privileged: a cgroup namespace, and its tree mounted read-only.
pub fn a_read_only_cgroup_tree_is_worked_around() {
    let before = Machine::now();
    let script = "mount -t cgroup2 -o ro cgroup2 /sys/fs/cgroup && ! mkdir /sys/fs/cgroup/x 2>/dev/null && exec \"$0\" hold";
    let mut command = Command::new("unshare");
    command
        .args([
            "-m",
            "-C",
            "--propagation",
            "slave",
            "/bin/sh",
            "-c",
            script,
        ])
        .arg(std::env::current_exe().unwrap());
    let run = Run::of(&mut command);
    run.start_unit(
        "hello.service",
        "[Service]\nExecStart=/usr/bin/systemd-cat -t app /bin/sh -c 'echo hello; exec sleep 1000'\n",
    );
    run.told("app", "hello");
    run.signal(Signal::TERM);
    assert_eq!(run.gone(&before), Some(0));
}

pub fn without_root_the_error_says_so() {
    // Where another user can reach it.
    let dir = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()
        .unwrap();
    let program = dir.path().join("private");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let out = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .arg(HOLD)
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(1));
    let stderr = String::from_utf8(out.stderr).unwrap();
    let mut lines = stderr.lines();
    assert_eq!(
        lines.next(),
        Some("error: rpmctl run needs root where no service manager can be reached")
    );
    assert!(
        lines
            .next()
            .is_some_and(|hint| hint.contains("sudo rpmctl run")),
        "{stderr}"
    );
}
