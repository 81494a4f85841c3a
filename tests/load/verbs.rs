//! What is done to the site under load.

use crate::site::{File, GOOD, Site};

/// Every instance anew, one after another.
pub fn reload(site: &Site) {
    site.ok(&["reload", "api"]);
}

pub fn scale(site: &Site, instances: usize) {
    site.ok(&["scale", "api", &instances.to_string()]);
}

pub fn apply_another_env(site: &Site, version: u32) {
    site.apply(&File { version, ..GOOD });
}
