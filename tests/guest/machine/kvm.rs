//! Whether KVM works here. `/dev/kvm` alone does not say: there are machines where a guest never gets past its first
//! instructions. So a kernel is booted with it until its first process speaks, once for each boot of this machine.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::image::{Image, cache};

/// It takes a second where it works.
const DEADLINE: Duration = Duration::from_secs(10);

pub fn works(image: &Image) -> bool {
    let usable = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_ok();
    if !usable {
        return false;
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("boot_id");
    let remembered = cache().join("kvm");
    let text = fs::read_to_string(&remembered).unwrap_or_default();
    if let Some(answer) = text.strip_prefix(&boot) {
        return answer == "works";
    }
    let works = probe(image);
    let answer = if works { "works" } else { "does not work" };
    fs::write(&remembered, format!("{boot}{answer}")).expect("what is known of KVM");
    works
}

fn probe(image: &Image) -> bool {
    let start = Instant::now();
    let mut qemu = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--", "qemu-system-x86_64"])
        .args(["-accel", "kvm", "-cpu", "host", "-m", "512M", "-smp", "2"])
        .args([
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-no-reboot",
            "-serial",
            "stdio",
        ])
        .args(["-append", "console=ttyS0 quiet rpmctl.probe"])
        .arg("-kernel")
        .arg(&image.kernel)
        .arg("-initrd")
        .arg(&image.initrd)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("start setpriv (package util-linux)");
    let mut stdout = qemu.stdout.take().expect("stdout");
    let printed = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stdout.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).contains("rpmctl-probe-ok")
    });
    while start.elapsed() < DEADLINE && qemu.try_wait().expect("qemu").is_none() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = qemu.kill();
    let _ = qemu.wait();
    printed.join().expect("what the probe printed")
}
