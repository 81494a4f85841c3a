//! The path that the runtime folders of all instances begin with.

use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::{Acquire, Release};

use super::kernel::UNIX_PATH;

/// Written by the constructor alone, before `main`, and read once `length` says so.
pub struct Folders {
    text: UnsafeCell<[u8; UNIX_PATH]>,
    length: AtomicUsize,
}

// SAFETY: see above.
unsafe impl Sync for Folders {}

impl Folders {
    pub const fn new() -> Self {
        Self {
            text: UnsafeCell::new([0; UNIX_PATH]),
            length: AtomicUsize::new(0),
        }
    }

    /// False when it is too long for the path of a unix socket.
    pub fn set(&self, text: &[u8]) -> bool {
        // SAFETY: the constructor is the only writer, and `length` is still 0.
        let place = unsafe { &mut *self.text.get() };
        let Some(place) = place.get_mut(..text.len()) else {
            return false;
        };
        place.copy_from_slice(text);
        self.length.store(text.len(), Release);
        true
    }

    /// The path that goes on with `parts`. `None`: too long for a unix socket, unix(7).
    pub fn join<'a>(&self, parts: &[&[u8]], buffer: &'a mut [u8; UNIX_PATH]) -> Option<&'a CStr> {
        let length = self.length.load(Acquire);
        // SAFETY: `length` is set, so nobody writes any more.
        let start = unsafe { &*self.text.get() }.get(..length)?;
        let mut end = 0;
        for part in [start].iter().chain(parts) {
            buffer.get_mut(end..end + part.len())?.copy_from_slice(part);
            end += part.len();
        }
        *buffer.get_mut(end)? = 0;
        CStr::from_bytes_with_nul(buffer.get(..=end)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_fit_and_one_that_does_not() {
        let folders = Folders::new();
        assert!(folders.set(b"/run/rpmctl/api@"));
        let mut buffer = [1; UNIX_PATH];
        let path = folders.join(&[b"12", b"/balance"], &mut buffer).unwrap();
        assert_eq!(path, c"/run/rpmctl/api@12/balance");
        let long = [b'a'; UNIX_PATH - 16];
        assert!(folders.join(&[&long[1..]], &mut buffer).is_some());
        assert!(folders.join(&[&long], &mut buffer).is_none());
        assert!(!folders.set(&[b'a'; UNIX_PATH + 1]));
    }
}
