//! A whole machine from a package on: installed, an Express app applied, rebooted, updated, removed, rebooted without rpmctl, purged. The app answers
//! throughout.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::guest::{Guest, PATIENCE};
use crate::{made, nodes, package};

struct Kind {
    ending: &'static str,
    install: &'static str,
    remove: &'static str,
    /// What it leaves of its own, and what is no package any more afterwards.
    purge: &'static str,
}

const DEB: Kind = Kind {
    ending: "deb",
    install: "dpkg --install",
    remove: "dpkg --remove rpmctl",
    purge: "dpkg --purge rpmctl && ! dpkg-query --show rpmctl 2>/dev/null",
};

/// This Debian's own packages are no .rpms, so nothing can be asked of them.
const RPM: Kind = Kind {
    ending: "rpm",
    install: "rpm --force-debian --dbpath /var/lib/rpm --nodeps --upgrade",
    remove: "rpm --force-debian --dbpath /var/lib/rpm --erase rpmctl",
    purge: "find /var/lib/rpmctl -mindepth 1 -maxdepth 1 ! -name shim -exec rm -r {} +
            rm -f /etc/systemd/system/*.wants/rpmctl-*
            ! rpm --force-debian --dbpath /var/lib/rpm --query rpmctl >/dev/null",
};

const ASK: &str = "import json, urllib.request
answer = json.load(urllib.request.urlopen('http://127.0.0.1:3000/', timeout=60))
print(answer['message'])";

/// It answers, at the latest when it is up.
#[track_caller]
fn answers(guest: &Guest) {
    guest.wait_until("Express answers", PATIENCE, || {
        guest.run(&["python3", "-c", ASK]).stdout == "hello from Express\n"
    });
}

/// Each instance's process and run.
fn runs(guest: &Guest) -> String {
    let ask = "systemctl show -p Id,MainPID,InvocationID,NRestarts $(systemctl list-units --plain --no-legend 'api-server@*' | cut -d' ' -f1)";
    guest.sh_ok(ask)
}

fn life(kind: &Kind) {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/examples/express");
    let more: Vec<(PathBuf, &str)> = vec![
        (package(&made(), kind.ending), "now"),
        (package(&made().join("next"), kind.ending), "next"),
        (example, "express"),
        (nodes::express().join("node_modules"), "node_modules"),
    ];
    let guest = Guest::boot(&more);
    // Without KVM, on a busy machine, Express takes longer than the 30 s that an instance has.
    guest.sh_ok(
        "rm /usr/local/bin/rpmctl
         cp -r /opt/guest/express /srv/api
         cp -r /opt/guest/node_modules /srv/api/
         sed -i 's/^exec_mode = .*/&\\nlisten_timeout = 600000/' /srv/api/ecosystem.toml",
    );
    let step = |script: &str| println!("$ {script}\n{}", guest.sh_ok(script));
    step(&format!("{} /opt/guest/now", kind.install));
    step("rpmctl apply /srv/api/ecosystem.toml");
    answers(&guest);

    guest.reboot();
    answers(&guest);
    step("rpmctl status");

    let before = runs(&guest);
    assert!(before.matches("MainPID=").count() > 0, "{before}");
    step(&format!("{} /opt/guest/next", kind.install));
    assert_eq!(runs(&guest), before, "after the update");
    answers(&guest);
    // The next one's own module for Node, at the next apply.
    step("rpmctl plan --detailed-exitcode /srv/api/ecosystem.toml || [ $? = 2 ]");

    step(kind.remove);
    assert_eq!(runs(&guest), before, "after it was removed");
    answers(&guest);
    step("! command -v rpmctl");

    guest.reboot();
    answers(&guest);
    let before = runs(&guest);
    step(kind.purge);
    assert_eq!(runs(&guest), before, "after the purge");
    let left = "find /var/lib/rpmctl /run/rpmctl -mindepth 1 -maxdepth 1 ! -name shim ! -name '*@*'
                find /etc/systemd/system -name 'rpmctl*'";
    assert_eq!(guest.sh_ok(left), "", "after the purge");
    answers(&guest);
    let failed = guest.ok(&["systemctl", "list-units", "--failed", "--no-legend"]);
    assert!(
        !failed.contains("rpmctl") && !failed.contains("api-server"),
        "{failed}"
    );
}

#[test]
fn with_the_deb() {
    life(&DEB);
}

#[test]
fn with_the_rpm() {
    life(&RPM);
}
