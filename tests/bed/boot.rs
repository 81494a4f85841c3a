//! From nothing to a booted bed: what must be there, the guardian, systemd's word that it is ready.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::Bed;
use super::command::PATH;

const BOOT_DEADLINE: Duration = Duration::from_secs(90);
const INSTALL: &str = "apt-get install -y systemd-container dbus dbus-user-session libpam-systemd";

/// How the bed sees cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hierarchy {
    /// cgroup v2 alone, with the controllers that this machine's v2 hierarchy has.
    Unified,
    /// v2 beside the v1 controllers memory, cpu, cpuacct and pids. Only where this machine has those in v1.
    Hybrid,
}

/// What bed to boot.
#[derive(Clone, Debug)]
pub struct Options {
    pub hierarchy: Hierarchy,
    /// The root directory to lay the overlay on: `$RPMCTL_BED_ROOT`, or this machine's own.
    pub root: PathBuf,
}

impl Default for Options {
    fn default() -> Options {
        let root =
            std::env::var_os("RPMCTL_BED_ROOT").map_or_else(|| PathBuf::from("/"), PathBuf::from);
        Options {
            hierarchy: Hierarchy::Unified,
            root,
        }
    }
}

impl Options {
    /// A bed whose units have a memory controller (`MemoryCurrent=`, `MemoryMax=`), in whichever hierarchy has it here.
    /// None, and said: this machine has it in cgroup v1, which systemd 258 and later refuse; for tests/versions/run, which counts that.
    ///
    /// # Panics
    /// Where that is so and the bed's systemd is this machine's own.
    pub fn with_memory_controller() -> Option<Options> {
        let ours = fs::read_to_string("/proc/self/cgroup").expect("/proc/self/cgroup");
        let in_v1 = ours
            .lines()
            .any(|line| line.split(':').nth(1) == Some("memory"));
        let hierarchy = if in_v1 {
            Hierarchy::Hybrid
        } else {
            Hierarchy::Unified
        };
        let options = Options {
            hierarchy,
            ..Options::default()
        };
        if in_v1 && systemd_under(&options.root) >= 258 {
            assert!(
                std::env::var_os("RPMCTL_BED_ROOT").is_some(),
                "the memory controller is in cgroup v1 here: boot with systemd.unified_cgroup_hierarchy=1"
            );
            super::can(
                "here: MemoryCurrent=, MemoryMax=",
                false,
                "the machine that tests has its memory controller in cgroup v1",
            );
            return None;
        }
        Some(options)
    }
}

impl Bed {
    /// Boots a bed of one's own; [`super::shared`] is cheaper.
    ///
    /// # Panics
    /// When this machine cannot boot one: with what to install or run, or with what the boot printed.
    pub fn boot(options: Options) -> Bed {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        require_root_and_programs();
        let start = Instant::now();
        let name = format!(
            "rpmctl-bed-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let address =
            SocketAddr::from_abstract_name(&name).expect("name of the notification socket");
        let notifications = UnixDatagram::bind_addr(&address).expect("notification socket");
        notifications
            .set_read_timeout(Some(Duration::from_millis(200)))
            .expect("timeout");

        let mut log = tempfile::tempfile().expect("file for what the boot prints");
        let hierarchy = match options.hierarchy {
            Hierarchy::Unified => "unified",
            Hierarchy::Hybrid => "hybrid",
        };
        let mut guardian = Command::new("setsid")
            .args(["unshare", "--mount", "--propagation", "private", "sh", "-c"])
            .arg(include_str!("guardian.sh"))
            .args(["guardian", &name])
            .arg(&options.root)
            .arg(hierarchy)
            .arg(env!("CARGO_BIN_EXE_rpmctl"))
            .env_clear()
            .env("PATH", PATH)
            .env("LC_ALL", "C.UTF-8")
            .env("NOTIFY_SOCKET", format!("@{name}"))
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("log"))
            .stderr(log.try_clone().expect("log"))
            .spawn()
            .expect("start setsid (package util-linux)");
        let alive = guardian.stdin.take();

        let mut leader = None;
        let mut message = [0; 4096];
        loop {
            if let Ok(size) = notifications.recv(&mut message) {
                let text = String::from_utf8_lossy(&message[..size]).into_owned();
                for line in text.lines() {
                    if let Some(pid) = line.strip_prefix("X_NSPAWN_LEADER_PID=") {
                        leader = leader_outside(guardian.id(), pid);
                    }
                }
                if text.lines().any(|line| line == "READY=1") {
                    break;
                }
            }
            let ended = guardian.try_wait().expect("guardian");
            if ended.is_some() || start.elapsed() > BOOT_DEADLINE {
                let why = if ended.is_some() {
                    "ended"
                } else {
                    "was not ready in 90 s"
                };
                drop(alive);
                let _ = guardian.wait();
                panic!(
                    "the test bed {why} while booting {}:\n{}",
                    options.root.display(),
                    printed(&mut log)
                );
            }
        }
        let leader =
            leader.unwrap_or_else(|| panic!("PID 1 of the bed not found:\n{}", printed(&mut log)));
        let user_manager = OnceLock::new();
        let boot_time = start.elapsed();
        let bed = Bed {
            name,
            leader,
            guardian,
            alive,
            user_manager,
            boot_time,
        };
        // Tests write and delete as root: never let them do it to this machine.
        let where_commands_run = bed.ok(&["cat", "/etc/hostname"]);
        assert_eq!(
            where_commands_run, "bed\n",
            "commands do not run in the bed"
        );
        if options.hierarchy == Hierarchy::Hybrid {
            bed.use_v1_controllers();
        }
        bed
    }

    /// nspawn hands the v1 controllers read-only; systemd uses them once it can write.
    fn use_v1_controllers(&self) {
        self.sh_ok(
            "for c in memory cpu cpuacct pids; do mount -o remount,bind,rw /sys/fs/cgroup/$c; done
             systemctl daemon-reexec",
        );
    }
}

/// Its systemd's version, from the name of the library that all of its programs share.
fn systemd_under(root: &Path) -> u32 {
    let machine = format!("{}-linux-gnu", std::env::consts::ARCH);
    let folders = [
        format!("usr/lib/{machine}/systemd"),
        "usr/lib/systemd".into(),
        "lib/systemd".into(),
    ];
    let names = folders
        .iter()
        .filter_map(|folder| fs::read_dir(root.join(folder)).ok())
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    names
        .filter_map(|name| {
            let version = name
                .strip_prefix("libsystemd-shared-")?
                .strip_suffix(".so")?;
            version.split(['.', '-']).next()?.parse().ok()
        })
        .next()
        .unwrap_or_else(|| panic!("no libsystemd-shared under {}", root.display()))
}

fn require_root_and_programs() {
    let root = rustix::process::geteuid().is_root();
    assert!(
        root,
        "the test bed needs root (mounts, namespaces, cgroups): run tests/run, which uses sudo for these tests"
    );
    let missing: Vec<&str> = [
        "systemd-nspawn",
        "nsenter",
        "setpriv",
        "unshare",
        "dbus-daemon",
    ]
    .into_iter()
    .filter(|program| {
        !PATH
            .split(':')
            .any(|folder| Path::new(folder).join(program).exists())
    })
    .collect();
    assert!(
        missing.is_empty(),
        "the test bed needs {}: {INSTALL}",
        missing.join(", ")
    );
}

/// The host's number of the process that the bed's own PID namespace calls `inner`: a descendant of the guardian
/// that is PID 1 one namespace deeper.
fn leader_outside(guardian: u32, inner: &str) -> Option<i32> {
    let mut queue = vec![guardian as i32];
    while let Some(pid) = queue.pop() {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let numbers = status
            .lines()
            .find_map(|line| line.strip_prefix("NSpid:"))
            .unwrap_or_default();
        if numbers.split_whitespace().rev().take(2).eq(["1", inner]) {
            return Some(pid);
        }
        queue.extend(children(pid));
    }
    None
}

/// The processes that `pid` started and that still run.
pub(super) fn children(pid: i32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect()
}

fn printed(log: &mut File) -> String {
    let mut text = String::new();
    log.seek(SeekFrom::Start(0)).expect("log");
    log.read_to_string(&mut text).expect("log");
    text
}
