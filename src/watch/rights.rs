//! Another user's rights for a while: in folders of an app's user the kernel itself refuses what that user may not do, wherever a link leads.

use std::io;

use rustix::process::{Gid, Uid};
use rustix::thread::{self, CapabilitySet};

use crate::host::accounts::Account;

/// This thread works with a user's rights until it is dropped.
pub struct Rights {
    groups: Vec<Gid>,
}

impl Rights {
    /// Errors: this process is not root, or may not change its ids.
    pub fn take(account: &Account) -> io::Result<Rights> {
        let rights = Rights {
            groups: rustix::process::getgroups()?,
        };
        let groups: Vec<Gid> = account
            .groups
            .iter()
            .map(|gid| Gid::from_raw(*gid))
            .collect();
        thread::set_thread_groups(&groups)?;
        // Only the effective ids: the real ones are the way back.
        let keep = None::<Gid>;
        thread::set_thread_res_gid(keep, Gid::from_raw(account.gid), keep)?;
        let keep = None::<Uid>;
        thread::set_thread_res_uid(keep, Uid::from_raw(account.uid), keep)?;
        Ok(rights)
    }

    /// The same, and what is made is the user's from its first moment, but folders need not let the user in: capabilities(7).
    pub fn take_anywhere(account: &Account) -> io::Result<Rights> {
        let rights = Rights::take(account)?;
        let mut sets = thread::capabilities(None)?;
        sets.effective |= CapabilitySet::DAC_OVERRIDE;
        thread::set_capabilities(None, sets)?;
        Ok(rights)
    }
}

impl Drop for Rights {
    fn drop(&mut self) {
        let back = thread::set_thread_res_uid(None::<Uid>, Uid::ROOT, None::<Uid>)
            .and_then(|()| thread::set_thread_res_gid(None::<Gid>, Gid::ROOT, None::<Gid>))
            .and_then(|()| thread::set_thread_groups(&self.groups));
        // Everything that follows would be done with the wrong rights.
        back.expect("root takes its rights back");
    }
}
