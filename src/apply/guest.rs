//! What those may order who are not root but let in by polkit: packaging/polkit asks here.

use crate::unit_files::{Places, scan};
use crate::units::{Facts, marker};

/// Verbs that begin nothing: what is left over of an app may be ended too.
const ENDING: [&str; 2] = ["stop", "reset-failed"];

/// Whether the unit is of an app that was applied here: by its own file, or as an instance that the app has, of a template of ours. `verb` is systemd's word
/// for what is to be done with it.
pub fn may(places: &Places, unit: &str, verb: &str) -> bool {
    if unit.contains('/') {
        return false;
    }
    let ours = |file: &str| {
        let found = scan::named(places, file, |text| marker::is_ours(file, text));
        found.own.filter(|_| found.foreign.is_none())
    };
    let Some((stem, rest)) = unit.split_once('@').filter(|_| is_instance(unit)) else {
        return ours(unit).is_some();
    };
    // A file of that very name goes before the template.
    if scan::named(places, unit, |_| false).foreign.is_some() {
        return false;
    }
    let Some((number, kind)) = rest.split_once('.') else {
        return false;
    };
    let Some(template) = ours(&format!("{stem}@.{kind}")) else {
        return false;
    };
    let facts = marker::owner(&template)
        .and_then(|app| crate::model::Name::new(&app).ok())
        .and_then(|app| Facts::read(&ours(&app.target())?));
    let number: Option<u32> = number.parse().ok();
    facts.is_some_and(|facts| {
        let has = number.is_some_and(|number| number < facts.instances);
        facts.app.owns(unit) && (has || ENDING.contains(&verb))
    })
}

/// `api@0.service`: no file of its own; not so `api@tcp-3000.socket`, nor a template.
fn is_instance(unit: &str) -> bool {
    let instance = unit
        .split_once('@')
        .and_then(|(_, rest)| rest.split_once('.'));
    instance.is_some_and(|(number, _)| {
        number.bytes().all(|digit| digit.is_ascii_digit()) && !number.is_empty()
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::units::Facts;

    fn put(places: &Places, file: &str, text: &str) {
        let path = places.on_disk(file.as_ref());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn units_of_apps_alone() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::system().below(root.path().into());
        let target = "# api\n[Unit]\nDescription=api\n\n[X-Rpmctl]\nApp=api\nFile=/srv/e.toml\nInstances=2\nMode=fork\nNamespace=default\nScript=a\n\
                      Interpreter=none\nCwd=/srv\nAutostart=true\nAutorestart=true\nNotifies=false\nSettleMs=1000\nReadyMs=3000\nHash=0\n";
        assert!(Facts::read(target).is_some());
        let unit =
            "[Service]\nExecStart=/bin/true\n\n[X-Rpmctl]\nApp=api\nFile=/srv/e.toml\nHash=0\n";
        let etc = "/etc/systemd/system";
        put(&places, &format!("{etc}/api.target"), target);
        for name in [
            "api@.service",
            "api@tcp-3000.socket",
            "api-socket.service",
            "api-cron.timer",
            "copy@.service",
        ] {
            put(&places, &format!("{etc}/{name}"), unit);
        }
        put(
            &places,
            "/usr/lib/systemd/system/ssh.service",
            "[Service]\n",
        );
        put(&places, "/usr/lib/systemd/system/other@.service", unit);
        for name in [
            "api.target",
            "api@0.service",
            "api@1.service",
            "api@tcp-3000.socket",
            "api-socket.service",
            "api-cron.timer",
        ] {
            assert!(may(&places, name, "start"), "{name}");
        }
        for name in [
            "ssh.service",
            "api@2.service",
            "api@00.service",
            "api@x.service",
            "api@.socket",
            "api@0.socket",
            "copy@0.service",
            "copy@.service",
            "other@0.service",
            "api",
            "",
            "@0.service",
            "../system/api.target",
            "/etc/systemd/system/api.target",
            "api@0.service/x",
            "api@-1.service",
            "-.slice",
            "multi-user.target",
        ] {
            assert!(!may(&places, name, "start"), "{name}");
        }
        assert!(
            may(&places, "api@7.service", "stop") && may(&places, "api@7.service", "reset-failed")
        );
        // Another's file of that name.
        put(
            &places,
            &format!("{etc}/api@1.service"),
            "[Service]\nExecStart=/bin/sh\n",
        );
        put(&places, "/run/systemd/system/api-cron.timer", "[Timer]\n");
        for name in ["api@1.service", "api-cron.timer"] {
            assert!(
                !may(&places, name, "start") && !may(&places, name, "stop"),
                "{name}"
            );
        }
    }
}
