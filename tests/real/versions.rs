//! What one systemd has and another lacks, as rpmctl says and uses it. Each line of `can` stands in docs/systemd-versions.md.

use std::collections::BTreeSet;
use std::time::Duration;

use rpmctl::doctor::directives::{FROM, UNTIL, unknown};

use crate::bed::{self, Bed, Options, can};

const PATIENCE: Duration = Duration::from_secs(120);

/// `rpmctl doctor` and `rpmctl apply` warn by this table, so it must be what systemd itself says.
#[test]
fn directives_are_known_from_the_version_that_doctor_names() {
    let bed = bed::shared();
    let systemd = bed.systemd();
    let all: Vec<&str> = FROM.iter().chain(&UNTIL).map(|(name, _)| *name).collect();
    let in_section = |section: &str| -> String {
        let own = all.iter().filter(|name| section_of(name) == section);
        own.map(|name| format!("{name}=\n")).collect()
    };
    bed.write(
        "/run/systemd/system/known.service",
        0o644,
        format!(
            "[Unit]\n{}[Service]\nExecStart=/bin/true\n{}",
            in_section("Unit"),
            in_section("Service")
        ),
    );
    bed.write(
        "/run/systemd/system/known.socket",
        0o644,
        format!(
            "[Socket]\nListenStream=/run/known\n{}",
            in_section("Socket")
        ),
    );
    let said = bed.run(&[
        "systemd-analyze",
        "verify",
        "--man=no",
        "/run/systemd/system/known.service",
        "/run/systemd/system/known.socket",
    ]);
    // A directive that is known complains of the value that is missing, if of anything.
    let words: BTreeSet<&str> = said
        .stderr
        .lines()
        .filter(|line| {
            let gone = line.contains("removed") && !line.contains("will be removed");
            gone || line.contains("Unknown key")
        })
        .flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()))
        .collect();
    for name in all {
        let lacks = unknown(name, systemd);
        assert_eq!(
            words.contains(name),
            lacks.is_some(),
            "{name}= on systemd {systemd}: {said}"
        );
        let why = match (lacks, FROM.iter().find(|(other, _)| *other == name)) {
            (None, _) => String::new(),
            (Some(_), Some((_, from))) => format!("from {from} on"),
            (Some(_), None) => "removed in 258".to_owned(),
        };
        can(&format!("directive: {name}="), lacks.is_none(), &why);
    }
}

fn section_of(directive: &str) -> &'static str {
    match directive {
        "OnSuccess"
        | "PropagatesStopTo"
        | "StopPropagatedFrom"
        | "Upholds"
        | "SurviveFinalKillSignal" => "Unit",
        "PollLimitBurst" | "PassFileDescriptorsToExec" => "Socket",
        _ => "Service",
    }
}

/// What a status shows comes from these; without one, the column says that it is not known.
#[test]
fn properties() {
    let bed = bed::shared();
    bed.ok(&["systemd-run", "--unit=versions-properties", "sleep", "1000"]);
    let shown = bed.ok(&["systemctl", "show", "versions-properties.service"]);
    let has = |name: &str| {
        shown
            .lines()
            .any(|line| line.split('=').next() == Some(name))
    };
    for name in [
        "MemoryCurrent",
        "CPUUsageNSec",
        "NRestarts",
        "InvocationID",
        "NeedDaemonReload",
    ] {
        assert!(has(name), "{name}: rpmctl needs it");
    }
    for name in ["MemoryPeak", "MemoryAvailable", "OOMKills"] {
        can(&format!("property: {name}"), has(name), "");
    }
    let loaded = bed.ok(&["systemctl", "show", "-p", "UnitsLoadTimestamp"]);
    let tells = !loaded.is_empty();
    assert_eq!(tells, bed.systemd() > 247, "{loaded}");
    let why = "a drop-in that was put into a new folder is not seen to be unread";
    can(
        "rpmctl tells that systemd has not read a new drop-in folder",
        tells,
        if tells { "" } else { why },
    );
    bed.ok(&["systemctl", "stop", "versions-properties.service"]);
}

/// In a user's own manager an older systemd takes PrivateTmp= and does nothing.
#[test]
fn private_tmp_in_a_users_manager() {
    let bed = bed::shared();
    let file = "/home/app/tmp-probe/ecosystem.toml";
    bed.write_as(
        "app",
        "/home/app/tmp-probe/probe.sh",
        0o755,
        "#!/bin/sh\ntouch /tmp/versions-probe && exec sleep 1000\n",
    );
    let text = "[[apps]]\nname = \"tmp-probe\"\nscript = \"probe.sh\"\nmin_uptime = 50\n[apps.systemd.Service]\nPrivateTmp = \"yes\"\n";
    bed.write_as("app", file, 0o644, text);
    bed.ok_as("app", &["rpmctl", "--user", "apply", file]);
    let own = !bed.exists("/tmp/versions-probe");
    bed.ok_as("app", &["rpmctl", "--user", "delete", "tmp-probe"]);
    bed.run(&["rm", "-f", "/tmp/versions-probe"]);
    let systemd = bed.systemd();
    assert_eq!(own, systemd > 252, "systemd {systemd}");
    can(
        "PrivateTmp=, ProtectSystem=, ProtectHome= in a user's own manager (--user)",
        own,
        if own {
            ""
        } else {
            "ignored without a word; in the system's manager they hold"
        },
    );
}

/// Whether a restart brings up an instance that was frozen by hand; thawed, every systemd restarts it.
#[test]
fn what_becomes_of_a_frozen_instance() {
    let bed = Bed::boot(Options::default());
    bed.write(
        "/srv/ice/ecosystem.toml",
        0o644,
        "[[apps]]\nname = \"ice\"\nscript = \"sleep\"\nargs = \"1000\"\nmin_uptime = 50\n",
    );
    bed.ok(&["rpmctl", "apply", "/srv/ice/ecosystem.toml"]);
    bed.ok(&["systemctl", "freeze", "ice@0.service"]);
    let restarted = bed
        .cmd(&["rpmctl", "restart", "ice"])
        .deadline(PATIENCE)
        .run();
    eprintln!("{restarted}");
    can(
        "a frozen instance (systemctl freeze) is restarted",
        restarted.status == 0,
        restarted.stderr.lines().next().unwrap_or_default(),
    );
    if restarted.status != 0 {
        bed.ok(&["systemctl", "thaw", "ice@0.service"]);
    }
    bed.ok(&["rpmctl", "restart", "ice"]);
}
