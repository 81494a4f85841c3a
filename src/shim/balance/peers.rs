//! The instances of one app: who they are, and which gets a connection.

use core::ffi::{CStr, c_int};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicUsize};

use super::folders::Folders;
use super::inbox::{self, Letter};
use super::kernel;
use super::slot::Slot;
use crate::sockets::{INSTANCES as MAX, Socket};
use crate::sys;

const FILE: &[u8] = b"/balance";

/// `/run/rpmctl/api@`: the folders of all instances begin with it. Written by the constructor alone.
static FOLDERS: Folders = Folders::new();
static NUMBER: AtomicUsize = AtomicUsize::new(MAX);
/// The process that claimed the instance's slot.
static CLAIMED_BY: AtomicI32 = AtomicI32::new(0);
static CLAIMING: AtomicBool = AtomicBool::new(false);
static SLOTS: [AtomicPtr<Slot>; MAX] = [const { AtomicPtr::new(core::ptr::null_mut()) }; MAX];

/// Remembers where the instances meet: the folder of `RUNTIME_DIRECTORY` that ends in `@` and the
/// instance's number (the app may have asked for folders of its own). Only for the constructor.
pub fn prepare(runtime_directory: &[u8]) {
    let folders = runtime_directory.split(|byte| *byte == b':');
    if let Some((folders, number)) = folders.filter_map(instance).next()
        && FOLDERS.set(folders)
    {
        NUMBER.store(number, Release);
    }
}

/// `/run/rpmctl/api@` and 2 of `/run/rpmctl/api@2`.
fn instance(folder: &[u8]) -> Option<(&[u8], usize)> {
    let at = folder.iter().rposition(|byte| *byte == b'@')?;
    let (folders, number) = folder.split_at(at + 1);
    let number: usize = core::str::from_utf8(number).ok()?.parse().ok()?;
    (number < MAX).then_some((folders, number))
}

/// Whether this process could take part.
pub fn possible() -> bool {
    NUMBER.load(Acquire) < MAX
}

/// This instance's slot, in the process that takes its share.
pub fn own() -> Option<&'static Slot> {
    let claimed_by = CLAIMED_BY.load(Acquire);
    if claimed_by == 0 || claimed_by != sys::pid() {
        return None;
    }
    slot(NUMBER.load(Relaxed))
}

pub fn own_folder() -> Folder {
    Folder(NUMBER.load(Relaxed))
}

/// The runtime folder of an instance, by its number.
#[derive(Clone, Copy)]
pub struct Folder(usize);

impl Folder {
    /// Writes the path of a file in it, with its terminating zero. `None`: too long for a unix socket.
    pub fn file<'a>(
        self,
        name: &[u8],
        buffer: &'a mut [u8; kernel::UNIX_PATH],
    ) -> Option<&'a CStr> {
        let mut digits = [0; 20];
        FOLDERS.join(&[decimal(self.0, &mut digits), name], buffer)
    }
}

fn slot(number: usize) -> Option<&'static Slot> {
    let slot = SLOTS.get(number)?.load(Acquire);
    // SAFETY: null, or what `Slot::map` gave, which stays.
    unsafe { slot.as_ref() }
}

/// Claims the instance's slot for this process, once.
pub fn claim() -> Option<&'static Slot> {
    if let Some(own) = own() {
        return Some(own);
    }
    if !possible() || CLAIMING.swap(true, SeqCst) {
        return None;
    }
    let mut buffer = [0; kernel::UNIX_PATH];
    let claimed = own_folder()
        .file(FILE, &mut buffer)
        .and_then(|path| Slot::map(path, true))
        .filter(|slot| slot.claim(sys::pid()));
    if let Some(own) = claimed {
        remember(NUMBER.load(Relaxed), own);
        CLAIMED_BY.store(sys::pid(), Release);
    }
    CLAIMING.store(false, SeqCst);
    claimed
}

fn remember(number: usize, slot: &'static Slot) {
    if let Some(place) = SLOTS.get(number) {
        place.store(core::ptr::from_ref(slot).cast_mut(), Release);
    }
}

/// Finds the others that share this listener and tells them of this instance.
pub fn meet(socket: &Socket) {
    let number = NUMBER.load(Relaxed);
    for other in (0..MAX).filter(|other| *other != number) {
        greet(socket, other, Letter::Hello);
    }
}

/// Tells an instance where this one's inbox is, with `Hello` or as the `Answer` to that.
fn greet(socket: &Socket, other: usize, letter: Letter) {
    if let Some(slot) = find(other) {
        let own = NUMBER.load(Relaxed) as u8;
        let inbox = socket.inbox.load(Relaxed);
        slot.sending(|| inbox::send(socket, Folder(other), letter, own, inbox));
    }
}

/// Another instance is there, and this is its inbox. What it left in an earlier one is for this
/// instance: give each to `serve`.
pub fn met(socket: &Socket, letter: Letter, number: u8, theirs: c_int, serve: impl FnMut(c_int)) {
    let number = usize::from(number);
    let theirs = inbox::raise(theirs);
    let known = socket
        .inboxes
        .get(number)
        .filter(|_| number != NUMBER.load(Relaxed));
    let Some(place) = known else {
        return kernel::close(theirs);
    };
    find(number);
    let before = place.swap(theirs, SeqCst);
    inbox::empty(before, serve);
    kernel::close(before);
    if letter == Letter::Hello {
        greet(socket, number, Letter::Answer);
    }
}

/// A connection that this or another instance handed to one that does not take it.
pub fn rescue(socket: &Socket, flags: c_int) -> Option<c_int> {
    for number in 0..MAX {
        if let Some(slot) = slot(number)
            && number != NUMBER.load(Relaxed)
            && slot.is_overdue()
            && let Some(connection) = inbox::take_from(socket, number, slot, flags)
        {
            return Some(connection);
        }
    }
    None
}

/// Whether any other instance has connections in its inbox.
pub fn any_waiting() -> bool {
    let others = (0..MAX).filter(|other| *other != NUMBER.load(Relaxed));
    others.filter_map(slot).any(Slot::has_waiting)
}

/// Looks an instance up on disk: new, or come back with a new folder.
fn find(number: usize) -> Option<&'static Slot> {
    let mut buffer = [0; kernel::UNIX_PATH];
    let path = Folder(number).file(FILE, &mut buffer)?;
    let found = Slot::map(path, false)?;
    if let Some(known) = slot(number)
        && known.id.load(Relaxed) == found.id.load(Relaxed)
    {
        Slot::unmap(found);
        return Some(known);
    }
    remember(number, found);
    Some(found)
}

/// Hands a connection to the instance that has the fewest, if this one has enough more. False: it
/// is for this instance.
pub fn hand_over(socket: &Socket, own: &Slot, connection: c_int, flags: c_int) -> bool {
    let Some((number, fewest)) = fewest(own.load()) else {
        return false;
    };
    let letter = Letter::connection(flags);
    fewest.sending(|| inbox::send(socket, Folder(number), letter, 0, connection))
}

/// Gives a connection that this instance cannot serve any more to whoever can.
pub fn pass_on(socket: &Socket, connection: c_int) {
    if let Some((number, fewest)) = fewest(u32::MAX) {
        let letter = Letter::connection(0);
        fewest.sending(|| inbox::send(socket, Folder(number), letter, 0, connection));
    }
}

/// The other instance with the fewest connections, if it should get one before an instance that has `own`.
fn fewest(own: u32) -> Option<(usize, &'static Slot)> {
    let number = NUMBER.load(Relaxed);
    let others = (0..MAX).filter(|other| *other != number);
    let (other, slot) = others
        .filter_map(|other| Some((other, slot(other)?)))
        .filter(|(_, slot)| slot.takes())
        .min_by_key(|(_, slot)| slot.load())?;
    should_get(slot.load(), own).then_some((other, slot))
}

/// Whether an instance with `fewest` gets the next connection before one with `own`: when it has
/// fewer, by more than a sixteenth, so that few are handed on where many are held.
fn should_get(fewest: u32, own: u32) -> bool {
    own > fewest.saturating_add(fewest / 16)
}

fn decimal(mut number: usize, digits: &mut [u8; 20]) -> &[u8] {
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        start -= 1;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    digits.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_even_and_many_nearly() {
        assert!(!should_get(0, 0) && should_get(0, 1));
        assert!(!should_get(5, 5) && should_get(5, 6));
        assert!(!should_get(50, 53) && should_get(50, 54));
        assert!(!should_get(u32::MAX, u32::MAX));
    }

    #[test]
    fn the_folder_of_an_instance() {
        let of = |folder| instance(folder);
        assert_eq!(
            of(b"/run/rpmctl/a@b@12"),
            Some((&b"/run/rpmctl/a@b@"[..], 12))
        );
        for folder in [
            &b""[..],
            b"/run/chat/2",
            b"/run/rpmctl/api@",
            b"/run/rpmctl/api@x",
            b"/run/rpmctl/api@64",
        ] {
            assert_eq!(of(folder), None);
        }
    }

    #[test]
    fn numbers_in_decimal() {
        for (number, text) in [(0, "0"), (7, "7"), (63, "63"), (1200, "1200")] {
            assert_eq!(decimal(number, &mut [0; 20]), text.as_bytes());
        }
    }
}
