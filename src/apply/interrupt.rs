//! Ctrl-C while instances are taken in turns: the one at hand is finished, and no further one begins.

use std::cell::Cell;

/// Shared by who hears the signal and who works.
#[derive(Debug, Default)]
pub struct Interrupt {
    asked: Cell<bool>,
    in_turns: Cell<bool>,
}

impl Interrupt {
    /// Asks to begin nothing further; false where nothing is taken in turns now, so that only stopping at once is left.
    pub fn ask(&self) -> bool {
        if self.in_turns.get() {
            self.asked.set(true);
        }
        self.in_turns.get()
    }

    pub fn is_asked(&self) -> bool {
        self.asked.get()
    }

    /// What comes now is to be done whole: the signal was about what came before.
    pub(super) fn forget(&self) {
        self.asked.set(false);
    }

    /// Until the answer is dropped, instances are taken in turns.
    pub(super) fn in_turns(&self) -> impl Drop {
        struct Ends<'a>(&'a Cell<bool>);
        impl Drop for Ends<'_> {
            fn drop(&mut self) {
                self.0.set(false);
            }
        }
        self.in_turns.set(true);
        Ends(&self.in_turns)
    }
}
