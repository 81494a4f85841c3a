//! Commands where no service manager can be reached, and where nothing has been applied yet.

use crate::here::Here;

const APP: &str = "[[apps]]\nname = \"api\"\nscript = \"sleep 100\"\n";

#[test]
fn what_needs_systemd_says_so_and_what_to_do() {
    let here = Here::new();
    here.write("ecosystem.toml", APP);
    let init = std::fs::read_to_string("/proc/1/comm").unwrap();
    let said = format!(
        "error: systemd is not the service manager here (process 1 is `{}`)
  run the apps in the foreground on a private systemd: rpmctl run ecosystem.toml
  or only write the unit files: rpmctl render ecosystem.toml --root DIR
",
        init.trim()
    );
    for args in [
        &["apply"][..],
        &["apply", "--json"],
        &["apply", "--check"],
        &["plan"],
        &["plan", "--json", "--detailed-exitcode"],
        &["start", "api"],
        &["stop", "all"],
        &["restart", "api@0"],
        &["delete", "api"],
        &["list"],
        &["list", "--json"],
        &["ls"],
        &["ps"],
        &["jlist"],
        &["status"],
        &["status", "--json"],
        &["show", "api"],
        &["--user", "apply"],
        &["--user", "list"],
    ] {
        here.run(args).is(1, "", &said);
    }
}

/// One line of cause, not one for each thing that cannot be there without it.
#[test]
fn the_doctor_says_it_once() {
    let here = Here::new();
    for args in [
        &["doctor", "--json"][..],
        &["--user", "doctor", "--json", "-v"],
    ] {
        let output = here.run(args);
        assert_eq!((output.code, output.stderr.as_str()), (Some(1), ""));
        let told: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
        let checks = told["checks"].as_array().unwrap();
        let first = &checks[0];
        assert_eq!(
            (first["check"].as_str(), first["level"].as_str()),
            (Some("systemd"), Some("broken"))
        );
        let what = first["what"].as_str().unwrap();
        assert!(
            what.starts_with("systemd is not the service manager here"),
            "{what}"
        );
        assert!(
            first["fix"]
                .as_str()
                .unwrap()
                .contains("rpmctl run ecosystem.toml")
        );
        for one in checks {
            let check = one["check"].as_str().unwrap();
            assert!(
                !["bus", "rights", "cgroup", "journal", "linger"].contains(&check),
                "{one}"
            );
        }
        assert_eq!(told["level"], "broken");
    }
    let text = here.run(&["doctor"]);
    assert!(
        text.stdout.starts_with("broken   systemd") || text.stdout.starts_with("broken  systemd"),
        "{text:?}"
    );
    assert!(
        text.stdout.contains("fix: ") && text.stdout.contains("\nok "),
        "{text:?}"
    );
    let elsewhere = here.run(&["-H", "x", "doctor", "--wrong"]);
    assert_eq!(elsewhere.code, Some(2));
}

/// Not the system's, which may be good.
#[test]
fn the_doctor_of_a_user_names_the_users_own_generations() {
    let here = Here::new();
    let folder = here.path("home/.local/state/rpmctl/generations");
    for number in ["3", "4", "7"] {
        std::fs::create_dir_all(folder.join(number)).unwrap();
    }
    std::fs::write(folder.join("4/about"), "1 app").unwrap();
    let text = here.run(&["--user", "doctor"]).stdout;
    let fix = " fix: rm -r DIR/home/.local/state/rpmctl/generations/3 DIR/home/.local/state/rpmctl/generations/7\n";
    assert!(
        text.contains("generations 3, 7 are damaged") && text.contains(fix),
        "{text}"
    );
}

#[test]
fn where_nothing_was_applied() {
    let here = Here::new();
    let none =
        "error: there are no apps\n  apply an ecosystem file first: rpmctl apply ecosystem.toml\n";
    here.run(&["--user", "logs"]).is(1, "", none);
    here.run(&["--user", "logs", "api"]).is(1, "", none);
    let first = "each apply that changes something makes one";
    here.run(&["--user", "rollback", "--list"]).is(
        0,
        &format!("no generations yet; {first}\n"),
        "",
    );
    here.run(&["--user", "rollback", "--list", "--json"])
        .is(0, "[]\n", "");
    here.run(&["--user", "rollback"]).is(
        1,
        "",
        &format!("error: there is no earlier generation\n  there are none yet; {first}\n"),
    );
    here.run(&["--user", "rollback", "3"]).is(
        1,
        "",
        &format!("error: there is no generation 3\n  there are none yet; {first}\n"),
    );
    assert_eq!(here.tree("home"), [""; 0]);
}

#[test]
fn without_a_home_no_folder_is_the_users() {
    let here = Here::new();
    here.shell("unset HOME; \"$RPMCTL\" --user rollback").is(
        1,
        "",
        "error: HOME is not set, so the folder of your units is not known\n  set HOME, or XDG_CONFIG_HOME\n",
    );
}
