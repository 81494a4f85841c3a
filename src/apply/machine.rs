//! One manager and the places it loads units from.

use crate::systemd::Manager;
use crate::unit_files::Places;

/// What a command works on.
pub struct Machine {
    pub places: Places,
    pub manager: Manager,
    /// Where its journal is read.
    pub journal: crate::journal::Scope,
}
