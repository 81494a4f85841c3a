//! What a source tells the loop.

use std::time::SystemTime;

use crate::model::{Name, Reason};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Restart(Request),
    /// What the source says is new.
    Says,
    /// Something does not work: a sentence for the journal, under the app it is about.
    Trouble {
        app: Option<Name>,
        text: String,
    },
}

/// Instances that are to be restarted, one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub app: Name,
    /// None: all that run.
    pub instances: Option<Vec<u32>>,
    pub reason: Reason,
    /// When the reason arose: an instance that was started later is not restarted for it.
    pub at: SystemTime,
    /// An earlier watcher began with it.
    pub resumed: bool,
}

impl Request {
    pub fn new(app: Name, instances: Option<Vec<u32>>, reason: Reason) -> Request {
        Request {
            app,
            instances,
            reason,
            at: SystemTime::now(),
            resumed: false,
        }
    }
}
