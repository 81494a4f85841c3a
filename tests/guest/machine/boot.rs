//! From nothing to a booted guest: QEMU, and systemd's word that it is ready.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::image::{Image, cache, image};
use super::port::Port;
use super::{Guest, PATIENCE, kvm, programs};

/// Enough for two gigabytes of page cache beside the apps.
const MEMORY: &str = "3G";

pub struct Qemu {
    pid: u32,
    /// Its second disk has no name: it is there as long as this is open.
    _programs: File,
}

/// QEMU with a guest that has not booted yet, and `more` beside the programs in /opt/guest.
pub fn start(more: &[(PathBuf, &str)]) -> Guest {
    let image = image();
    let accelerated = kvm::works(&image);
    let (here, there) = UnixStream::pair().expect("a socket for the guest's port");
    let console = cache().join("console.log");
    let qemu = Qemu::start(&image, accelerated, there, &console, programs::disk(more));
    Guest {
        port: Port::new(here),
        qemu,
        console,
        accelerated,
        boot_time: Duration::ZERO,
    }
}

impl Guest {
    /// A guest of one's own, with files or folders of this machine in its /opt/guest. It ends with the process.
    pub fn boot(more: &[(PathBuf, &str)]) -> Guest {
        let mut guest = super::start(more);
        let start = Instant::now();
        guest.wait_for_boot(None, PATIENCE);
        guest.boot_time = start.elapsed();
        // Tests write and delete as root: never let them do it to this machine.
        let where_commands_run = guest.ok(&["cat", "/etc/hostname"]);
        assert_eq!(
            where_commands_run, "guest\n",
            "commands do not run in the guest"
        );
        guest
    }

    /// Until the agent of a boot other than `before` has spoken and systemd has nothing left to start.
    pub(super) fn wait_for_boot(&self, before: Option<String>, deadline: Duration) {
        let spoke = self.port.wait_for_boot(before.as_deref(), deadline);
        assert!(
            spoke,
            "the guest did not boot in {deadline:?}:\n{}",
            self.console_text()
        );
        let booted = self
            .cmd(&["systemctl", "is-system-running", "--wait"])
            .deadline(deadline)
            .run();
        let state = booted.stdout.trim();
        assert!(
            matches!(state, "running" | "degraded"),
            "the guest's systemd is {state}:\n{}",
            self.state()
        );
    }
}

impl Qemu {
    fn start(
        image: &Image,
        accelerated: bool,
        port: UnixStream,
        console: &std::path::Path,
        disk: File,
    ) -> Qemu {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "qemu-system-x86_64"]);
        // The plain processor is the one that QEMU imitates fastest.
        command.args(match accelerated {
            true => ["-accel", "kvm", "-cpu", "host"],
            false => ["-accel", "tcg,thread=multi", "-cpu", "Nehalem,+rdrand"],
        });
        command
            .args(["-machine", "q35", "-m", MEMORY, "-smp", "2"])
            .args(["-nodefaults", "-no-user-config", "-display", "none"])
            .arg("-kernel")
            .arg(&image.kernel)
            .arg("-initrd")
            .arg(&image.initrd)
            .args([
                "-append",
                "console=ttyS0 quiet rw mitigations=off random.trust_cpu=on audit=0 systemd.show_status=0",
            ])
            // What is written goes to a file without a name, and is gone with QEMU.
            .args(["-drive", &drive(&image.root.display().to_string(), "snapshot=on,cache=unsafe")])
            .args(["-drive", &drive(&programs::path_of(&disk), "readonly=on")])
            .args(["-device", "virtio-serial-pci"])
            .args(["-chardev", "socket,id=port,fd=0"])
            .args(["-device", "virtserialport,chardev=port,name=rpmctl"])
            .args(["-serial", &format!("file:{}", console.display())])
            .stdin(Stdio::from(OwnedFd::from(port)))
            .stdout(Stdio::null());
        let (sender, receiver) = mpsc::channel();
        // The kernel ends QEMU with the thread that started it, not with the process: so one that stays.
        std::thread::spawn(move || {
            let mut child = command.spawn().expect("start setpriv (package util-linux)");
            drop(command);
            let _ = sender.send(child.id());
            let _ = child.wait();
        });
        let pid = receiver.recv().expect("QEMU was started");
        Qemu {
            pid,
            _programs: disk,
        }
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }
}

fn drive(path: &str, options: &str) -> String {
    // A comma in a path is written twice.
    format!(
        "file={},format=raw,if=virtio,{options}",
        path.replace(',', ",,")
    )
}
