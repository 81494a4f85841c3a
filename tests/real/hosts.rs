//! `-H` between machines: beds with a network between them, and an sshd in each.

use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::Signal;

use crate::bed::{self, Bed, Reached};

const PATIENCE: Duration = Duration::from_secs(120);
const SSH: &str = "ssh -F /srv/hosts/config";

/// Two machines, the second of which is for tests that stop its sshd. `down` is an address that nobody has.
struct Machines {
    here: &'static Bed,
    there: [Reached; 2],
}

fn machines() -> &'static Machines {
    static MACHINES: OnceLock<Machines> = OnceLock::new();
    MACHINES.get_or_init(|| {
        let here = bed::shared();
        here.sh_ok("mkdir -p /srv/hosts && ssh-keygen -q -t ed25519 -N '' -f /srv/hosts/key");
        let key = here.read("/srv/hosts/key.pub");
        let there = [1, 2].map(|number| {
            let machine = Reached::boot(here.leader(), number, &key);
            machine.bed.write("/srv/app/app.js", 0o644, "require('http').createServer((_, answer) => answer.end('ok')).listen(process.env.PORT, '127.0.0.1')\n");
            machine
        });
        let mut known = String::new();
        let mut config = String::from(
            "Host *\n  User root\n  IdentityFile /srv/hosts/key\n  IdentitiesOnly yes\n  UserKnownHostsFile /srv/hosts/known\nHost down\n  HostName 10.99.1.77\nHost refused\n  HostName 127.0.0.1\n  Port 9\n\
             Host stranger\n  HostName 10.99.1.2\n  UserKnownHostsFile /dev/null\nHost locked\n  HostName 10.99.1.2\n  PubkeyAuthentication no\n",
        );
        for (number, machine) in (1..).zip(&there) {
            known.push_str(&machine.known());
            config.push_str(&format!("Host m{number}\n  HostName {}\n", machine.address));
        }
        here.write("/srv/hosts/known", 0o644, known);
        // The first value that ssh finds counts.
        let (all, hosts) = config.split_at(config.find("Host down").expect("hosts"));
        here.write("/srv/hosts/config", 0o644, format!("{hosts}{all}"));
        let machines = Machines { here, there };
        for number in 1..=2 {
            here.wait_until("sshd answers", PATIENCE, || {
                here.run(&["ssh", "-F", "/srv/hosts/config", &format!("m{number}"), "true"]).status == 0
            });
        }
        machines
    })
}

impl Machines {
    fn rpmctl(&self, args: &[&str]) -> bed::Cmd<'static> {
        let args: Vec<&str> = ["rpmctl"].iter().chain(args).copied().collect();
        self.here.cmd(&args).env("RPMCTL_SSH", SSH)
    }

    fn apply(&self, machine: &str, name: &str, port: u16) {
        let file = format!(
            "[[apps]]\nname = \"{name}\"\nscript = \"/srv/app/app.js\"\ninstances = 2\nexec_mode = \"cluster\"\nport = {port}\n"
        );
        self.rpmctl(&["-H", machine, "apply", "-"]).stdin(file).ok();
    }
}

#[test]
fn apps_are_applied_looked_at_and_stopped_there() {
    let machines = machines();
    machines.apply("m1", "far", 4701);
    let there = &machines.there[0].bed;
    assert_eq!(
        there.http_get("127.0.0.1:4701", "/").expect("HTTP").body,
        "ok"
    );
    for command in [
        &["list", "--json"][..],
        &["show", "far@1", "--json"],
        &["status", "far", "--json"],
    ] {
        let names = |text: &str| text.matches("\"name\":\"far\"").count();
        let args: Vec<&str> = ["-H", "m1"].iter().chain(command).copied().collect();
        let told = machines.rpmctl(&args).ok();
        let own: Vec<&str> = ["rpmctl"].iter().chain(command).copied().collect();
        assert_eq!(names(&told), names(&there.ok(&own)), "{told}");
        assert!(names(&told) > 0);
    }
    let table = machines
        .rpmctl(&["-H", "m1", "list", "far"])
        .env("COLUMNS", "200")
        .ok();
    assert!(
        table.contains("far@0") && table.contains("online") && !table.contains("\x1b["),
        "{table}"
    );
    machines.rpmctl(&["stop", "far@1", "-H", "root@m1"]).ok();
    let status = machines.rpmctl(&["-H", "m1", "status", "far"]).run();
    assert_eq!(status.status, 3, "{status}");
    // Words of any kind arrive as they are.
    let odd = "no 'such' \"app\" $HOME `id` \\ * ~ !!\né";
    let said = machines.rpmctl(&["-H", "m1", "show", odd]).run();
    let own = there.run(&["rpmctl", "show", odd]);
    assert_eq!((said.status, said.stderr), (own.status, own.stderr));
    // The user's own manager.
    let own = machines.rpmctl(&["-H", "app@m1", "--user", "list"]).run();
    assert_eq!(
        (own.status, own.stdout.as_str()),
        (0, "no apps; start with: rpmctl apply ecosystem.toml\n"),
        "{own}"
    );
}

#[test]
fn what_runs_there_ends_with_the_one_who_asked() {
    let machines = machines();
    machines.apply("m1", "followed", 4702);
    let there = &machines.there[0].bed;
    let running = |command: &str| {
        let line = format!("rpmctl __at [0-9.]+ -- -H m1 {command}");
        there.run(&["pgrep", "-fx", &line]).status == 0
    };
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let mut logs = machines
            .rpmctl(&["-H", "m1", "logs", "-f", "followed"])
            .spawn();
        there.wait_until("it runs there", PATIENCE, || running("logs -f followed"));
        logs.signal(signal);
        assert_eq!(logs.wait(PATIENCE).status, 128 + signal.as_raw());
        there.wait_until("it is gone there", PATIENCE, || {
            !running("logs -f followed")
        });
    }
    // On a terminal, which is one there too.
    let line = format!("RPMCTL_SSH='{SSH}' exec rpmctl -H m1 status followed --watch");
    let screen = machines
        .here
        .cmd(&["script", "-qec", &line, "/dev/null"])
        .env("TERM", "xterm")
        .spawn();
    there.wait_until("the screen is drawn", PATIENCE, || {
        let shown = screen.printed().0;
        shown.contains("followed@1") && shown.contains("\x1b[")
    });
    assert!(running("status followed --watch"));
    drop(screen);
    there.wait_until("it is gone there", PATIENCE, || {
        !running("status followed --watch")
    });
}

#[test]
fn three_in_one_table_whatever_becomes_of_them() {
    let machines = machines();
    machines.apply("m1", "here-too", 4703);
    machines.apply("m2", "near", 4704);
    let args = [
        "status",
        "-H",
        "m1",
        "-H",
        "m2",
        "-H",
        "down",
        "--host-timeout",
        "15",
    ];
    let three = || machines.rpmctl(&args).run();
    let both = machines
        .rpmctl(&["list", "--json", "-H", "m1", "-H", "m2"])
        .ok();
    for row in ["\"host\":\"m1\"", "\"host\":\"m2\"", "\"name\":\"near\""] {
        assert!(both.contains(row), "{both}");
    }
    let seen = |text: &str, begins: &[&str], holds: &str| {
        let line = |line: &str| {
            begins
                .iter()
                .all(|word| line.split_whitespace().any(|one| one == *word))
        };
        assert!(
            text.lines().any(|one| line(one) && one.contains(holds)),
            "no {begins:?} {holds}\n{text}"
        );
    };
    let answer = three();
    assert_eq!(answer.status, 1, "{answer}");
    seen(&answer.stdout, &["m1", "here-too", "2/2"], "online");
    seen(&answer.stdout, &["m2", "near", "2/2"], "online");
    seen(&answer.stdout, &["down"], "unreachable");
    seen(&answer.stdout, &["down:"], "it does not answer");

    // Its kernel takes the connection, and nobody says a word.
    let sshd = there_pid(&machines.there[1]);
    let pid = sshd.to_string();
    machines.there[1].bed.ok(&["kill", "-STOP", &pid]);
    let answer = three();
    machines.there[1].bed.ok(&["kill", "-CONT", &pid]);
    assert_eq!(answer.status, 1, "{answer}");
    seen(&answer.stdout, &["m1", "here-too"], "online");
    seen(&answer.stdout, &["m2"], "unreachable");
    let answer = machines
        .rpmctl(&["status", "near", "-H", "m2", "-H", "m2"])
        .run();
    assert_eq!(answer.status, 0, "{answer}");
}

/// The sshd that listens, as its bed numbers it.
fn there_pid(machine: &Reached) -> u32 {
    let found = machine.bed.ok(&["pgrep", "-o", "-f", "/sshd -D -e"]);
    assert!(
        !machine.sshd.printed().1.contains("fatal"),
        "{:?}",
        machine.sshd.printed()
    );
    found.trim().parse().expect("a process")
}

/// What is broken on the first is no reason to leave the second out; here both are one machine.
#[test]
fn the_doctor_goes_to_each() {
    let machines = machines();
    let line = ["doctor", "--verbose", "-H", "m1", "-H", "root@m1"];
    machines.there[0].bed.sh_ok("mkdir -p /run/systemd/journald.conf.d && printf '[Journal]\\nStorage=none\\n' >/run/systemd/journald.conf.d/none.conf");
    let both = machines.rpmctl(&line).run();
    machines.there[0]
        .bed
        .sh_ok("rm /run/systemd/journald.conf.d/none.conf");
    assert_eq!(both.status, 1, "{both}");
    assert_eq!(
        both.stdout.matches("systemd answers on the bus").count(),
        2,
        "{both}"
    );
    assert_eq!(both.stdout.matches("Storage=none").count(), 2, "{both}");
}

#[test]
fn why_it_is_not_reached() {
    let machines = machines();
    for (host, said) in [
        (
            "stranger",
            "error: stranger: its host key is not known yet\n",
        ),
        (
            "locked",
            "error: locked: it lets nobody in with these keys\n",
        ),
        (
            "refused",
            "error: refused: nothing listens on its ssh port\n",
        ),
        ("down", "error: down: it does not answer\n"),
        (
            "no-such-name.invalid",
            "error: no-such-name.invalid: no address is known for this name\n",
        ),
    ] {
        let output = machines
            .rpmctl(&["-H", host, "--host-timeout", "30", "list"])
            .run();
        assert_eq!((output.status, output.stdout.as_str()), (1, ""), "{output}");
        assert!(output.stderr.contains(said), "{said}\n{output}");
    }
}
