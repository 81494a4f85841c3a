//! The test bed: a real systemd as PID 1, booted in namespaces over an overlay of this machine's own `/` in about
//! a second, with the built rpmctl in it. Nothing done inside is seen outside.
//!
//! Tests of one process share [`shared`]'s bed and use app names of their own. It ends with the process, however
//! that ends; see guardian.sh. Needs root: a machine that cannot boot it fails the test and says what to install.
//!
//! ```ignore
//! let bed = bed::shared();
//! bed.write("/srv/api/ecosystem.toml", 0o644, TEXT);
//! bed.ok(&["rpmctl", "apply", "/srv/api/ecosystem.toml"]);
//! assert_eq!(bed.http_get("127.0.0.1:3000", "/").unwrap().status, 200);
//! ```
#![allow(dead_code)] // each program that includes the bed uses a part of it

mod boot;
mod command;
mod files;
pub mod http;
mod journal;
mod ssh;

use std::process::{Child, ChildStdin};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

#[allow(unused_imports)]
pub use boot::{Hierarchy, Options};
#[allow(unused_imports)]
pub use command::{Cmd, Output, Spawned};
#[allow(unused_imports)]
pub use http::Response;
#[allow(unused_imports)]
pub use ssh::Reached;

static SHARED: OnceLock<Bed> = OnceLock::new();

/// A booted systemd. Ends on drop, and when the process ends.
pub struct Bed {
    name: String,
    /// PID 1 of the bed, as this machine numbers it.
    leader: i32,
    guardian: Child,
    /// The pipe whose end ends the bed.
    alive: Option<ChildStdin>,
    user_manager: OnceLock<()>,
    boot_time: Duration,
}

/// The bed of this test process, booted by whoever asks first.
pub fn shared() -> &'static Bed {
    SHARED.get_or_init(|| {
        journal::print_on_panic(&SHARED);
        Bed::boot(Options::default())
    })
}

/// What holds on one systemd and not on another: for the table that tests/versions/run makes.
pub fn can(what: &str, holds: bool, why: &str) {
    println!(
        "\ncan: {what} | {} | {why}",
        if holds { "yes" } else { "no" }
    );
}

impl Bed {
    /// The version of its systemd.
    pub fn systemd(&self) -> u32 {
        let said = self.ok(&["systemctl", "--version"]);
        let number = said
            .split(|c: char| !c.is_ascii_digit())
            .find(|word| !word.is_empty());
        number
            .and_then(|digits| digits.parse().ok())
            .unwrap_or_else(|| panic!("{said}"))
    }

    /// `rpmctl-bed-PID-N`: the name of its cgroup and of its folder under /var/tmp.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bed's PID 1, as this machine numbers it.
    pub fn leader(&self) -> i32 {
        self.leader
    }

    /// The process that takes the bed down.
    pub fn guardian_pid(&self) -> i32 {
        self.guardian.id() as i32
    }

    /// From nothing to systemd's own word that the boot is finished.
    pub fn boot_time(&self) -> Duration {
        self.boot_time
    }

    /// Asks `holds` every 20 ms until it says yes.
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
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.state());
        }
        self.alive = None;
        let _ = self.guardian.wait();
    }
}
