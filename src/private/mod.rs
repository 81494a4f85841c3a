//! A private systemd of its own, for machines where no service manager can be reached (containers, CI, build machines).
//!
//! What runs, and who ends whom:
//!
//! ```text
//! rpmctl run          in a mount namespace of its own: /run/systemd and /run/log are fresh, the rest is the machine's
//! └─ guard            outside the pid namespace: waits for it to end, then removes the cgroup
//!    └─ init (pid 1)  of a pid namespace: when it ends, the kernel ends everything in it
//!       ├─ systemd-journald
//!       └─ systemd --user ── dbus-daemon, the apps
//! ```
//!
//! Everything written lives on the two fresh tmpfs, so the kernel removes it with the last process; the control pipe
//! from rpmctl to init closes when rpmctl dies in whatever way, and init then stops the rest. The network is the
//! machine's. Since rpmctl shares the mount namespace's files, paths mean the same to rpmctl, systemd and the apps.
//!
//! [`tether`] is the same promise where a service manager can be reached: units bound to a scope that ends with rpmctl.

mod bus;
mod cgroup;
mod environment;
pub mod init;
mod layout;
mod manager;
mod mounts;
mod needs;
pub mod tether;

pub use init::init_main;
pub use manager::{Manager, boot};
pub use tether::Tether;

/// The hidden subcommand under which rpmctl re-executes itself as guard and as pid 1; goes to [`init_main`].
pub const INIT_SUBCOMMAND: &str = "__private-init";
