//! `rpmctl doctor` beside faults that were made.

use serde_json::Value;

use crate::bed::{self, Bed};
use crate::polkit;

fn checks(bed: &Bed) -> Vec<Value> {
    let output = bed.run(&["rpmctl", "doctor", "--json"]);
    assert_eq!(output.stderr, "", "{output}");
    let told: Value = serde_json::from_str(&output.stdout).expect("JSON");
    let broken = told["broken"].as_u64() > Some(0);
    assert_eq!(output.status, i32::from(broken), "{output}");
    told["checks"].as_array().expect("checks").clone()
}

/// Level and remedy of the finding whose words contain this.
#[track_caller]
fn found<'a>(checks: &'a [Value], about: &str, part: &str) -> (&'a str, &'a str) {
    let is_it = |one: &&Value| {
        one["about"].as_str().unwrap_or_default() == about
            && one["what"].as_str().is_some_and(|what| what.contains(part))
    };
    let all = || {
        checks
            .iter()
            .map(|one| format!("{one}\n"))
            .collect::<String>()
    };
    let one = checks.iter().find(is_it);
    let one = one.unwrap_or_else(|| panic!("nothing of {about:?} says {part:?}:\n{}", all()));
    (
        one["level"].as_str().expect("level"),
        one["fix"].as_str().unwrap_or_default(),
    )
}

#[test]
fn faults_are_found_and_what_is_well_is_not_touched() {
    let (_turn, bed) = polkit::bed();
    let app = "#!/bin/sh\nexec sleep 1000\n";
    bed.write("/srv/ill/app.sh", 0o755, app);
    bed.sh_ok("cp /bin/sleep /srv/ill/tool; install -D /usr/local/bin/rpmctl /opt/ill/rpmctl");
    let file = |name: &str, text: &str| {
        let path = format!("/srv/ill/{name}.toml");
        bed.write(
            &path,
            0o644,
            format!("[[apps]]\nname = \"ill-{name}\"\nmin_uptime = 50\n{text}"),
        );
        bed.ok(&["/opt/ill/rpmctl", "apply", &path]);
    };
    file("well", "script = \"app.sh\"\n");
    // Units of this name have backslashes, which directives quote.
    file("odd: one", "script = \"app.sh\"\n");
    file(
        "tool",
        "script = \"/srv/ill/tool\"\ninterpreter = \"none\"\nargs = \"1000\"\n",
    );
    file(
        "clock",
        "script = \"app.sh\"\ncron_restart = \"0 4 * * *\"\n",
    );
    file(
        "edited",
        "script = \"app.sh\"\n[apps.systemd.Service]\nRestartMode = \"direct\"\n",
    );
    file(
        "port",
        "script = \"app.sh\"\nexec_mode = \"cluster\"\nlisten = \"127.0.0.1:3977\"\nlisten_fds = true\n",
    );
    bed.sh_ok("groupadd ill-group; useradd --system ill-user");
    file(
        "group",
        "script = \"app.sh\"\nuser = \"ill-user\"\ngroup = \"ill-group\"\nmax_memory_restart = \"1G\"\n",
    );
    let before = checks(bed);
    assert_eq!(found(&before, "", "rpmctl-watch.service works for").0, "ok");
    let of_ours = |one: &&Value| {
        let about = one["about"].as_str().unwrap_or_default();
        about.starts_with("ill-") && about != "ill-edited"
    };
    let early: Vec<&Value> = before.iter().filter(of_ours).collect();
    assert!(early.is_empty(), "{early:#?}");

    // Who occupies the port does so while the app is stopped.
    bed.ok(&["rpmctl", "stop", "ill-port"]);
    let thief = bed.spawn(&[
        "python3",
        "-c",
        "import socket,time; s=socket.create_server(('127.0.0.1',3977)); time.sleep(1000)",
    ]);
    bed.wait_until(
        "the port is taken",
        std::time::Duration::from_secs(60),
        || bed.sh("ss -ltn | grep -q 127.0.0.1:3977").status == 0,
    );
    assert_eq!(bed.run(&["rpmctl", "start", "ill-port"]).status, 1);
    bed.sh_ok(
        "rm /srv/ill/tool /opt/ill/rpmctl /srv/ill/well.toml
         sed -i s/TimeoutStopSec=.*/TimeoutStopSec=77/ /etc/systemd/system/ill-edited@.service
         echo A=1 >/etc/rpmctl/env/ill-gone.env
         mkdir -p /run/systemd/system/ill-well@.service.d
         echo '[Service]' >/run/systemd/system/ill-well@.service.d/x.conf
         echo '[Timer]' >/run/systemd/system/ill-clock-cron.timer
         groupdel ill-group
         rm /etc/systemd/system/multi-user.target.wants/rpmctl-watch.service
         mkdir -p /run/rpmctl/ill-gone@0 /run/systemd/journald.conf.d
         systemd-run -q --unit ill-gone@0.service sleep 1000
         printf '[Journal]\\nStorage=volatile\\n' >/run/systemd/journald.conf.d/ill.conf
         mkdir -p /etc/systemd/system/multi-user.target.wants
         ln -s /dev/null /etc/systemd/system/multi-user.target.wants/pm2-ill.service",
    );
    let daemon = bed.spawn(&[
        "bash",
        "-c",
        "exec -a 'PM2 v5.3.0: God Daemon (/srv/ill/.pm2)' sleep 1000",
    ]);
    bed.wait_until(
        "PM2 seems to run",
        std::time::Duration::from_secs(60),
        || {
            bed.sh("grep -qsa '^PM2 v5.3.0' /proc/[0-9]*/cmdline")
                .status
                == 0
        },
    );

    let now = checks(bed);
    for (about, part, level, fix) in [
        (
            "ill-tool",
            "/srv/ill/tool is not there",
            "broken",
            "rpmctl apply /srv/ill/tool.toml",
        ),
        (
            "ill-group",
            "there is no group ill-group",
            "broken",
            "groupadd --system ill-group",
        ),
        (
            "",
            "rpmctl-watch.service does not start at boot",
            "warning",
            "rpmctl apply the ecosystem file of ill-group",
        ),
        (
            "ill-clock",
            "ill-clock-cron.service calls /opt/ill/rpmctl",
            "warning",
            "rpmctl apply /srv/ill/clock.toml",
        ),
        (
            "ill-clock",
            "/run/systemd/system/ill-clock-cron.timer",
            "broken",
            "remove or rename it",
        ),
        (
            "ill-port",
            "127.0.0.1:3977 is held by process",
            "broken",
            "rpmctl start ill-port",
        ),
        (
            "ill-well",
            "/srv/ill/well.toml is gone",
            "warning",
            "rpmctl delete ill-well",
        ),
        ("ill-well", "ill-well@.service.d/x.conf", "note", ""),
        (
            "ill-edited",
            "ill-edited@.service was changed by hand",
            "warning",
            "rpmctl apply /srv/ill/edited.toml",
        ),
        (
            "ill-edited",
            "has not read its units",
            "warning",
            "systemctl daemon-reload",
        ),
        (
            "",
            "/etc/rpmctl/env/ill-gone.env",
            "warning",
            "rm /etc/rpmctl/env/ill-gone.env",
        ),
        (
            "ill-gone@0.service",
            "ill-gone@0.service runs, but no app has it",
            "warning",
            "systemctl stop ill-gone@0.service",
        ),
        ("", "Storage=volatile", "warning", "Storage=persistent"),
        ("", "of /srv/ill/.pm2", "warning", "pm2 kill"),
        (
            "pm2-ill.service",
            "starts PM2 at the next boot",
            "warning",
            "pm2 unstartup",
        ),
    ] {
        let (is, remedy) = found(&now, about, part);
        assert_eq!(is, level, "{about}: {part}");
        assert!(remedy.contains(fix), "{about}: {part}: {remedy}");
    }
    let version: u32 = {
        let text = bed.ok(&["systemctl", "--version"]);
        text.split_whitespace()
            .nth(1)
            .and_then(|word| word.parse().ok())
            .expect("a version")
    };
    if version < 254 {
        let (level, _) = found(
            &now,
            "ill-edited",
            "RestartMode= in ill-edited@.service does nothing here",
        );
        assert_eq!(level, "warning");
    }
    let stranger = bed.run_as("app", &["rpmctl", "doctor"]);
    assert!(
        stranger.stderr.is_empty() && stranger.stdout.contains("not root"),
        "{stranger}"
    );

    // It said much and did nothing.
    let after = checks(bed);
    let ours = |checks: &[Value]| -> Vec<String> {
        let of_ours = checks.iter().filter(|one| {
            one["what"]
                .as_str()
                .is_some_and(|what| what.contains("ill-"))
        });
        of_ours.map(ToString::to_string).collect()
    };
    assert_eq!(ours(&now), ours(&after));
    // As the remedy says.
    bed.sh_ok("groupadd ill-group");
    bed.ok(&["rpmctl", "apply", "/srv/ill/group.toml"]);
    let mended = checks(bed);
    assert_eq!(found(&mended, "", "rpmctl-watch.service works for").0, "ok");
    drop((thief, daemon));
    bed.sh_ok(
        "systemctl stop ill-gone@0.service
         rm -r /run/systemd/system/ill-well@.service.d /run/systemd/system/ill-clock-cron.timer /run/systemd/journald.conf.d/ill.conf \
            /etc/systemd/system/multi-user.target.wants/pm2-ill.service /etc/rpmctl/env/ill-gone.env /run/rpmctl/ill-gone@0
         systemctl daemon-reload
         rpmctl delete ill-well 'ill-odd: one' ill-tool ill-clock ill-edited ill-port ill-group
         userdel ill-user",
    );
}

#[test]
fn of_a_users_own_manager() {
    let bed = bed::shared();
    let doctor = [
        "env",
        "XDG_RUNTIME_DIR=/run/user/1000",
        "rpmctl",
        "--user",
        "doctor",
        "--json",
    ];
    let output = bed.run_as("app", &doctor);
    let told: Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output}"));
    let checks = told["checks"].as_array().expect("checks");
    assert_eq!(found(checks, "", "outlives your sessions").0, "ok");
    assert_eq!(found(checks, "", "systemd answers on the bus").0, "ok");
    let nobody = bed.run(&[
        "setpriv",
        "--reuid",
        "65534",
        "--clear-groups",
        "env",
        "HOME=/nonexistent",
        "rpmctl",
        "--user",
        "doctor",
    ]);
    assert_eq!(nobody.status, 1, "{nobody}");
    assert!(
        nobody.stdout.contains("no user manager is running for you")
            && nobody.stdout.contains("enable-linger"),
        "{nobody}"
    );
    assert_eq!(nobody.stderr, "", "{nobody}");
}
