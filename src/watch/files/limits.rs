//! The kernel's limits in words, with the value to set (inotify(7), /proc interfaces).

use std::fs;

const FOLDER: &str = "/proc/sys/fs/inotify";

/// What most distributions for desktops set.
const WATCHES: u64 = 524_288;
const INSTANCES: u64 = 1024;

/// `ENOSPC` of inotify_add_watch(2).
pub fn no_watch_left(app: &str) -> String {
    let now = value("max_user_watches");
    format!(
        "not all files of {app} are watched: fs.inotify.max_user_watches{} is used up; {}",
        shown(now),
        raise("max_user_watches", now, WATCHES)
    )
}

/// `EMFILE` of inotify_init1(2).
pub fn no_instance_left() -> String {
    let now = value("max_user_instances");
    format!(
        "no file is watched: fs.inotify.max_user_instances{} is used up; {}",
        shown(now),
        raise("max_user_instances", now, INSTANCES)
    )
}

/// The name of the limit, for a status line.
pub const WATCHES_NAME: &str = "fs.inotify.max_user_watches";

fn value(name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("{FOLDER}/{name}")).ok()?;
    text.trim().parse().ok()
}

fn shown(now: Option<u64>) -> String {
    now.map_or(String::new(), |now| format!(" = {now}"))
}

fn raise(name: &str, now: Option<u64>, usual: u64) -> String {
    let more = now.map_or(usual, |now| usual.max(now.saturating_mul(2)));
    format!(
        "raise it with `sysctl fs.inotify.{name}={more}`, and for the next boot with the line fs.inotify.{name} = {more} in /etc/sysctl.d/60-rpmctl.conf"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_to_set_is_more_than_now() {
        let text = raise("max_user_watches", Some(8192), WATCHES);
        assert!(
            text.contains("`sysctl fs.inotify.max_user_watches=524288`"),
            "{text}"
        );
        let text = raise("max_user_watches", Some(600_000), WATCHES);
        assert!(text.contains("max_user_watches=1200000`"), "{text}");
        assert!(no_watch_left("api").starts_with("not all files of api are watched: fs.inotify."));
        assert!(no_instance_left().contains("/etc/sysctl.d/"));
    }
}
