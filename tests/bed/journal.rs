//! What the bed's systemd has to say: read by tests, and printed when one of them fails.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::Duration;

use super::Bed;

const LAST_LINES: &str = "60";

impl Bed {
    /// Everything the journal has of a system unit, one message a line, without time and host.
    pub fn journal(&self, unit: &str) -> String {
        self.ok(&["journalctl", "--sync"]);
        self.ok(&["journalctl", "--no-pager", "-o", "cat", "-u", unit])
    }

    /// Failed units and the last lines of the journal, to be read by people.
    pub fn state(&self) -> String {
        let script = format!(
            "echo \"--- systemd in the bed: $(systemctl is-system-running)\"; systemctl --failed --no-legend --plain
             echo '--- last lines of its journal'; journalctl --sync
             journalctl --no-pager -o short-monotonic -n {LAST_LINES}"
        );
        // Called while a test fails: must not panic on its own.
        match self
            .spawn(&["sh", "-c", &script])
            .end_within(Duration::from_secs(20))
        {
            Ok(output) => output.stdout + &output.stderr,
            Err(problem) => problem,
        }
    }

    /// Returns once the manager of `app` answers; at once from the second call on.
    pub(super) fn wait_for_user_manager(&self) {
        self.user_manager.get_or_init(|| {
            // setpriv, not `user`: that would wait for this.
            let ask = "XDG_RUNTIME_DIR=/run/user/1000 setpriv --reuid 1000 --regid 1000 --init-groups \
                       systemctl --user is-system-running";
            self.wait_until("the manager of user app answers (package dbus-user-session?)", Duration::from_secs(30), || {
                matches!(self.sh(ask).stdout.trim(), "running" | "degraded")
            });
        });
    }
}

/// Whoever panics in this process also gets to see the bed's state.
pub(super) fn print_on_panic(bed: &'static OnceLock<Bed>) {
    thread_local!(static PRINTING: Cell<bool> = const { Cell::new(false) });
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        default(panic);
        if let Some(bed) = bed.get()
            && !PRINTING.replace(true)
        {
            eprintln!("{}", bed.state());
            PRINTING.set(false);
        }
    }));
}
