//! The bed is sane, is isolated, and ends with the process that booted it.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::bed::{self, Bed, Options};

const VICTIM: &str = "RPMCTL_BED_VICTIM";
const SOON: Duration = Duration::from_secs(60);

#[test]
fn systemd_is_up_and_nothing_of_the_bed_failed() {
    let bed = bed::shared();
    let state = bed.run(&["systemctl", "is-system-running"]).stdout;
    assert!(["running", "degraded"].contains(&state.trim()), "{state}");
    let needed = [
        "dbus.socket",
        "systemd-journald.service",
        "systemd-logind.service",
        "multi-user.target",
    ];
    for unit in needed {
        assert_eq!(
            bed.run(&["systemctl", "is-active", unit]).stdout,
            "active\n",
            "{unit}"
        );
    }
    assert_eq!(bed.ok(&["cat", "/proc/1/comm"]), "systemd\n");
    eprintln!("booted in {:?}", bed.boot_time());
}

#[test]
fn rpmctl_is_the_one_just_built() {
    let bed = bed::shared();
    assert_eq!(
        bed.run(&["sh", "-c", "command -v rpmctl"]).stdout,
        "/usr/local/bin/rpmctl\n"
    );
    let inside = bed.ok(&["sha256sum", "/usr/local/bin/rpmctl"]);
    let built = Command::new("sha256sum")
        .arg(env!("CARGO_BIN_EXE_rpmctl"))
        .output()
        .expect("sha256sum");
    let built = String::from_utf8(built.stdout).expect("text");
    assert_eq!(inside.split(' ').next(), built.split(' ').next());
}

#[test]
fn output_status_environment_and_input_come_through() {
    let bed = bed::shared();
    let both = bed.sh("echo out; echo err >&2; exit 7");
    assert_eq!(
        (both.status, both.stdout.as_str(), both.stderr.as_str()),
        (7, "out\n", "err\n")
    );
    assert_eq!(bed.sh("kill -TERM $$").status, 128 + 15);
    assert_eq!(bed.cmd(&["cat"]).stdin("given").ok(), "given");
    assert_eq!(
        bed.cmd(&["sh", "-c", "pwd; echo $WHAT"])
            .dir("/etc")
            .env("WHAT", "a b")
            .ok(),
        "/etc\na b\n"
    );
    assert_eq!(bed.ok(&["printenv", "HOME"]), "/root\n");
    assert_eq!(
        bed.run(&["printenv", "CARGO_MANIFEST_DIR"]).status,
        1,
        "the test's own environment stays outside"
    );
    assert_eq!(bed.run(&["test", "-t", "1"]).status, 1, "no terminal");
}

#[test]
fn a_command_that_hangs_is_a_failure_with_its_output() {
    let bed = bed::shared();
    let problem = bed
        .spawn(&["sh", "-c", "echo so far; exec sleep 1000"])
        .end_within(Duration::from_millis(500));
    let problem = problem.expect_err("sleep 1000 does not end in half a second");
    assert!(
        problem.contains("still runs after 500ms") && problem.contains("so far"),
        "{problem}"
    );
}

#[test]
fn files_are_the_beds_own() {
    let bed = bed::shared();
    bed.write("/srv/bed-itself/deep/file", 0o640, "text\n");
    assert_eq!(bed.read("/srv/bed-itself/deep/file"), "text\n");
    assert_eq!(
        bed.ok(&["stat", "-c", "%a %U", "/srv/bed-itself/deep/file"]),
        "640 root\n"
    );
    assert!(
        !Path::new("/srv/bed-itself").exists(),
        "written on this machine, not in the bed"
    );
    bed.write_as("app", "/home/app/bed-itself", 0o600, "mine");
    assert_eq!(
        bed.ok(&["stat", "-c", "%a %U", "/home/app/bed-itself"]),
        "600 app\n"
    );

    let folder = tempfile::tempdir().expect("folder");
    std::fs::create_dir(folder.path().join("sub")).expect("sub");
    std::fs::write(folder.path().join("sub/a"), "copied").expect("a");
    bed.copy_in(folder.path(), "/srv/bed-itself/copy");
    assert_eq!(bed.read("/srv/bed-itself/copy/sub/a"), "copied");
}

#[test]
fn a_service_runs_and_its_output_is_in_the_journal() {
    let bed = bed::shared();
    bed.ok(&[
        "systemd-run",
        "--wait",
        "--unit=bed-itself-journal",
        "echo",
        "said by the service",
    ]);
    let journal = bed.journal("bed-itself-journal.service");
    assert!(
        journal.lines().any(|line| line == "said by the service"),
        "{journal}"
    );
}

#[test]
fn the_user_manager_runs_services_and_keeps_their_journal() {
    let bed = bed::shared();
    let state = bed
        .run_as("app", &["systemctl", "--user", "is-system-running"])
        .stdout;
    assert!(["running", "degraded"].contains(&state.trim()), "{state}");
    assert_eq!(bed.ok_as("app", &["id", "-un"]), "app\n");
    assert_eq!(
        bed.ok_as("app", &["sh", "-c", "echo $HOME $XDG_RUNTIME_DIR"]),
        "/home/app /run/user/1000\n"
    );
    // It stays: journald finds a user's unit by the process, which must not be gone by then.
    let script = "echo said as app; exec sleep 1000";
    bed.ok_as(
        "app",
        &[
            "systemd-run",
            "--user",
            "--unit=bed-itself-user",
            "sh",
            "-c",
            script,
        ],
    );
    bed.wait_until("the line is in the user's journal", SOON, || {
        let lines = bed
            .run_as(
                "app",
                &[
                    "journalctl",
                    "--user",
                    "-q",
                    "-o",
                    "cat",
                    "-u",
                    "bed-itself-user",
                ],
            )
            .stdout;
        lines.lines().any(|line| line == "said as app")
    });
}

#[test]
fn http_over_the_beds_loopback() {
    let bed = bed::shared();
    bed.write("/srv/bed-http/index.html", 0o644, "hello from inside");
    let args = [
        "python3",
        "-u",
        "-m",
        "http.server",
        "-b",
        "127.0.0.1",
        "-d",
        "/srv/bed-http",
        "8123",
    ];
    let _server = bed.spawn(&args);
    bed.wait_until("the server answers", SOON, || {
        bed.http_get("127.0.0.1:8123", "/").is_ok()
    });
    let answer = bed.http_get("127.0.0.1:8123", "/").expect("answer");
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "hello from inside")
    );
    assert_eq!(
        bed.http_get("127.0.0.1:8123", "/missing")
            .expect("answer")
            .status,
        404
    );
    let here = std::net::TcpStream::connect("127.0.0.1:8123");
    assert!(
        here.is_err(),
        "the bed's port must not be one of this machine's"
    );
}

#[test]
fn a_spawned_program_takes_signals_and_dies_when_dropped() {
    let bed = bed::shared();
    let trap = "trap 'echo got INT; exit 3' INT; echo ready; while :; do sleep 0.05; done";
    let mut told = bed.spawn(&["sh", "-c", trap]);
    bed.wait_until("the trap is set", SOON, || told.printed().0 == "ready\n");
    assert!(told.signal(Signal::INT));
    let output = told.wait(SOON);
    assert_eq!(
        (output.status, output.stdout.as_str()),
        (3, "ready\ngot INT\n")
    );

    for user in ["root", "app"] {
        let mark = format!("86400.{}", user.len());
        let dropped = bed.cmd(&["sleep", &mark]).user(user).spawn();
        let runs = || bed.run(&["pgrep", "-fx", &format!("sleep {mark}")]).status == 0;
        bed.wait_until("sleep runs", SOON, runs);
        drop(dropped);
        bed.wait_until("sleep is gone", SOON, || !runs());
    }
}

#[test]
fn a_bed_with_a_memory_controller_counts_memory() {
    let Some(options) = Options::with_memory_controller() else {
        return;
    };
    let bed = Bed::boot(options);
    bed.ok(&["systemd-run", "--unit=bed-memory", "sleep", "1000"]);
    let memory = bed.ok(&[
        "systemctl",
        "show",
        "-P",
        "MemoryCurrent",
        "bed-memory.service",
    ]);
    let bytes: u64 = memory
        .trim()
        .parse()
        .unwrap_or_else(|_| panic!("MemoryCurrent is {memory:?}"));
    assert!((1..64 << 20).contains(&bytes), "{bytes} bytes for a sleep");
}

#[test]
fn nothing_is_left_of_a_bed_after_drop() {
    let bed = Bed::boot(Options::default());
    let (name, leader) = (bed.name().to_string(), bed.leader());
    assert_ne!(
        traces(&name, leader),
        Vec::<String>::new(),
        "a bed that runs leaves traces"
    );
    drop(bed);
    assert_eq!(traces(&name, leader), Vec::<String>::new());
}

#[test]
fn nothing_is_left_of_a_bed_whose_process_is_killed() {
    if std::env::var_os(VICTIM).is_some() {
        hold_a_bed();
    }
    for signal in [Signal::KILL, Signal::INT, Signal::TERM] {
        let mut victim = Victim::start();
        victim.end_with(signal);
        victim.assert_gone();
    }
}

/// Even when the guardian is killed as well: no process and no mount; the next boot sweeps the empty folders.
#[test]
fn nothing_is_left_of_a_bed_whose_guardian_is_killed() {
    let mut victim = Victim::start();
    kill_process(pid(victim.guardian), Signal::KILL).expect("kill the guardian");
    victim.end_with(Signal::KILL);
    let deadline = Instant::now() + SOON;
    while Path::new(&format!("/proc/{}", victim.leader)).exists() {
        assert!(
            Instant::now() < deadline,
            "PID 1 of the bed outlives its guardian"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(Bed::boot(Options::default()));
    victim.assert_gone();
}

/// What the victim does: it boots a bed and waits to be killed.
fn hold_a_bed() -> ! {
    let bed = bed::shared();
    println!(
        "\nvictim {} {} {}",
        bed.name(),
        bed.leader(),
        bed.guardian_pid()
    );
    loop {
        std::thread::park();
    }
}

/// This test program once more, in the test above, holding a bed until it is killed.
struct Victim {
    process: Child,
    name: String,
    leader: i32,
    guardian: i32,
}

impl Victim {
    fn start() -> Victim {
        let mut process = Command::new("env")
            .arg("--default-signal")
            .arg(std::env::current_exe().expect("this program"))
            .args([
                "--exact",
                "bed_itself::nothing_is_left_of_a_bed_whose_process_is_killed",
                "--nocapture",
            ])
            .env(VICTIM, "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start this program");
        let mut lines = BufReader::new(process.stdout.take().expect("stdout")).lines();
        let line = lines.find_map(|line| line.ok()?.strip_prefix("victim ").map(str::to_string));
        let line = line.unwrap_or_else(|| panic!("the victim booted no bed: {:?}", process.wait()));
        let mut words = line.split(' ');
        let name = words.next().expect("name").to_string();
        let mut number = || {
            words
                .next()
                .and_then(|word| word.parse().ok())
                .expect("number")
        };
        let (leader, guardian) = (number(), number());
        assert_ne!(traces(&name, leader), Vec::<String>::new());
        Victim {
            process,
            name,
            leader,
            guardian,
        }
    }

    fn end_with(&mut self, signal: Signal) {
        kill_process(pid(self.process.id() as i32), signal).expect("kill");
        let status = self.process.wait().expect("wait");
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
    }

    fn assert_gone(&self) {
        let deadline = Instant::now() + SOON;
        loop {
            let left = traces(&self.name, self.leader);
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "left of {}: {left:?}", self.name);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn pid(number: i32) -> Pid {
    Pid::from_raw(number).expect("pid")
}

/// Whatever this machine shows of a bed: its PID 1, mounts, folder, cgroups.
fn traces(name: &str, leader: i32) -> Vec<String> {
    let mut found = Vec::new();
    if Path::new(&format!("/proc/{leader}")).exists() {
        found.push(format!("process {leader}"));
    }
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("mounts");
    found.extend(
        mounts
            .lines()
            .filter(|line| line.contains(name))
            .map(str::to_string),
    );
    let folder = format!("/var/tmp/{name}");
    if Path::new(&folder).exists() {
        found.push(folder);
    }
    let cgroups = Command::new("find")
        .args(["/sys/fs/cgroup", "-type", "d", "-name", name])
        .output()
        .expect("find");
    found.extend(
        String::from_utf8_lossy(&cgroups.stdout)
            .lines()
            .map(str::to_string),
    );
    found
}
