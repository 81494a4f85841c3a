//! What is done to the site under load.

use crate::site::{File, GOOD, Site};

/// Every instance anew, one after another.
pub fn reload(site: &Site) {
    for number in 0..GOOD.instances {
        let unit = format!("api@{number}.service");
        site.bed.ok(&["systemctl", "restart", &unit]);
    }
}

pub fn scale(site: &Site, instances: usize) {
    site.apply(&File { instances, ..GOOD });
}

pub fn apply_another_env(site: &Site, version: u32) {
    site.apply(&File { version, ..GOOD });
}
