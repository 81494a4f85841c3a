//! The guest: a whole machine of its own in QEMU, with a kernel whose memory controller is cgroup v2's, and that can be
//! rebooted. Slower than the bed in namespaces by far (seconds to boot, a tenth of the speed without KVM), so it is
//! for what that bed cannot show. It has no network but its own loopback.
//!
//! One guest for all tests of the program, booted by the first; they take turns. It ends with the process, however that
//! ends. A machine that cannot boot it fails the tests and says what to install.
//!
//! ```ignore
//! let guest = machine::shared();
//! guest.write("/srv/ecosystem.toml", 0o644, TEXT);
//! guest.ok(&["rpmctl", "apply", "/srv/ecosystem.toml"]);
//! ```
#![allow(dead_code, unused_imports)] // each program that includes this uses a part of it

mod boot;
mod command;
mod image;
mod kvm;
mod port;
mod programs;

use std::cell::Cell;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

pub use boot::start;
pub use command::Spawned;
use port::Port;

/// For whatever one waits for in here: without KVM, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// A booted guest. QEMU ends with it.
pub struct Guest {
    port: Port,
    qemu: boot::Qemu,
    /// What its kernel and systemd print.
    console: PathBuf,
    accelerated: bool,
    boot_time: Duration,
}

/// The guest, for as long as this is held: another test that asks waits.
pub struct Turn {
    guest: &'static Guest,
    _turn: MutexGuard<'static, ()>,
}

impl Deref for Turn {
    type Target = Guest;

    fn deref(&self) -> &Guest {
        self.guest
    }
}

/// The guest of this test process, booted by whoever asks first.
///
/// # Panics
/// When this machine cannot boot one: with what to install or run, or with what the boot printed.
pub fn shared() -> Turn {
    static TURN: Mutex<()> = Mutex::new(());
    static SHARED: OnceLock<Guest> = OnceLock::new();
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let guest = SHARED.get_or_init(|| {
        let guest = Guest::boot(&[]);
        print_on_panic(&SHARED);
        guest
    });
    Turn { guest, _turn: turn }
}

impl Guest {
    /// Whether the processor runs it (KVM), or QEMU reads it instruction by instruction.
    pub fn accelerated(&self) -> bool {
        self.accelerated
    }

    /// From the start of QEMU to systemd's own word that the boot is finished.
    pub fn boot_time(&self) -> Duration {
        self.boot_time
    }

    /// QEMU's process here.
    pub fn qemu_pid(&self) -> u32 {
        self.qemu.pid()
    }

    /// Asks `holds` every 50 ms until it says yes.
    ///
    /// # Panics
    /// When it has not by the deadline, naming `what` was waited for; the journal follows.
    pub fn wait_until(&self, what: &str, deadline: Duration, mut holds: impl FnMut() -> bool) {
        let start = Instant::now();
        while !holds() {
            assert!(
                start.elapsed() < deadline,
                "waited {deadline:?} in vain until {what}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Reboots it as an administrator would, and waits until systemd says that the boot is finished. The disk stays.
    pub fn reboot(&self) {
        // What `systemctl reboot` does where no logind is.
        self.goes_down_by(
            "systemctl --no-block --job-mode=replace-irreversibly start reboot.target",
        );
    }

    /// Takes the power away, and gives it back: what was not yet on the disk is lost.
    pub fn cut_power(&self) {
        self.goes_down_by("echo b >/proc/sysrq-trigger");
    }

    fn goes_down_by(&self, script: &str) {
        let before = self.port.boot();
        let last = self.cmd(&["sh", "-c", script]).spawn();
        self.wait_for_boot(before, PATIENCE);
        drop(last);
    }

    /// For people: failed units and the last lines of the journal, or of the console when nobody answers in there.
    pub fn state(&self) -> String {
        let script = "echo \"--- systemd in the guest: $(systemctl is-system-running)\"; systemctl --failed --no-legend --plain
             echo '--- last lines of its journal'; journalctl --sync; journalctl --no-pager -o short-monotonic -n 60";
        // Called while a test fails: must not panic on its own.
        match self
            .cmd(&["sh", "-c", script])
            .spawn()
            .end_within(Duration::from_secs(60))
        {
            Ok(output) => output.stdout + &output.stderr,
            Err(problem) => format!("{problem}\n--- console\n{}", self.console_text()),
        }
    }

    fn console_text(&self) -> String {
        let bytes = std::fs::read(&self.console).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Whoever panics in this process also gets to see the guest's state; with RPMCTL_GUEST_HOLD it stays so, for commands
/// from the terminal.
fn print_on_panic(guest: &'static OnceLock<Guest>) {
    thread_local!(static PRINTING: Cell<bool> = const { Cell::new(false) });
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        default(panic);
        if let Some(guest) = guest.get()
            && !PRINTING.replace(true)
        {
            eprintln!("{}", guest.state());
            if std::env::var_os("RPMCTL_GUEST_HOLD").is_some() {
                guest.take_commands();
            }
            PRINTING.set(false);
        }
    }));
}

impl Guest {
    fn take_commands(&self) {
        eprint!("--- commands for the guest, until end of file\n# ");
        for line in std::io::stdin().lines().map_while(Result::ok) {
            match self.cmd(&["sh", "-c", &line]).spawn().end_within(PATIENCE) {
                Ok(output) => eprint!("{}{}# ", output.stdout, output.stderr),
                Err(problem) => eprint!("{problem}\n# "),
            }
        }
    }
}
