//! What happens when a process is loaded, before `main`: find the inherited sockets.
//!
//! In the unit's main process (`LISTEN_PID` is its id, also after `sh` and `systemd-cat` have
//! exec'd the program) each `LISTEN_FDS` descriptor is duplicated to `KEPT` and up, without
//! close-on-exec: Node marks the low descriptors it inherits close-on-exec as it starts, and `npm
//! start` would leave its child none. Every other process looks there. Nothing is written to the
//! environment. A parent that closes all descriptors for its children (sudo, Python's subprocess)
//! ends the line: those bind by themselves.

use core::ffi::{CStr, c_char, c_int};

use crate::sys::{self, Real, SO_ACCEPTCONN, SOL_SOCKET};
use crate::{balance, ready, sockets};

/// First descriptor of the kept duplicates. Above what scripts use by number (`200>lock`, bash's
/// 255) and below the usual soft limit of 1024.
const KEPT: c_int = 720;
/// First descriptor systemd passes, sd_listen_fds(3).
const LISTEN_FDS_START: c_int = 3;

#[cfg_attr(preloaded, used, unsafe(link_section = ".init_array"))]
#[cfg_attr(not(preloaded), allow(dead_code))]
static START: extern "C" fn(c_int, *const *const c_char, *const *const c_char) = start;

extern "C" fn start(_: c_int, _: *const *const c_char, envp: *const *const c_char) {
    Real::find();
    // glibc passes the environment here, and may run this before it sets `environ`; musl sets
    // `environ` first and passes nothing.
    let environment = if sys::is_glibc() {
        envp
    } else {
        sys::environ()
    };
    let mut settings = Settings::default();
    // SAFETY: an array of C strings that ends with null.
    unsafe { settings.read(environment) };
    if settings.enabled {
        inherit(&settings);
        ready::prepare(settings.notify, settings.notify_socket);
        if settings.balance && sockets::any() {
            balance::prepare(settings.runtime_directory);
        }
    }
}

#[derive(Default)]
struct Settings {
    enabled: bool,
    notify: bool,
    notify_socket: &'static [u8],
    balance: bool,
    runtime_directory: &'static [u8],
    listen_fds: c_int,
    listen_pid: c_int,
}

impl Settings {
    /// # Safety
    /// `environment` is null or an array of C strings that ends with null and stays.
    unsafe fn read(&mut self, mut environment: *const *const c_char) {
        self.notify = true;
        self.balance = true;
        if environment.is_null() {
            return;
        }
        // SAFETY: promised by the caller.
        while let entry = unsafe { *environment }
            && !entry.is_null()
        {
            // SAFETY: as above; the null at the end has not been passed.
            unsafe {
                self.entry(CStr::from_ptr(entry).to_bytes());
                environment = environment.add(1);
            }
        }
    }

    fn entry(&mut self, entry: &'static [u8]) {
        if let Some(value) = entry.strip_prefix(b"RPMCTL_SHIM=") {
            self.enabled = value == b"1";
        } else if let Some(value) = entry.strip_prefix(b"RPMCTL_NOTIFY=") {
            self.notify = value != b"0";
        } else if let Some(value) = entry.strip_prefix(b"NOTIFY_SOCKET=") {
            self.notify_socket = value;
        } else if let Some(value) = entry.strip_prefix(b"RPMCTL_BALANCE=") {
            self.balance = value != b"0";
        } else if let Some(value) = entry.strip_prefix(b"RUNTIME_DIRECTORY=") {
            self.runtime_directory = value;
        } else if let Some(value) = entry.strip_prefix(b"LISTEN_FDS=") {
            self.listen_fds = number(value);
        } else if let Some(value) = entry.strip_prefix(b"LISTEN_PID=") {
            self.listen_pid = number(value);
        }
    }
}

/// A decimal number; 0 when it is none or too large.
fn number(text: &[u8]) -> c_int {
    let digits = core::str::from_utf8(text).ok();
    digits.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn inherit(settings: &Settings) {
    let errno = sys::errno();
    for fd in KEPT..KEPT + sockets::MAX as c_int {
        if let Some(cookie) = listening(fd)
            && !sockets::known(cookie)
        {
            sockets::add(fd, cookie);
        }
    }
    if settings.listen_pid == sys::pid() {
        let count = settings.listen_fds.clamp(0, sockets::MAX as c_int);
        for fd in LISTEN_FDS_START..LISTEN_FDS_START + count {
            if let Some(cookie) = listening(fd)
                && !sockets::known(cookie)
            {
                // With a descriptor limit below KEPT the low one has to do, for this process alone.
                sockets::add(sys::duplicate(fd, KEPT).unwrap_or(fd), cookie);
            }
        }
    }
    sys::set_errno(errno);
}

/// The cookie of a listening socket; `None` for everything else.
fn listening(fd: c_int) -> Option<u64> {
    if sys::option(fd, SOL_SOCKET, SO_ACCEPTCONN)? == 1 {
        sys::cookie(fd)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_from_the_environment() {
        let entries = [
            c"PATH=/bin".as_ptr(),
            c"RPMCTL_SHIM=1".as_ptr(),
            c"LISTEN_PID=4711".as_ptr(),
            c"LISTEN_FDS=2".as_ptr(),
            c"NOTIFY_SOCKET=@a".as_ptr(),
            core::ptr::null(),
        ];
        let mut settings = Settings::default();
        // SAFETY: C strings and a null.
        unsafe { settings.read(entries.as_ptr()) };
        assert!(settings.enabled && settings.notify);
        assert_eq!((settings.listen_pid, settings.listen_fds), (4711, 2));
        assert_eq!(settings.notify_socket, b"@a");
        settings.entry(b"RPMCTL_NOTIFY=0");
        settings.entry(b"RPMCTL_SHIM=yes");
        assert!(!settings.enabled && !settings.notify);
    }

    #[test]
    fn nonsense_numbers_are_nothing() {
        for text in [&b""[..], b"x", b"1 ", b"99999999999999", b"\xff"] {
            assert_eq!(number(text), 0, "{text:?}");
        }
        assert_eq!(number(b"32768"), 32768);
    }

    #[test]
    fn no_environment_is_inert() {
        let mut settings = Settings::default();
        // SAFETY: null is allowed.
        unsafe { settings.read(core::ptr::null()) };
        assert!(!settings.enabled);
    }
}
