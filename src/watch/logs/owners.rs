//! Whose files are: each user and group is looked up once for a command, because each look-up is some processes (getent(1)).

use std::collections::BTreeMap;

use crate::host::accounts::{self, Account};

/// What was looked up so far.
#[derive(Default)]
pub struct Owners {
    known: BTreeMap<(Option<String>, Option<String>), Owner>,
}

/// None under a user's own manager. Err: there is no such user or group any more.
pub type Owner = Result<Option<Account>, String>;

impl Owners {
    pub fn of(&mut self, user: Option<&str>, group: Option<&str>) -> Owner {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let key = (user.map(str::to_owned), group.map(str::to_owned));
        let look = || accounts::account(user, group).map_err(|error| format!("{error:#}"));
        self.known
            .entry(key)
            .or_insert_with(|| look().map(Some))
            .clone()
    }
}
