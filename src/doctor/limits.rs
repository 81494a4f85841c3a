//! The kernel's limits (sysctl(8)) against what the apps ask for.

use super::finding::Finding;

/// What /proc/sys says; none where it says nothing.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    pub somaxconn: Option<u64>,
    pub inotify_watches: Option<u64>,
    pub inotify_instances: Option<u64>,
    /// Files open now, and at most.
    pub files: Option<(u64, u64)>,
    pub nr_open: Option<u64>,
    /// The first port that needs no rights.
    pub free_ports: Option<u64>,
}

/// What the apps ask for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// App, and `Backlog=` of its sockets; none: systemd's own.
    pub queues: Vec<(String, Option<u64>)>,
    /// Apps whose files are watched.
    pub watching: Vec<String>,
    /// Unit and `LimitNOFILE=`.
    pub files: Vec<(String, u64)>,
    /// Of a user's manager: app and port.
    pub ports: Vec<(String, u16)>,
}

/// systemd asks for as many as the kernel gives; this is what kernels since 5.4 give.
const QUEUE: u64 = 4096;
/// What kernels before 5.11 gave, whatever the memory, less than a tree of node_modules has folders.
const FEW_WATCHES: u64 = 8192;
const WATCHES: u64 = 524_288;
const FEW_INSTANCES: u64 = 128;
const INSTANCES: u64 = 1024;

pub fn limits(seen: &Limits, wanted: &Wanted) -> Vec<Finding> {
    let mut found = Vec::new();
    let most = wanted
        .queues
        .iter()
        .max_by_key(|(_, queue)| queue.unwrap_or(QUEUE));
    if let (Some(limit), Some((app, queue))) = (seen.somaxconn, most) {
        let queue = queue.unwrap_or(QUEUE);
        if limit < queue {
            found.push(
                Finding::warning(
                    "limits",
                    format!("net.core.somaxconn = {limit} cuts the listen queue of {queue} down: connections beyond it are dropped in a burst"),
                    set("net.core.somaxconn", queue),
                )
                .about(app),
            );
        }
    }
    if let Some(app) = wanted.watching.first() {
        for (name, limit, few, enough) in [
            (
                "max_user_watches",
                seen.inotify_watches,
                FEW_WATCHES,
                WATCHES,
            ),
            (
                "max_user_instances",
                seen.inotify_instances,
                FEW_INSTANCES - 1,
                INSTANCES,
            ),
        ] {
            if let Some(limit) = limit.filter(|limit| *limit <= few) {
                found.push(
                    Finding::warning(
                        "limits",
                        format!("fs.inotify.{name} = {limit} is little for watch: what is beyond it is looked at by turns, which is slower"),
                        set(&format!("fs.inotify.{name}"), enough),
                    )
                    .about(app),
                );
            }
        }
    }
    if let Some((open, most)) = seen.files.filter(|(open, most)| *open > most / 10 * 9) {
        found.push(Finding::warning(
            "limits",
            format!("{open} of {most} files are open on this machine (fs.file-max): nobody can open more soon"),
            set("fs.file-max", most.saturating_mul(2)),
        ));
    }
    if let Some(limit) = seen.nr_open {
        for (unit, files) in wanted.files.iter().filter(|(_, files)| *files > limit) {
            found.push(
                Finding::warning(
                    "limits",
                    format!("fs.nr_open = {limit} cuts LimitNOFILE={files} of {unit} down"),
                    set("fs.nr_open", *files),
                )
                .naming(unit),
            );
        }
    }
    if let Some(first) = seen.free_ports {
        for (app, port) in wanted
            .ports
            .iter()
            .filter(|(_, port)| u64::from(*port) < first)
        {
            found.push(
                Finding::broken(
                    "limits",
                    format!("a user's manager may not listen on port {port}: net.ipv4.ip_unprivileged_port_start = {first}"),
                    set("net.ipv4.ip_unprivileged_port_start", u64::from(*port)),
                )
                .about(app),
            );
        }
    }
    if found.is_empty() {
        found.push(Finding::ok(
            "limits",
            "the kernel's limits are enough for the apps",
        ));
    }
    found
}

fn set(name: &str, value: u64) -> String {
    format!(
        "sudo sysctl {name}={value}; for good: the line {name} = {value} in /etc/sysctl.d/60-rpmctl.conf"
    )
}

/// `LimitNOFILE=` as a number (systemd.exec(5)); of `SOFT:HARD` the hard one, which the kernel holds against fs.nr_open, and up to which Node and Go
/// raise the other by themselves. None for `infinity` and what is no number.
pub fn nofile(text: &str) -> Option<u64> {
    let hard = text.split(':').next_back()?.trim();
    let digits = hard.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &hard[digits.len()..] {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Level, worst};
    use super::*;

    fn usual() -> Limits {
        Limits {
            somaxconn: Some(4096),
            inotify_watches: Some(65_536),
            inotify_instances: Some(128),
            files: Some((1000, u64::MAX >> 1)),
            nr_open: Some(1 << 20),
            free_ports: Some(1024),
        }
    }

    #[test]
    fn each_against_what_is_asked_for() {
        let nothing = Wanted::default();
        let all = Wanted {
            queues: vec![("api".into(), None), ("web".into(), Some(511))],
            watching: vec!["api".into()],
            files: vec![("api@.service".into(), 65_536)],
            ports: vec![("api".into(), 8080)],
        };
        assert_eq!(worst(&limits(&usual(), &nothing)), Level::Ok);
        assert_eq!(worst(&limits(&usual(), &all)), Level::Ok);
        assert_eq!(worst(&limits(&Limits::default(), &all)), Level::Ok);
        let low = Limits {
            somaxconn: Some(128),
            inotify_watches: Some(8192),
            inotify_instances: Some(100),
            files: Some((950, 1000)),
            nr_open: Some(1024),
            free_ports: Some(9000),
        };
        let found = limits(&low, &all);
        let whats: Vec<&str> = found.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(found.len(), 6, "{whats:#?}");
        assert!(
            found[0]
                .fix
                .as_deref()
                .unwrap()
                .contains("net.core.somaxconn=4096")
        );
        assert_eq!(worst(&found), Level::Broken);
        // Nobody asks for anything: only what holds for the whole machine.
        assert_eq!(limits(&low, &nothing).len(), 1);
        let longer = Wanted {
            queues: vec![("api".into(), Some(65_535))],
            ..nothing
        };
        assert!(limits(&usual(), &longer)[0].what.contains("65535"));
    }

    /// The example sets what is recommended here, and nothing else.
    #[test]
    fn the_packaged_example() {
        let text = include_str!("../../packaging/sysctl/60-rpmctl.conf");
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(" = ")).collect();
        assert_eq!(
            lines,
            [
                format!("net.core.somaxconn = {QUEUE}"),
                format!("fs.inotify.max_user_watches = {WATCHES}"),
                format!("fs.inotify.max_user_instances = {INSTANCES}"),
            ]
        );
    }

    #[test]
    fn numbers_of_files() {
        for (text, number) in [
            ("65536", Some(65_536)),
            ("1024:524288", Some(524_288)),
            ("64K", Some(65_536)),
            ("infinity", None),
            ("", None),
        ] {
            assert_eq!(nofile(text), number, "{text}");
        }
    }
}
