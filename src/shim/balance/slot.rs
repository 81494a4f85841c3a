//! What an instance tells the others of its app about its share of a listener: one page of memory,
//! shared through a file `count-…` in its runtime folder (mode 0600).

use core::ffi::{CStr, c_int};
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64};

use super::kernel;

const SIZE: usize = 4096;
/// Connections that may wait in an inbox.
const WAITING: u32 = 128;
/// How long nothing may be taken from an inbox that holds some, in milliseconds: past that the
/// instance counts as stuck until it accepts again, and others take out what is in there.
pub const PATIENCE: u64 = 50;
/// How often a stuck instance is tried with a connection, in milliseconds: nothing else may wake it.
const TRY_AGAIN: u64 = 500;

/// All zero when new. Every process of the app's user may write here, so nothing in it is trusted
/// beyond choosing whom to hand a connection to.
#[repr(C)]
pub struct Slot {
    /// Of this file; 0 until first claimed. Tells a new file from one seen before.
    pub id: AtomicU64,
    /// Process that takes the instance's share.
    owner: AtomicI32,
    /// 1: connections may be handed to it.
    open: AtomicU32,
    /// Handovers under way.
    senders: AtomicU32,
    pub connections: AtomicU32,
    /// Connections in the inbox.
    waiting: AtomicU32,
    /// When it was found not to take what it was handed, or was last tried again; 0: it takes.
    /// CLOCK_MONOTONIC in milliseconds, as `since`.
    stuck: AtomicU64,
    /// When the inbox last got its first or lost one, CLOCK_MONOTONIC in milliseconds.
    since: AtomicU64,
}

impl Slot {
    /// Maps the file, which is made if `create`. The mapping stays for the life of the process.
    pub fn map(path: &CStr, create: bool) -> Option<&'static Slot> {
        let fd = kernel::open_private(path, create)?;
        if create && kernel::size(fd) < SIZE as i64 {
            kernel::set_size(fd, SIZE as i64);
        }
        // Of a file shorter than that the page could not be read.
        let page = (kernel::size(fd) >= SIZE as i64).then(|| kernel::map_shared(fd, SIZE));
        kernel::close(fd);
        // SAFETY: a page of shared memory that stays; every field is an atomic, any bytes are valid.
        Some(unsafe { &*page??.cast::<Slot>() })
    }

    /// Gives up a mapping that nobody has been told of.
    pub fn unmap(slot: &'static Slot) {
        // SAFETY: from `map`, and the caller's is the only reference.
        unsafe { kernel::unmap(core::ptr::from_ref(slot).cast(), SIZE) };
    }

    /// Takes the instance's share for this process, unless another that lives has it.
    pub fn claim(&self, pid: c_int) -> bool {
        let before = self.owner.load(SeqCst);
        let free = before == 0 || before == pid || !kernel::lives(before);
        if !free
            || self
                .owner
                .compare_exchange(before, pid, SeqCst, SeqCst)
                .is_err()
        {
            return false;
        }
        self.open.store(0, SeqCst);
        self.stuck.store(0, SeqCst);
        self.senders.store(0, SeqCst);
        self.connections.store(0, SeqCst);
        self.waiting.store(0, SeqCst);
        if self.id.load(SeqCst) == 0 {
            let id = kernel::milliseconds() << 24 ^ u64::from(pid.unsigned_abs());
            self.id.store(id.max(1), SeqCst);
        }
        true
    }

    pub fn reopen(&self) {
        if self.open.load(Relaxed) == 0 {
            self.open.store(1, SeqCst);
        }
    }

    /// It accepts.
    pub fn moves(&self) {
        if self.stuck.load(Relaxed) != 0 {
            self.stuck.store(0, SeqCst);
        }
    }

    pub fn close(&self) {
        self.open.store(0, SeqCst);
    }

    /// Whether a connection handed to it now would be taken soon.
    pub fn takes(&self) -> bool {
        self.open.load(Relaxed) == 1
            && self.waiting.load(Relaxed) < WAITING
            && !self.is_overdue()
            && !self.is_stuck()
    }

    fn is_stuck(&self) -> bool {
        let stuck = self.stuck.load(Relaxed);
        stuck != 0 && kernel::milliseconds().saturating_sub(stuck) < TRY_AGAIN
    }

    /// To be asked by whoever is about to hand it a connection: a stuck one is tried by one at a time.
    pub fn is_mine_to_try(&self) -> bool {
        let stuck = self.stuck.load(Relaxed);
        stuck == 0
            || self
                .stuck
                .compare_exchange(stuck, kernel::milliseconds(), SeqCst, SeqCst)
                .is_ok()
    }

    /// Whether what is in the inbox has not been looked at for too long.
    pub fn is_overdue(&self) -> bool {
        self.waiting.load(Relaxed) != 0
            && kernel::milliseconds().saturating_sub(self.since.load(Relaxed)) >= PATIENCE
    }

    /// Another instance took one out of the inbox of this one, which is overdue.
    pub fn rescued(&self) {
        self.stuck.store(kernel::milliseconds(), SeqCst);
        self.one_less();
    }

    /// Its connections, those in the inbox included.
    pub fn load(&self) -> u32 {
        let waiting = self.waiting.load(Relaxed);
        self.connections.load(Relaxed).saturating_add(waiting)
    }

    pub fn is_being_sent_to(&self) -> bool {
        self.senders.load(SeqCst) != 0
    }

    /// Whether the inbox holds any, or is about to.
    pub fn has_waiting(&self) -> bool {
        self.waiting.load(SeqCst) != 0
    }

    /// One handover by `send`; false when it closed meanwhile, or `send` says so. Whoever closes
    /// waits for those who were let in here.
    pub fn sending(&self, send: impl FnOnce() -> Sent) -> bool {
        self.senders.fetch_add(1, SeqCst);
        let mut sent = Sent::Not;
        if self.open.load(SeqCst) == 1 {
            if self.waiting.fetch_add(1, SeqCst) == 0 {
                self.since.store(kernel::milliseconds(), Relaxed);
            }
            sent = send();
            if sent != Sent::Yes {
                self.one_less();
            }
            if sent == Sent::Gone {
                self.stuck.store(kernel::milliseconds(), SeqCst);
            }
        }
        // A claim meanwhile began to count anew.
        less_by_one(&self.senders);
        sent == Sent::Yes
    }

    /// One was taken out of the inbox.
    pub fn received(&self) {
        self.one_less();
        self.since.store(kernel::milliseconds(), Relaxed);
    }

    /// How many wait, as far as that is certain: `None` while somebody is sending.
    pub fn waiting(&self) -> Option<u32> {
        let waiting = self.waiting.load(SeqCst);
        (!self.is_being_sent_to()).then_some(waiting)
    }

    /// The inbox is empty: senders that were killed in the middle may have left their count. `before`
    /// is what `waiting` said before it was looked into; whoever has sent since has changed it.
    pub fn found_empty(&self, before: Option<u32>) {
        if let Some(before) = before.filter(|before| *before != 0)
            && !self.is_being_sent_to()
        {
            let _ = self.waiting.compare_exchange(before, 0, SeqCst, SeqCst);
        }
    }

    /// What was in the inbox stays there although this instance closes: others take it out when it
    /// is overdue, as after one that was killed.
    pub fn leaves(&self, send: impl FnOnce() -> Sent) -> bool {
        self.waiting.fetch_add(1, SeqCst);
        let left = send() == Sent::Yes;
        if !left {
            self.one_less();
        }
        left
    }

    fn one_less(&self) {
        less_by_one(&self.waiting);
    }
}

/// Never below 0: the counts are others' to write, too.
pub fn less_by_one(count: &AtomicU32) {
    let _ = count.fetch_update(SeqCst, SeqCst, |count| count.checked_sub(1));
}

/// How a handover went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    Yes,
    Not,
    /// There is no such inbox, or nobody holds it any more.
    Gone,
}
