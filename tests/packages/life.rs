//! Installed, updated, taken back, removed, installed again and purged, while an app runs: the app does not notice.

use std::path::PathBuf;
use std::time::Duration;

use crate::bed::{Bed, Options};
use crate::{made, nodes, package};

const PATIENCE: Duration = Duration::from_secs(120);

const HELLO: &str = "hello from Express";

/// All that rpmctl does for an app besides its units: a watcher, log files, something by the clock.
const APP: &str = r#"
[[apps]]
name = "api"
script = "/home/app/api/app.js"
instances = 2
exec_mode = "cluster"
user = "app"
max_memory_restart = "400M"
out_file = "/home/app/api/out.log"
cron_restart = "0 3 * * *"

[apps.env]
PORT = 3000
NODE_ENV = "production"
"#;

/// The Express app of the package's own examples, with what it asks npm for.
const BRING: &str = "cp /usr/share/doc/rpmctl/examples/express/app.js /home/app/api/ && cp -r /srv/node_modules /home/app/api/";

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Deb,
    Rpm,
}

/// Of the user `app`, by that user's own manager.
const MINE: &str = r#"
[[apps]]
name = "mine"
script = "/bin/sleep"
args = "infinity"
max_memory_restart = "400M"
"#;

struct Machine {
    bed: Bed,
    kind: Kind,
    /// How rpm is called.
    rpm: &'static str,
}

impl Machine {
    fn boot(kind: Kind) -> Machine {
        let bed = Bed::boot(Options::default());
        bed.sh_ok("rm /usr/local/bin/rpmctl");
        let file = |folder: PathBuf| {
            let ending = if kind == Kind::Deb { "deb" } else { "rpm" };
            std::fs::read(package(&folder, ending)).expect("a package")
        };
        bed.write("/srv/now", 0o644, file(made()));
        bed.write("/srv/next", 0o644, file(made().join("next")));
        bed.copy_in(nodes::express().join("node_modules"), "/srv/node_modules");
        bed.write("/srv/api/ecosystem.toml", 0o644, APP);
        bed.write("/srv/mine/ecosystem.toml", 0o644, MINE);
        bed.sh_ok("useradd --uid 1001 idle && systemctl start user@1001.service");
        // Until 4.18 Debian's is told that it is meant.
        let rpm = match bed.run(&["rpm", "--force-debian", "--version"]).status {
            0 => "rpm --force-debian --dbpath /var/lib/rpm",
            _ => "rpm --dbpath /var/lib/rpm",
        };
        Machine { bed, kind, rpm }
    }

    #[track_caller]
    fn install(&self, which: &str) {
        let script = match self.kind {
            Kind::Deb => format!("dpkg --install /srv/{which}"),
            // This machine's own packages are no .rpms.
            Kind::Rpm => {
                format!("{} --upgrade --oldpackage --nodeps /srv/{which}", self.rpm)
            }
        };
        self.quietly(&script);
    }

    #[track_caller]
    fn remove(&self) {
        self.quietly(&match self.kind {
            Kind::Deb => "dpkg --remove rpmctl".to_owned(),
            Kind::Rpm => format!("{} --erase rpmctl", self.rpm),
        });
    }

    /// Nothing complains.
    #[track_caller]
    fn quietly(&self, script: &str) {
        let words: Vec<&str> = script.split(' ').collect();
        let ran = self.bed.cmd(&words).deadline(PATIENCE).run();
        println!("$ {script}\n{ran}");
        let said = ran.stderr.lines().filter(|line| {
            !["downgrading rpmctl", "Creating group 'rpmctl'"]
                .iter()
                .any(|known| line.contains(known))
                && !line.is_empty()
        });
        assert_eq!((ran.status, said.count()), (0, 0), "{script}: {ran}");
    }

    #[track_caller]
    fn answers(&self) {
        let answer = self.bed.http_get("127.0.0.1:3000", "/").expect("HTTP");
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.body.contains(HELLO), "{}", answer.body);
    }

    /// Processes and runs of the app's instances.
    fn runs(&self) -> String {
        let ask = [
            "systemctl",
            "show",
            "-p",
            "MainPID,InvocationID,NRestarts,ActiveState",
        ];
        self.bed.ok(&[&ask[..], &["api@0", "api@1"]].concat())
    }

    fn is_active(&self, unit: &str) -> bool {
        self.bed
            .run(&["systemctl", "is-active", "--quiet", unit])
            .status
            == 0
    }

    fn watcher(&self) -> String {
        self.bed
            .ok(&["systemctl", "show", "-P", "MainPID", "rpmctl-watch.service"])
    }

    /// The process of the watcher of the user `app`; 0 without.
    fn users_watcher(&self) -> u32 {
        let ask = ["systemctl", "--user", "show", "-P", "MainPID"];
        let ask = [&ask[..], &["rpmctl-watch.service"]].concat();
        let said = self.bed.ok_as("app", &ask);
        said.trim().parse().expect("a process")
    }

    /// A user who has a manager and never called rpmctl has no watcher.
    #[track_caller]
    fn idle_has_none(&self) {
        let ask = ["systemctl", "--user", "--machine=1001@", "is-active"];
        let state = self
            .bed
            .run(&[&ask[..], &["rpmctl-watch.service"]].concat());
        assert_eq!(state.stdout, "inactive\n", "{state}");
    }

    #[track_caller]
    fn plan_says(&self, code: i32) {
        let plan = [
            "rpmctl",
            "plan",
            "--detailed-exitcode",
            "/srv/api/ecosystem.toml",
        ];
        let plan = self.bed.run(&plan);
        assert_eq!(plan.status, code, "{plan}");
    }

    #[track_caller]
    fn nothing_to_do(&self) {
        self.plan_says(0);
    }

    /// What units and environment files name below /var/lib/rpmctl/shim.
    fn loaded(&self) -> String {
        self.bed.sh_ok("grep -rhoE '/var/lib/rpmctl/shim/[a-z0-9.-]+' /etc/rpmctl/env /etc/systemd/system | sort -u")
    }

    /// Every file by rpmctl's name or in a folder of that name, but for what a running instance has, and users in their homes.
    fn left(&self) -> String {
        self.bed.sh_ok(
            "find / -xdev \\( -path /proc -o -path /sys -o -path /srv -o -path /home -o -path /var/log -o -path '/tmp/*' \\) -prune -o \
                 \\( -name '*rpmctl*' -o -path '*/rpmctl/*' \\) ! -type d -print
             find /run/rpmctl -mindepth 1 -maxdepth 1 ! -name '*@*' 2>/dev/null || :
             find / -xdev -type d -name rpmctl ! -path '/proc/*' ! -path '/sys/*' ! -path '/home/*' -print
             cd /etc/systemd/system && find . -name '*api*' | sort",
        )
    }
}

/// From nothing to an app that runs, then a newer rpmctl and back; the app does not notice.
fn until_it_runs(machine: &Machine) {
    let bed = &machine.bed;
    machine.install("now");
    assert!(
        !machine.is_active("rpmctl-watch.service"),
        "no app needs it"
    );
    assert_eq!(
        bed.ok(&["stat", "-c", "%a %U %G", "/run/rpmctl/lock"]),
        "640 root rpmctl\n"
    );
    bed.cmd(&["sh", "-ec", "mkdir /home/app/api"])
        .user("app")
        .ok();
    bed.sh_ok(BRING);
    bed.ok(&["rpmctl", "apply", "/srv/api/ecosystem.toml"]);
    bed.ok(&["rpmctl", "metrics", "--install"]);
    machine.answers();
    bed.ok_as(
        "app",
        &["rpmctl", "apply", "--user", "/srv/mine/ecosystem.toml"],
    );
    let own = bed.ok(&[
        "systemctl",
        "show",
        "-P",
        "FragmentPath",
        "rpmctl-watch.service",
    ]);
    assert!(
        own.ends_with("lib/systemd/system/rpmctl-watch.service\n") && !own.contains("/etc/"),
        "{own}"
    );
    assert!(!bed.exists("/etc/systemd/system/rpmctl-metrics.socket"));
    machine.nothing_to_do();

    let (runs, loaded) = (machine.runs(), machine.loaded());
    for version in ["next", "now"] {
        let (watcher, users) = (machine.watcher(), machine.users_watcher());
        assert_ne!(users, 0);
        machine.install(version);
        assert_eq!(machine.runs(), runs, "after {version}");
        machine.answers();
        assert!(machine.is_active("rpmctl-watch.service"));
        assert_ne!(
            machine.watcher(),
            watcher,
            "it runs the rpmctl that was replaced"
        );
        let after = machine.users_watcher();
        assert!(after != 0 && after != users, "{after}: the user's");
        machine.idle_has_none();
        assert_eq!(
            bed.http_get("127.0.0.1:9209", "/metrics")
                .expect("HTTP")
                .status,
            200
        );
        // What the next one loads into Node is another file; what runs keeps its own, and starts with it.
        machine.plan_says(if version == "next" { 2 } else { 0 });
        assert_eq!(machine.loaded(), loaded);
        for file in loaded.lines() {
            assert!(bed.exists(file), "{file} after {version}");
        }
    }
    machine.install("next");
    bed.ok(&["systemctl", "restart", "api@0.service", "api@1.service"]);
    machine.answers();
    bed.ok(&["rpmctl", "apply", "/srv/api/ecosystem.toml"]);
    assert_ne!(machine.loaded(), loaded);
    machine.nothing_to_do();
    let runs = machine.runs();
    machine.install("now");
    assert_eq!(machine.runs(), runs, "a step back after an apply");
    machine.plan_says(2);
    bed.ok(&["rpmctl", "apply", "/srv/api/ecosystem.toml"]);
    assert_eq!(machine.loaded(), loaded);
}

/// It runs, starts again by order and by itself, and is what a next rpmctl finds.
fn removed(machine: &Machine) {
    let bed = &machine.bed;
    let runs = machine.runs();
    machine.remove();
    assert!(!bed.exists("/usr/bin/rpmctl"));
    assert_eq!(machine.runs(), runs);
    machine.answers();
    assert!(!machine.is_active("rpmctl-watch.service"));
    assert!(!machine.is_active("rpmctl-metrics.socket"));
    assert_eq!(machine.users_watcher(), 0);
    if machine.kind == Kind::Rpm {
        let left = "find /run/rpmctl -mindepth 1 -maxdepth 1 ! -name '*@*'";
        assert_eq!(bed.sh_ok(left), "");
    }
    by_the_clock(machine);
    starts_again(machine);

    let runs = machine.runs();
    machine.install("now");
    assert_eq!(machine.runs(), runs);
    assert!(
        machine.is_active("rpmctl-watch.service"),
        "apply had enabled it"
    );
    assert!(machine.is_active("rpmctl-metrics.socket"));
    assert_ne!(machine.users_watcher(), 0, "apply had enabled it");
    machine.idle_has_none();
    machine.nothing_to_do();
}

/// While another rpmctl is in use, its state is not the package's to take.
fn another_is_in_use(machine: &Machine, end: impl Fn(&Machine)) {
    let bed = &machine.bed;
    let state = || bed.sh_ok("find /var/lib/rpmctl /run/rpmctl -type f | sort");
    let watcher = "/etc/systemd/system/rpmctl-watch.service";
    let cases = [
        (
            "cp /usr/bin/rpmctl /usr/local/bin/",
            "rm /usr/local/bin/rpmctl",
        ),
        (
            "cp /usr/bin/rpmctl /opt/ && sed 's,/usr/bin/,/opt/,' /usr/lib/systemd/system/rpmctl-watch.service \
                 >/etc/systemd/system/rpmctl-watch.service && systemctl daemon-reload && systemctl restart rpmctl-watch.service",
            "rm /opt/rpmctl /etc/systemd/system/rpmctl-watch.service && systemctl daemon-reload",
        ),
    ];
    for (comes, goes) in cases {
        bed.sh_ok(comes);
        let before = state();
        assert!(before.contains("/run/rpmctl/lock\n"), "{before}");
        assert!(before.contains("/var/lib/rpmctl/generations/"), "{before}");
        end(machine);
        assert_eq!(state(), before, "{comes}");
        if bed.exists(watcher) {
            assert!(machine.is_active("rpmctl-watch.service"));
        }
        machine.answers();
        bed.sh_ok(goes);
        machine.install("now");
        // The purge took links to a unit that was gone.
        bed.ok(&["rpmctl", "apply", "/srv/api/ecosystem.toml"]);
        machine.answers();
    }
}

/// dpkg stops what it then does not remove: what ran runs again.
fn not_removed_after_all(machine: &Machine) {
    let bed = &machine.bed;
    bed.ok(&["/var/lib/dpkg/info/rpmctl.prerm", "remove"]);
    let watchers = || {
        [
            machine.is_active("rpmctl-watch.service"),
            machine.is_active("rpmctl-metrics.socket"),
            machine.users_watcher() != 0,
        ]
    };
    assert_eq!(watchers(), [false; 3]);
    bed.ok(&["/var/lib/dpkg/info/rpmctl.postinst", "abort-remove"]);
    assert_eq!(watchers(), [true; 3]);
    machine.idle_has_none();
}

/// What `cron_restart` asks for, without rpmctl: one after another.
fn by_the_clock(machine: &Machine) {
    let bed = &machine.bed;
    let of = |property: &str| {
        let ask = ["systemctl", "show", "--value", "-p", property];
        let said = bed.ok(&[&ask[..], &["api@0", "api@1"]].concat());
        let values: Vec<String> = said.split_whitespace().map(str::to_owned).collect();
        assert_eq!(values.len(), 2, "{said}");
        values
    };
    let before = of("InvocationID");
    // A timer that has only just begun lets a time pass.
    bed.wait_until("both are restarted", PATIENCE, || {
        bed.ok(&["systemctl", "start", "api-cron.service"]);
        of("InvocationID")
            .iter()
            .zip(&before)
            .all(|(now, before)| now != before)
    });
    let time = |text: &str| text.parse::<u64>().expect("microseconds");
    let (ready, begun) = (
        of("ActiveEnterTimestampMonotonic"),
        of("InactiveExitTimestampMonotonic"),
    );
    assert!(
        time(&ready[0]) <= time(&begun[1]),
        "{ready:?} {begun:?}: the next when one is ready"
    );
    machine.answers();
    let said = bed.ok(&["journalctl", "-o", "cat", "-u", "api-cron.service"]);
    assert!(said.contains("/usr/bin/rpmctl is gone"), "{said}");
}

fn starts_again(machine: &Machine) {
    let bed = &machine.bed;
    bed.ok(&["systemctl", "restart", "api@0.service"]);
    bed.ok(&["systemctl", "kill", "--signal=KILL", "api@1.service"]);
    bed.ok(&["systemctl", "stop", "api.target"]);
    bed.ok(&["systemctl", "start", "api.target"]);
    bed.wait_until("both instances run again", PATIENCE, || {
        machine.runs().matches("ActiveState=active").count() == 2
    });
    bed.wait_until("it answers", PATIENCE, || {
        bed.http_get("127.0.0.1:3000", "/")
            .is_ok_and(|it| it.body.contains(HELLO))
    });
}

#[test]
fn life_of_the_deb() {
    let machine = Machine::boot(Kind::Deb);
    let bed = &machine.bed;
    until_it_runs(&machine);
    removed(&machine);
    not_removed_after_all(&machine);
    another_is_in_use(&machine, |it| it.quietly("dpkg --purge rpmctl"));

    let runs = machine.runs();
    machine.quietly("dpkg --purge rpmctl");
    assert_eq!(machine.runs(), runs);
    machine.answers();
    starts_again(&machine);
    let left = machine.left();
    let named = machine.loaded();
    let mut expected: Vec<&str> = vec!["/etc/rpmctl", "/etc/rpmctl/env/api.env", "/var/lib/rpmctl"];
    expected.extend(named.lines());
    let mut rest: Vec<&str> = left
        .lines()
        .filter(|line| !line.starts_with("./"))
        .collect();
    rest.sort_unstable();
    expected.sort_unstable();
    assert_eq!(rest, expected, "\n{left}");

    // With the apps deleted before, nothing is left but what Debian never takes back: a group.
    machine.install("now");
    bed.ok(&["rpmctl", "apply", "/srv/api/ecosystem.toml"]);
    assert!(machine.is_active("rpmctl-watch.service"));
    bed.ok(&["rpmctl", "metrics", "--uninstall"]);
    bed.ok(&["rpmctl", "delete", "all"]);
    machine.quietly("dpkg --purge rpmctl");
    assert_eq!(machine.left(), "");
    let failed = bed.ok(&[
        "systemctl",
        "list-units",
        "--failed",
        "--no-legend",
        "*rpmctl*",
        "api*",
    ]);
    assert_eq!(failed, "");
}

#[test]
fn life_of_the_rpm() {
    let machine = Machine::boot(Kind::Rpm);
    let bed = &machine.bed;
    until_it_runs(&machine);
    removed(&machine);
    another_is_in_use(&machine, Machine::remove);

    bed.ok_as("app", &["rpmctl", "delete", "--user", "all"]);
    bed.ok(&["rpmctl", "metrics", "--uninstall"]);
    bed.ok(&["rpmctl", "delete", "all"]);
    machine.remove();
    bed.ok(&["rm", "-r", "/etc/rpmctl", "/var/lib/rpmctl"]);
    assert_eq!(machine.left(), "");
}
