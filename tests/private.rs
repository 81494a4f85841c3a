//! The private manager, for real: needs root, systemd and dbus, as `rpmctl run` does.
//!
//! Brings its own `main` because booting re-executes the running program: as guard, as pid 1, and here as the stand-in
//! for `rpmctl run` that gets signals. What is left is looked for from outside, in the machine's own mounts.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const LIMIT: Duration = Duration::from_secs(60);
const HOLD: &str = "hold";
const TETHER: &str = "tether";

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next() {
        Some(first) if first == rpmctl::private::INIT_SUBCOMMAND => {
            return rpmctl::private::init_main(args);
        }
        Some(first) if first == HOLD => return hold(),
        Some(first) if first == TETHER => return tether(args.next().unwrap().into()),
        _ => {}
    }
    let tests: &[(&str, fn())] = &[
        (
            "a_unit_runs_and_its_lines_are_in_the_journal",
            a_unit_runs_and_its_lines_are_in_the_journal,
        ),
        ("an_app_can_have_another_user", an_app_can_have_another_user),
        (
            "an_app_inherits_the_environment",
            an_app_inherits_the_environment,
        ),
        (
            "run_outside_the_mounts_is_as_before",
            run_outside_the_mounts_is_as_before,
        ),
        (
            "apps_end_as_they_wish_on_sigterm",
            apps_end_as_they_wish_on_sigterm,
        ),
        ("nothing_is_left_after_sigint", nothing_is_left_after_sigint),
        (
            "nothing_is_left_after_sigkill",
            nothing_is_left_after_sigkill,
        ),
        (
            "an_app_that_ignores_sigterm_ends_after_sigkill_too",
            an_app_that_ignores_sigterm_ends_after_sigkill_too,
        ),
        (
            "nothing_is_left_after_the_guard_is_killed",
            nothing_is_left_after_the_guard_is_killed,
        ),
        ("two_at_once_do_not_meet", two_at_once_do_not_meet),
        (
            "a_read_only_cgroup_tree_is_worked_around",
            a_read_only_cgroup_tree_is_worked_around,
        ),
        (
            "what_is_tethered_ends_with_its_holder_killed",
            what_is_tethered_ends_with_its_holder_killed,
        ),
        (
            "what_is_tethered_ends_when_released",
            what_is_tethered_ends_when_released,
        ),
        (
            "without_root_the_error_says_so",
            without_root_the_error_says_so,
        ),
    ];
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let mut failed = 0;
    for (name, test) in tests {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let begun = Instant::now();
        let passed = std::panic::catch_unwind(test).is_ok();
        println!(
            "test {name} ... {} ({} ms)",
            if passed { "ok" } else { "FAILED" },
            begun.elapsed().as_millis()
        );
        failed += u32::from(!passed);
    }
    ExitCode::from(u8::from(failed > 0))
}

/// The stand-in for `rpmctl run`: boots, tells where things are, waits for SIGTERM or SIGINT, shuts down.
fn hold() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let begun = Instant::now();
        let mut manager = match rpmctl::private::boot().await {
            Ok(manager) => manager,
            Err(error) => {
                eprintln!("error: {error:#}");
                return ExitCode::FAILURE;
            }
        };
        println!("{} {}", manager.pid(), begun.elapsed().as_millis());
        // Reaches the same files by the same paths as the manager does.
        fs::write(manager.unit_dir().join("probe"), "").unwrap();
        assert!(
            manager
                .seen_from_outside(&manager.unit_dir().join("probe"))
                .exists()
        );
        use tokio::signal::unix::{SignalKind, signal};
        let mut term = signal(SignalKind::terminate()).unwrap();
        let mut int = signal(SignalKind::interrupt()).unwrap();
        println!("listening");
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            error = manager.ended() => {
                eprintln!("error: {error:#}");
                manager.shutdown().await.unwrap();
                return ExitCode::FAILURE;
            }
        }
        manager.shutdown().await.unwrap();
        ExitCode::SUCCESS
    })
}

/// The stand-in for `rpmctl run` where a manager can be reached: fastens a tether and waits for its end.
fn tether(file: PathBuf) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let address = std::env::var("BUS").unwrap();
        let connection = zbus::connection::Builder::address(&*address)
            .build()
            .await
            .unwrap();
        let mut tether = rpmctl::private::Tether::fasten(&connection).await.unwrap();
        tether.remove_at_end(&file).await.unwrap();
        println!("{} {}", std::process::id(), tether.unit_name());
        let mut term =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
        println!("listening");
        term.recv().await;
        tether.release().await.unwrap();
        ExitCode::SUCCESS
    })
}

struct Run {
    child: Child,
    init: u32,
    boot_ms: u128,
}

impl Run {
    fn start() -> Run {
        Run::of(Command::new(std::env::current_exe().unwrap()).arg(HOLD))
    }

    fn of(command: &mut Command) -> Run {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().expect("it boots").unwrap();
        let (init, boot_ms) = first.split_once(' ').unwrap();
        let run = Run {
            init: init.parse().unwrap(),
            boot_ms: boot_ms.parse().unwrap(),
            child,
        };
        assert_eq!(lines.next().expect("it listens").unwrap(), "listening");
        run
    }

    /// A path of the private manager's, from here.
    fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.init))
    }

    fn busctl(&self, call: &[&str]) -> String {
        let bus = format!(
            "--address=unix:path={}",
            self.path("/run/systemd/rpmctl/bus").display()
        );
        output(Command::new("busctl").arg(bus).args(call))
    }

    fn start_unit(&self, name: &str, text: &str) {
        fs::write(self.path("/run/systemd/rpmctl/units").join(name), text).unwrap();
        self.start_job(name);
    }

    fn start_job(&self, name: &str) {
        self.busctl(&[
            "call",
            "org.freedesktop.systemd1",
            "/org/freedesktop/systemd1",
            "org.freedesktop.systemd1.Manager",
            "StartUnit",
            "ss",
            name,
            "replace",
        ]);
    }

    fn journal(&self, matches: &[&str]) -> String {
        let dir = self.path("/run/log/journal");
        output(
            Command::new("journalctl")
                .args(["-q", "-o", "cat", "-D"])
                .arg(dir)
                .args(matches),
        )
    }

    /// Waits for a line in the journal. By systemd-cat's identifier: under a user manager the lines of short-lived
    /// children lack the unit's name, journald having found them gone.
    fn told(&self, identifier: &str, line: &str) {
        let identifier = format!("SYSLOG_IDENTIFIER={identifier}");
        let begun = Instant::now();
        while !self.journal(&[&identifier]).lines().any(|got| got == line) {
            assert!(
                begun.elapsed() < LIMIT,
                "no line {line:?} of {identifier} in:\n{}",
                self.journal(&[])
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn signal(&self, signal: Signal) {
        kill(self.child.id(), signal);
    }

    /// All of pid namespace, with pids as seen here.
    fn members(&self) -> BTreeSet<u32> {
        let namespace = pid_namespace(self.init);
        assert_ne!(
            namespace,
            pid_namespace(std::process::id()),
            "{} has a pid namespace of its own",
            self.init
        );
        processes()
            .into_iter()
            .filter(|&pid| pid_namespace(pid) == namespace)
            .collect()
    }

    /// The pid here of what is `pid` in the private pid namespace.
    fn seen_here(&self, pid: &str) -> u32 {
        let is = |member: &u32| {
            let status = fs::read_to_string(format!("/proc/{member}/status")).unwrap_or_default();
            status
                .lines()
                .any(|line| line.starts_with("NSpid:") && line.ends_with(&format!("\t{pid}")))
        };
        self.members()
            .into_iter()
            .find(is)
            .expect("a process of that pid")
    }

    /// The exit code, once it is over and nothing of it is left.
    fn gone(mut self, before: &Machine) -> Option<i32> {
        let code = self.child.wait().unwrap().code();
        let begun = Instant::now();
        let mut now = Machine::now();
        while now != *before && begun.elapsed() < LIMIT {
            std::thread::sleep(Duration::from_millis(10));
            now = Machine::now();
        }
        assert_eq!(now, *before, "the machine is as it was before");
        code
    }
}

impl Drop for Run {
    /// When a test failed half-way; otherwise it is gone already.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        wait_until("the run to end", || {
            !Path::new(&format!("/proc/{}", self.init)).exists()
        });
    }
}

/// What a run could leave behind.
#[derive(Debug, PartialEq)]
struct Machine {
    /// Those where a run mounts something; others come and go.
    mounts: Vec<String>,
    cgroups: BTreeSet<PathBuf>,
    processes: BTreeSet<u32>,
    files: BTreeSet<PathBuf>,
}

impl Machine {
    fn now() -> Machine {
        let at = ["/run/systemd", "/run/log", "/proc", "/sys/fs/cgroup"];
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let entries = |dir: &str| {
            fs::read_dir(dir)
                .into_iter()
                .flatten()
                .map(|entry| entry.unwrap().path())
        };
        Machine {
            mounts: mounts
                .lines()
                .filter(|line| {
                    line.split(' ')
                        .nth(4)
                        .is_some_and(|point| at.iter().any(|at| point.starts_with(at)))
                })
                .map(str::to_owned)
                .collect(),
            cgroups: cgroups(Path::new("/sys/fs/cgroup"), 4),
            processes: relatives(),
            files: ["/run", "/run/systemd", "/run/log"]
                .into_iter()
                .flat_map(entries)
                .collect(),
        }
    }
}

/// Cgroups of runs, in any hierarchy, other than those of other programs that run; others' come and go while this looks.
fn cgroups(dir: &Path, depth: usize) -> BTreeSet<PathBuf> {
    let below = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        // What runs in somebody's bed is not of this machine.
        .filter(|path| !path.to_string_lossy().contains("/rpmctl-bed-"));
    let (runs, others): (Vec<_>, Vec<_>) = below.partition(|path| {
        path.file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"rpmctl-run-"))
    });
    let deeper = others
        .iter()
        .filter(|_| depth > 0)
        .flat_map(|path| cgroups(path, depth - 1));
    let runs = runs.into_iter().filter(|path| !is_of_another(path));
    runs.chain(deeper).collect()
}

/// Whether `…/rpmctl-run-<pid>.slice` is of a running process of another program.
fn is_of_another(cgroup: &Path) -> bool {
    let name = cgroup.file_name().and_then(|name| name.to_str());
    let pid = name.and_then(|name| name.strip_prefix("rpmctl-run-")?.split(['.', '-']).next());
    let exe = fs::read_link(format!("/proc/{}/exe", pid.unwrap_or_default()));
    exe.is_ok_and(|exe| exe != std::env::current_exe().unwrap())
}

/// Processes of this program other than this one, and all in their pid namespaces.
fn relatives() -> BTreeSet<u32> {
    let own = std::env::current_exe().unwrap();
    let is_own = |pid: &u32| {
        *pid != std::process::id()
            && fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == own)
    };
    let here = pid_namespace(std::process::id());
    let namespaces: BTreeSet<_> = processes()
        .iter()
        .filter(|pid| is_own(pid))
        .map(|&pid| pid_namespace(pid))
        .collect();
    let is_within =
        |pid: &u32| pid_namespace(*pid) != here && namespaces.contains(&pid_namespace(*pid));
    processes()
        .into_iter()
        .filter(|pid| is_own(pid) || is_within(pid))
        .collect()
}

fn a_unit_runs_and_its_lines_are_in_the_journal() {
    let before = Machine::now();
    let run = Run::start();
    assert!(run.boot_ms < 1000, "booting took {} ms", run.boot_ms);
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

fn an_app_can_have_another_user() {
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

fn an_app_inherits_the_environment() {
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

fn run_outside_the_mounts_is_as_before() {
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

/// An app that writes a line when it is told to stop.
fn start_polite(run: &Run, file: &Path) {
    run.start_unit(
        "polite.service",
        &format!(
            "[Service]\nExecStart=/usr/bin/systemd-cat -t app /bin/sh -c 'trap \"echo bye >{}; exit 0\" TERM; echo up; while :; do sleep 1000 & wait; done'\n",
            file.display()
        ),
    );
    run.told("app", "up");
}

fn ends_politely(end: impl FnOnce(&Run), expected: Option<i32>) {
    let before = Machine::now();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bye");
    let run = Run::start();
    start_polite(&run, &file);
    let members = run.members();
    assert!(
        members.len() >= 5,
        "init, journald, systemd, dbus-daemon, the app: {members:?}"
    );
    end(&run);
    assert_eq!(run.gone(&before), expected);
    assert_eq!(
        fs::read_to_string(&file).expect("the app was told to stop"),
        "bye\n"
    );
    let left: Vec<_> = members
        .iter()
        .filter(|pid| Path::new(&format!("/proc/{pid}")).exists())
        .collect();
    assert!(left.is_empty(), "left: {left:?}");
}

fn apps_end_as_they_wish_on_sigterm() {
    ends_politely(|run| run.signal(Signal::TERM), Some(0));
}

fn nothing_is_left_after_sigint() {
    ends_politely(|run| run.signal(Signal::INT), Some(0));
}

fn nothing_is_left_after_sigkill() {
    ends_politely(|run| run.signal(Signal::KILL), None);
}

fn an_app_that_ignores_sigterm_ends_after_sigkill_too() {
    let before = Machine::now();
    let run = Run::start();
    run.start_unit(
        "stubborn.service",
        "[Service]\nTimeoutStopSec=infinity\nExecStart=/usr/bin/systemd-cat -t app /bin/sh -c 'trap \"\" TERM; echo up; while :; do sleep 1000; done'\n",
    );
    run.told("app", "up");
    let begun = Instant::now();
    run.signal(Signal::KILL);
    assert_eq!(run.gone(&before), None);
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "took {:?}",
        begun.elapsed()
    );
}

fn nothing_is_left_after_the_guard_is_killed() {
    let before = Machine::now();
    let run = Run::start();
    let status = fs::read_to_string(format!("/proc/{}/status", run.init)).unwrap();
    let guard = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:\t"))
        .unwrap()
        .parse()
        .unwrap();
    assert_ne!(guard, run.child.id());
    kill(guard, Signal::KILL);
    assert_eq!(run.gone(&before), Some(1), "rpmctl notices");
}

fn two_at_once_do_not_meet() {
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
fn a_read_only_cgroup_tree_is_worked_around() {
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

/// A private manager is the manager that can be reached here; `end` is the signal to the process that holds the tether.
fn tethered(end: Signal) {
    let before = Machine::now();
    let run = Run::start();
    let name = "bound.service";
    let file = format!("/run/systemd/rpmctl/units/{name}");
    let mut nsenter = Command::new("nsenter")
        .args(["-t", &run.init.to_string(), "-m", "-p", "-F", "--"])
        .args(["/bin/sh", "-c", "exec \"$0\" \"$@\" & wait $!"])
        .arg(std::env::current_exe().unwrap())
        .args([TETHER, &file])
        .env("BUS", "unix:path=/run/systemd/rpmctl/bus")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(nsenter.stdout.take().unwrap()).lines();
    let first = lines.next().expect("the scope is made").unwrap();
    let (pid, scope) = first.split_once(' ').unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "listening");
    assert_eq!(scope, format!("rpmctl-run-{pid}.scope"));
    run.start_unit(
        name,
        &format!("[Unit]\nBindsTo={scope}\nAfter={scope}\n[Service]\nExecStart=/usr/bin/systemd-cat -t app /bin/sh -c 'echo up; exec sleep 1000'\n"),
    );
    run.told("app", "up");
    kill(run.seen_here(pid), end);
    nsenter.wait().unwrap();
    wait_until("the bound unit to stop", || {
        run.journal(&[&format!("USER_UNIT={name}")])
            .contains("Stopped bound.service")
    });
    wait_until("its file to be removed", || !run.path(&file).exists());
    run.signal(Signal::TERM);
    assert_eq!(run.gone(&before), Some(0));
}

fn what_is_tethered_ends_with_its_holder_killed() {
    tethered(Signal::KILL);
}

fn what_is_tethered_ends_when_released() {
    tethered(Signal::TERM);
}

fn without_root_the_error_says_so() {
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

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LIMIT, "waited {LIMIT:?} for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn output(command: &mut Command) -> String {
    let out = command.output().unwrap();
    assert!(
        out.status.success() || out.stderr.is_empty(),
        "{command:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap()
}

fn kill(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

fn processes() -> Vec<u32> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .collect()
}

fn pid_namespace(pid: u32) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/ns/pid"))
        .ok()
        .map(|namespace| namespace.ino())
}
