//! rpmctl-watch.service and rpmctl-metrics.service: rpmctl's own units.

use std::path::PathBuf;

use super::finding::Finding;
use super::words::Words;

/// A unit of rpmctl's own.
#[derive(Clone, Debug, Default)]
pub struct Own {
    pub unit: &'static str,
    /// The file of another that stands in its place.
    pub foreign: Option<PathBuf>,
    /// Its file is there.
    pub there: bool,
    /// The rpmctl that wrote it.
    pub version: Option<String>,
    /// The program that it calls, where that is not there.
    pub calls_in_vain: Option<PathBuf>,
}

#[derive(Clone, Debug, Default)]
pub struct Watcher {
    pub own: Own,
    /// Apps that it works for.
    pub needed_by: Vec<String>,
    /// No link starts it at boot.
    pub unlinked: bool,
    /// systemd's word; none where it was not asked.
    pub active: Option<String>,
    /// Its process runs a program that was replaced.
    pub replaced: bool,
    /// Its `STATUS=`.
    pub says: Option<String>,
}

pub fn watcher(seen: &Watcher, version: &str, words: &Words<'_>) -> Vec<Finding> {
    let unit = seen.own.unit;
    let needs = seen.needed_by.first();
    let mut found = own(&seen.own, version, words);
    let Some(first) = needs else {
        if found.is_empty() {
            found.push(Finding::ok("watcher", "no app needs one"));
        }
        return found;
    };
    let apply = format!("{} apply the ecosystem file of {first} again", words.rpmctl);
    let for_apps = match seen.needed_by.len() {
        1 => first.clone(),
        all => format!("{first} and {} more", all - 1),
    };
    let nothing = "max_memory_restart, watch, health and log files do nothing until it runs";
    if !seen.own.there && seen.own.foreign.is_none() {
        found.push(Finding::broken(
            "watcher",
            format!("{unit} is not there, but {for_apps} needs it: {nothing}"),
            apply,
        ));
    } else if let Some(active) = seen
        .active
        .as_deref()
        .filter(|active| matches!(*active, "inactive" | "failed"))
    {
        found.push(Finding::broken(
            "watcher",
            format!("{unit} is {active}, but {for_apps} needs it: {nothing}"),
            match seen.unlinked {
                true => apply,
                false => format!(
                    "{0} restart {unit}; {0} status {unit} says what it died of",
                    words.systemctl
                ),
            },
        ));
    } else if seen.unlinked {
        found.push(Finding::warning(
            "watcher",
            format!(
                "{unit} does not start at boot, but {for_apps} needs it: after a boot {nothing}"
            ),
            apply,
        ));
    } else if seen.replaced {
        found.push(Finding::warning(
            "watcher",
            format!("{unit} still runs the rpmctl that was replaced"),
            format!("{} restart {unit}", words.systemctl),
        ));
    }
    if let Some(says) = seen
        .says
        .as_ref()
        .filter(|says| says.contains("fs.inotify."))
    {
        found.push(Finding::warning(
            "watcher",
            format!("{unit} says: {says}"),
            "sudo sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=1024; for good: the same lines in /etc/sysctl.d/60-rpmctl.conf",
        ));
    }
    if found.is_empty() {
        found.push(Finding::ok(
            "watcher",
            format!("{unit} works for {}", seen.needed_by.join(", ")),
        ));
    }
    found
}

/// What is wrong with its file.
pub fn own(seen: &Own, version: &str, words: &Words<'_>) -> Vec<Finding> {
    let unit = seen.unit;
    let again = match unit {
        "rpmctl-watch.service" => format!("{} apply FILE writes it anew", words.rpmctl),
        _ => format!("{} metrics --install writes it anew", words.rpmctl),
    };
    let mut found = Vec::new();
    if let Some(path) = &seen.foreign {
        found.push(Finding::broken(
            "foreign",
            format!("{} is in the place of rpmctl's {unit}", path.display()),
            format!("remove or rename it; {again}"),
        ));
    }
    if let Some(path) = &seen.calls_in_vain {
        found.push(Finding::broken(
            "rpmctl",
            format!("{unit} calls {}, which is not there", path.display()),
            again,
        ));
    } else if let Some(written) = seen.version.as_ref().filter(|written| *written != version) {
        found.push(Finding::warning(
            "rpmctl",
            format!("{unit} was written by rpmctl {written}; this is {version}"),
            again,
        ));
    }
    found.into_iter().map(|one| one.naming(unit)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Level, worst};
    use super::*;

    fn well() -> Watcher {
        Watcher {
            own: Own {
                unit: "rpmctl-watch.service",
                there: true,
                version: Some("1.2.3".into()),
                ..Own::default()
            },
            needed_by: vec!["api".into(), "web".into()],
            active: Some("active".into()),
            ..Watcher::default()
        }
    }

    #[test]
    fn up_and_of_this_version() {
        let with = |change: fn(&mut Watcher)| {
            let mut seen = well();
            change(&mut seen);
            let found = watcher(&seen, "1.2.3", &Words::of(false, true));
            (worst(&found), found[0].what.clone())
        };
        let (level, what) = with(|_| {});
        assert_eq!(
            (level, what.as_str()),
            (Level::Ok, "rpmctl-watch.service works for api, web")
        );
        assert_eq!(with(|seen| *seen = Watcher::default()).0, Level::Ok);
        let (level, what) = with(|seen| seen.active = Some("failed".into()));
        assert!(
            level == Level::Broken && what.contains("is failed, but api and 1 more needs it"),
            "{what}"
        );
        assert_eq!(with(|seen| seen.active = None).0, Level::Ok);
        let (level, what) = with(|seen| seen.unlinked = true);
        assert!(
            level == Level::Warning && what.contains("does not start at boot"),
            "{what}"
        );
        // A restart would bring no link back.
        let down = Watcher {
            unlinked: true,
            active: Some("inactive".into()),
            ..well()
        };
        let found = watcher(&down, "1.2.3", &Words::of(true, false));
        assert_eq!((found.len(), found[0].level), (1, Level::Broken));
        let fix = found[0].fix.as_deref().unwrap();
        assert!(fix.starts_with("rpmctl --user apply"), "{fix}");
        let (level, what) = with(|seen| seen.own.there = false);
        assert!(
            level == Level::Broken && what.contains("is not there"),
            "{what}"
        );
        let (level, what) = with(|seen| seen.own.version = Some("1.0.0".into()));
        assert!(
            level == Level::Warning && what.contains("written by rpmctl 1.0.0"),
            "{what}"
        );
        let (level, what) = with(|seen| seen.own.calls_in_vain = Some("/opt/rpmctl".into()));
        assert!(
            level == Level::Broken && what.contains("/opt/rpmctl"),
            "{what}"
        );
        assert_eq!(with(|seen| seen.replaced = true).0, Level::Warning);
        assert_eq!(
            with(|seen| seen.says = Some("3 apps; fs.inotify.max_user_watches used up".into())).0,
            Level::Warning
        );
        assert_eq!(
            with(|seen| seen.own.foreign = Some("/run/x".into())).0,
            Level::Broken
        );
    }
}
