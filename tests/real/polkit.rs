//! Members of a group order apps about without being root, and nothing else: packaging/polkit, with a real polkitd.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::bed::{self, Bed, Options, Output};

const GROUP_MAY: &str = "members of a group order apps about (polkit)";

const RULES: &str = "/usr/share/polkit-1/rules.d";

/// A bed of which one test at a time may change what holds for the whole machine.
pub fn bed() -> (MutexGuard<'static, ()>, &'static Bed) {
    static BED: OnceLock<Bed> = OnceLock::new();
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    (turn, BED.get_or_init(|| Bed::boot(Options::default())))
}

/// As this user, with the groups it has now.
fn by(bed: &Bed, user: &str, line: &[&str]) -> Output {
    let ids = ["setpriv", "--reuid", user, "--regid", user, "--init-groups"];
    bed.run(&[&ids[..], line].concat())
}

/// What the packages put where, and two users, one of them in the group.
fn install(bed: &Bed) {
    for (file, to) in [
        ("polkit/50-rpmctl.rules", format!("{RULES}/50-rpmctl.rules")),
        (
            "sysusers/rpmctl.conf",
            "/usr/lib/sysusers.d/rpmctl.conf".to_owned(),
        ),
        (
            "tmpfiles/rpmctl.conf",
            "/usr/lib/tmpfiles.d/rpmctl.conf".to_owned(),
        ),
    ] {
        let packaged = format!("{}/packaging/{file}", env!("CARGO_MANIFEST_DIR"));
        bed.write(&to, 0o644, std::fs::read_to_string(packaged).expect(file));
    }
    bed.sh_ok(
        "ln -sf /usr/local/bin/rpmctl /usr/bin/rpmctl
         systemd-sysusers rpmctl.conf
         systemd-tmpfiles --create rpmctl.conf
         useradd -G rpmctl steward
         useradd stranger",
    );
}

#[test]
fn the_group_orders_apps_about_and_nothing_else() {
    let (_turn, bed) = bed();
    let old = bed.exists("/usr/lib/policykit-1/polkitd") || bed.exists("/usr/libexec/polkitd");
    let without_rules = old && !bed.exists("/usr/lib/polkit-1/polkitd");
    assert!(
        without_rules || bed.exists("/usr/lib/polkit-1/polkitd") && bed.exists(RULES),
        "there is no polkitd with rules: apt-get install -y polkitd"
    );
    bed.write("/srv/guest/app.sh", 0o755, "#!/bin/sh\nexec sleep 1000\n");
    bed.write(
        "/srv/guest/ecosystem.toml",
        0o644,
        "[[apps]]\nname = \"my guest\"\nscript = \"app.sh\"\ninstances = 2\nmin_uptime = 50\nenv = { TOKEN = \"s3cr3t\" }\n",
    );
    bed.ok(&["rpmctl", "apply", "/srv/guest/ecosystem.toml"]);
    install(bed);
    let member = |line: &[&str]| by(bed, "steward", line);
    if without_rules {
        // polkit 0.105 lets nobody in, and that is said.
        bed::can(
            GROUP_MAY,
            false,
            "polkit 0.105 knows no rules in JavaScript; doctor says so",
        );
        let refused = member(&["rpmctl", "restart", "my guest"]);
        assert!(
            refused.status == 1 && refused.stderr.contains("use sudo"),
            "{refused}"
        );
        let told = bed.run(&["rpmctl", "doctor"]).stdout;
        assert!(
            told.contains("polkit 0.105 cannot tell units apart"),
            "{told}"
        );
        bed.ok(&["rpmctl", "delete", "my guest"]);
        return;
    }
    bed::can(GROUP_MAY, true, "");
    // polkitd reads a new rule a moment later.
    bed.wait_until(
        "polkit lets the group restart an app",
        Duration::from_secs(60),
        || member(&["systemctl", "restart", r"my\x20guest@0.service"]).status == 0,
    );

    for line in [
        &["rpmctl", "restart", "my guest"][..],
        &["rpmctl", "restart", "my guest@1"],
        &["rpmctl", "reload", "my guest"],
        &["rpmctl", "stop", "my guest@1"],
        &["rpmctl", "start", "my guest"],
        &["rpmctl", "status", "my guest"],
        &["rpmctl", "list"],
        &["rpmctl", "show", "my guest"],
        &["rpmctl", "doctor", "--json"],
    ] {
        let output = member(line);
        let fine = output.status == 0 || line[1] == "doctor";
        assert!(
            fine && !output.stderr.contains("error:"),
            "{line:?}: {output}"
        );
        assert!(!output.stdout.contains("s3cr3t"), "{line:?}: {output}");
    }

    // What starts at boot is in root's files: said, not hidden.
    let stopped = member(&["rpmctl", "stop", "my guest"]);
    assert_eq!(stopped.status, 0, "{stopped}");
    let note = "note: at the next boot my guest starts as before; only root can change that";
    assert!(stopped.stderr.contains(note), "{stopped}");
    let state = bed.run(&["systemctl", "is-active", r"my\x20guest@0.service"]);
    assert_eq!(state.stdout, "inactive\n");
    let started = member(&["rpmctl", "start", "my guest"]);
    assert!(
        started.status == 0 && !started.stderr.contains("note:"),
        "{started}"
    );

    // Units of others, other verbs, numbers that the app does not have, everything that names no unit.
    for line in [
        &["systemctl", "restart", "systemd-journald.service"][..],
        &["systemctl", "start", "rescue.target"],
        &["systemctl", "start", r"my\x20guest@7.service"],
        &["systemctl", "start", r"my\x20guest@x.service"],
        &["systemctl", "kill", r"my\x20guest@0.service"],
        &[
            "systemctl",
            "set-property",
            r"my\x20guest@0.service",
            "CPUWeight=5",
        ],
        &["systemctl", "disable", r"my\x20guest.target"],
        &["systemctl", "mask", r"my\x20guest.target"],
        &["systemctl", "daemon-reload"],
        &["systemctl", "set-environment", "A=1"],
        &["systemd-run", "--wait", "true"],
        &["systemd-run", r"--unit=my\x20guest@7", "true"],
        &["systemctl", "reset-failed"],
        &["systemctl", "stop", "rpmctl-watch.service"],
        &["systemctl", "enable", r"my\x20guest.target"],
        &["systemctl", "clean", r"my\x20guest@0.service"],
        &["systemctl", "revert", r"my\x20guest@0.service"],
    ] {
        let output = member(line);
        assert_ne!(output.status, 0, "{line:?}: {output}");
        let denied = ["authentication required", "ccess denied", "not permitted"];
        assert!(
            denied.iter().any(|words| output.stderr.contains(words)),
            "{line:?}: {output}"
        );
    }
    for line in [
        &["rpmctl", "apply", "/srv/guest/ecosystem.toml"][..],
        &["rpmctl", "scale", "my guest", "3"],
        &["rpmctl", "delete", "my guest"],
    ] {
        let output = member(line);
        assert_eq!(output.status, 1, "{output}");
        assert!(
            output
                .stderr
                .contains("only root may change what is in /etc/systemd/system"),
            "{output}"
        );
        assert!(
            output
                .stderr
                .contains("the group rpmctl may start, stop, restart and reload apps, no more"),
            "{output}"
        );
    }

    // The lock holds between root and the group.
    let held = bed.spawn(&["flock", "-F", "/run/rpmctl/lock", "sleep", "1000"]);
    let lock = "flock -n /run/rpmctl/lock true";
    bed.wait_until("the lock is held", Duration::from_secs(60), || {
        bed.sh(lock).status != 0
    });
    let waits = bed.spawn(&[
        "setpriv",
        "--reuid",
        "steward",
        "--regid",
        "steward",
        "--init-groups",
        "rpmctl",
        "reload",
        "my guest",
    ]);
    bed.wait_until("the group waits for root", Duration::from_secs(60), || {
        waits.printed().1.contains("waiting for another rpmctl")
    });
    drop(held);
    let done = waits.wait(Duration::from_secs(60));
    assert_eq!(done.status, 0, "{done}");
    let mode = bed.ok(&["stat", "-c", "%a %U:%G", "/run/rpmctl/lock"]);
    assert_eq!(mode, "640 root:rpmctl\n");

    // Who is not in the group is told of it.
    let refused = by(bed, "stranger", &["rpmctl", "restart", "my guest"]);
    assert_eq!(refused.status, 1, "{refused}");
    assert!(
        refused.stderr.starts_with("error: you may not change anything about the system's apps: /run/rpmctl/lock: permission denied")
            && refused.stderr.contains("run it with sudo")
            && refused.stderr.contains("usermod -aG rpmctl"),
        "{refused}"
    );
    let refused = by(
        bed,
        "stranger",
        &["systemctl", "restart", r"my\x20guest@0.service"],
    );
    assert_ne!(refused.status, 0, "{refused}");
    bed.sh_ok("usermod -aG rpmctl stranger");
    let early = bed.run(&[
        "setpriv",
        "--reuid",
        "stranger",
        "--regid",
        "stranger",
        "--clear-groups",
        "rpmctl",
        "restart",
        "my guest",
    ]);
    assert!(early.stderr.contains("log in again"), "{early}");

    // A file of another's under the name of an instance is not the app's any more.
    bed.write(
        r"/etc/systemd/system/my\x20guest@1.service",
        0o644,
        "[Service]\nExecStart=/bin/sleep 77\n",
    );
    let refused = member(&["systemctl", "restart", r"my\x20guest@1.service"]);
    assert_ne!(refused.status, 0, "{refused}");
    bed.sh_ok(r"rm '/etc/systemd/system/my\x20guest@1.service'; systemctl daemon-reload");
    bed.ok(&["rpmctl", "delete", "my guest"]);
}
