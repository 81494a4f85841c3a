//! The instances of one app: who they are, and which gets a connection.

use core::ffi::{CStr, c_int};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicUsize};

use super::folders::Folders;
use super::inbox::{self, Letter};
use super::kernel;
use super::slot::Slot;
use crate::sockets::{INSTANCES as MAX, Socket};
use crate::sys;

/// `/run/rpmctl/api@`: the folders of all instances begin with it. Written by the constructor alone.
static FOLDERS: Folders = Folders::new();
static NUMBER: AtomicUsize = AtomicUsize::new(MAX);
static CLAIMING: AtomicBool = AtomicBool::new(false);

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

/// This instance's slot of a listener, in the process that takes its share.
pub fn own(socket: &Socket) -> Option<&'static Slot> {
    let claimed_by = socket.claimed_by.load(Acquire);
    if claimed_by == 0 || claimed_by != sys::pid() {
        return None;
    }
    slot(socket, NUMBER.load(Relaxed))
}

pub fn own_folder() -> Folder {
    Folder(NUMBER.load(Relaxed))
}

/// The runtime folder of an instance, by its number.
#[derive(Clone, Copy)]
pub struct Folder(usize);

impl Folder {
    /// Writes the path of a listener's file in it. Named after the listener, so that instances that
    /// hold another one (an address that is being changed) do not meet. `None`: too long for a unix
    /// socket.
    pub fn file<'a>(
        self,
        kind: &[u8],
        socket: &Socket,
        buffer: &'a mut [u8; kernel::UNIX_PATH],
    ) -> Option<&'a CStr> {
        let (mut number, mut cookie) = ([0; 20], [0; 20]);
        let number = decimal(self.0, &mut number);
        // It counts up from the machine's start.
        let cookie = decimal(socket.cookie() as usize, &mut cookie);
        FOLDERS.join(&[number, b"/", kind, b"-", cookie], buffer)
    }
}

fn slot(socket: &Socket, number: usize) -> Option<&'static Slot> {
    let slot = socket.slots.get(number)?.load(Acquire);
    // SAFETY: null, or what `Slot::map` gave, which stays.
    unsafe { slot.as_ref() }
}

/// Claims the instance's slot of a listener for this process, once.
pub fn claim(socket: &Socket) -> Option<&'static Slot> {
    if let Some(own) = own(socket) {
        return Some(own);
    }
    if !possible() || CLAIMING.swap(true, SeqCst) {
        return None;
    }
    let mut buffer = [0; kernel::UNIX_PATH];
    let claimed = own_folder()
        .file(b"count", socket, &mut buffer)
        .and_then(|path| Slot::map(path, true))
        .filter(|slot| slot.claim(sys::pid()));
    if let Some(own) = claimed {
        remember(socket, NUMBER.load(Relaxed), own);
        socket.claimed_by.store(sys::pid(), Release);
    }
    CLAIMING.store(false, SeqCst);
    claimed
}

fn remember(socket: &Socket, number: usize, slot: &'static Slot) {
    if let Some(place) = socket.slots.get(number) {
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
    if let Some(slot) = find(socket, other) {
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
    find(socket, number);
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
        if let Some(slot) = slot(socket, number)
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
pub fn any_waiting(socket: &Socket) -> bool {
    let others = (0..MAX).filter(|other| *other != NUMBER.load(Relaxed));
    others
        .filter_map(|other| slot(socket, other))
        .any(Slot::has_waiting)
}

/// Looks an instance up on disk: new, or come back with a new folder.
fn find(socket: &Socket, number: usize) -> Option<&'static Slot> {
    let mut buffer = [0; kernel::UNIX_PATH];
    let path = Folder(number).file(b"count", socket, &mut buffer)?;
    let found = Slot::map(path, false)?;
    if let Some(known) = slot(socket, number)
        && known.id.load(Relaxed) == found.id.load(Relaxed)
    {
        Slot::unmap(found);
        return Some(known);
    }
    remember(socket, number, found);
    Some(found)
}

/// Hands a connection to the instance that has the fewest, if this one has enough more. False: it
/// is for this instance.
pub fn hand_over(socket: &Socket, own: &Slot, connection: c_int, flags: c_int) -> bool {
    let Some((number, fewest)) = fewest(socket, own.load()) else {
        return false;
    };
    let letter = Letter::connection(flags);
    fewest.sending(|| inbox::send(socket, Folder(number), letter, 0, connection))
}

/// Gives a connection that this instance cannot serve any more to whoever can. False: nobody can.
pub fn pass_on(socket: &Socket, connection: c_int) -> bool {
    let letter = Letter::connection(0);
    fewest(socket, u32::MAX).is_some_and(|(number, fewest)| {
        fewest.sending(|| inbox::send(socket, Folder(number), letter, 0, connection))
    })
}

/// The other instance with the fewest connections, if it should get one before an instance that has `own`.
fn fewest(socket: &Socket, own: u32) -> Option<(usize, &'static Slot)> {
    let number = NUMBER.load(Relaxed);
    let others = (0..MAX).filter(|other| *other != number);
    let (other, slot) = others
        .filter_map(|other| Some((other, slot(socket, other)?)))
        .filter(|(_, slot)| slot.takes())
        .min_by_key(|(_, slot)| slot.load())?;
    (should_get(slot.load(), own) && slot.is_mine_to_try()).then_some((other, slot))
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
