//! The collection of packaging/ansible, as Ansible's own programs build, install and run it, against three machines behind sshd.

#[path = "../bed/mod.rs"]
mod bed;
mod controller;
#[path = "../packages/mod.rs"]
mod packages;

use controller::{Controller, Run};

const OK: &str = "unreachable=0 failed=0 skipped=0 rescued=0 ignored=0";

/// The same of each machine.
fn three(counts: &str) -> Vec<String> {
    (1..=3)
        .map(|number| format!("m{number} : {counts} {OK}"))
        .collect()
}

#[track_caller]
fn all_say(controller: &Controller, answer: &str) {
    for machine in &controller.machines {
        let said = machine.bed.http_get("127.0.0.1:4801", "/").expect("HTTP");
        assert_eq!(said.body, answer);
    }
}

#[track_caller]
fn none_of_the_secret(run: &Run) {
    assert!(!run.text.contains("hunter2"), "{}", run.text);
}

#[test]
fn everything() {
    let controller = &Controller::start();
    let collection = controller.path("collections/ansible_collections/rpmctl/rpmctl");
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        let own = std::fs::read(controller::root().join(licence)).expect("the licence");
        let told = std::fs::read(collection.join(licence)).expect("the collection's");
        assert!(own == told, "{licence}");
    }
    logs_as_ansible_does(controller);
    std::thread::scope(|scope| {
        scope.spawn(|| states(controller));
        six_runs(controller);
        late(controller);
        role_and_rolling(controller);
    });
}

fn six_runs(controller: &Controller) {
    let six = |args: &[&str]| {
        let run = controller.play("six.yml", args);
        none_of_the_secret(&run);
        run
    };
    let recaps = |run: &Run, counts: &str| {
        let lines = three(counts);
        run.recaps(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    };
    let production = ["-e", "profile=production"];
    let more = ["-e", "profile=production", "-e", "instances=3"];

    recaps(&six(&[]), "ok=1 changed=1");
    all_say(controller, "hello 13");
    // Also as most have it set: each module goes there as a file.
    let again = six(&["-e", "ansible_pipelining=false"]);
    recaps(&again, "ok=1 changed=0");
    let bed = &controller.machines[0].bed;
    let pids = || bed.ok(&["systemctl", "show", "-P", "MainPID", "six@0", "six@1"]);
    let before = pids();
    let changed = six(&[&production[..], &["--diff"]].concat());
    recaps(&changed, "ok=1 changed=1");
    let env = "--- before: environment of six\n+++ after: environment of six\n@@ -0,0 +1 @@\n+GREETING=(not shown)\n";
    assert_eq!(changed.text.matches(env).count(), 3, "{}", changed.text);
    all_say(controller, "welcome 13");
    let after = pids();
    assert_ne!(before, after);

    let checked = six(&[&more[..], &["--check"]].concat());
    recaps(&checked, "ok=1 changed=1");
    let target = bed.read("/etc/systemd/system/six.target");
    let diffed = six(&[&more[..], &["--check", "--diff", "-l", "m1"]].concat());
    diffed.recaps(&[&format!("m1 : ok=1 changed=1 {OK}")]);
    assert_eq!(
        (pids(), bed.read("/etc/systemd/system/six.target")),
        (after.clone(), target.clone())
    );
    // What it showed is what then happens.
    let done = six(&[&more[..], &["--diff"]].concat());
    recaps(&done, "ok=1 changed=1");
    let changes = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with(['+', '-']));
        lines.map(str::to_owned).collect()
    };
    let shown = changes(&diffed.text);
    assert_eq!(
        changes(&done.text)[..shown.len()],
        shown[..],
        "{}",
        done.text
    );
    let now = bed.read("/etc/systemd/system/six.target");
    for line in shown
        .iter()
        .filter(|line| !line.starts_with("+++") && !line.starts_with("---"))
    {
        let (sign, line) = line.split_at(1);
        let [there, gone] = match sign {
            "+" => [&now, &target],
            _ => [&target, &now],
        };
        assert!(
            there.contains(line) && !gone.lines().any(|one| one == line),
            "{sign}{line}"
        );
    }
    assert!(
        shown.iter().any(|line| line.contains("six@2.service")),
        "{shown:?}"
    );
    assert_eq!(pids(), after, "what runs was not touched");

    recaps(&six(&["-e", "state=absent"]), "ok=1 changed=1");
    for machine in &controller.machines {
        assert!(machine.bed.http_get("127.0.0.1:4801", "/").is_err());
        machine
            .bed
            .sh_ok("! ls /etc/systemd/system/six* /srv/six/ecosystem.toml 2>/dev/null");
    }
    // Nor did the machine's own log get the secret.
    let journal = bed.ok(&["journalctl", "--no-pager", "-o", "cat"]);
    assert!(journal.contains("Invoked with") && !journal.contains("hunter2"));
}

/// A version of Ansible that writes the options of a module to the log in a way of its own would write the values of config.
fn logs_as_ansible_does(controller: &Controller) {
    let run = controller.python(
        "from ansible.module_utils.basic import AnsibleModule\n\
         from ansible_collections.rpmctl.rpmctl.plugins.modules import ecosystem\n\
         del AnsibleModule._log_invocation\n\
         ecosystem.main()",
    );
    assert_eq!(run.code, Some(1), "{}", run.text);
    assert!(run.text.contains("logs in another way"), "{}", run.text);
}

fn late(controller: &Controller) {
    let run = controller.play("late.yml", &[]);
    assert_eq!(run.code, Some(0), "{}", run.text);
}

fn states(controller: &Controller) {
    let run = controller.play("states.yml", &["-vv"]);
    assert_eq!(run.code, Some(0), "{}", run.text);
    none_of_the_secret(&run);
    let bed = &controller.machines[0].bed;
    let own = bed.ok(&["stat", "-c", "%U %a", "/home/app/ecosystem.toml"]);
    assert_eq!(own, "app 600\n");
}

fn role_and_rolling(controller: &Controller) {
    let folder = controller.path("packages");
    let version_1 = packages::deb(&folder, "0.1.0-1").display().to_string();
    packages::deb(&folder, "0.1.0-2");
    packages::deb(&folder, "0.1.0-3");
    let third = &controller.machines[2].bed;
    third.sh_ok("rm /usr/local/bin/rpmctl");
    packages::repository(third, &folder, &["0.1.0-2", "0.1.0-3"]);
    let template = controller::root().join("tests/ansible/files/own.toml.j2");
    let apps = |greeting: &str| {
        serde_json::json!([{
            "path": "/srv/rolled/ecosystem.toml",
            "config": { "apps": [{
                "name": "rolled", "script": "/srv/app/app.js", "exec_mode": "cluster", "instances": 2, "port": 4801, "user": "app",
                "max_restarts": 2, "env": { "GREETING": greeting, "SECRET": "hunter2" },
            }] },
        }, {
            "path": "/home/app/own.toml", "src": template, "user": "app",
        }])
    };
    // By a file: what it holds is on no command line.
    let vars = |vars: serde_json::Value| controller.vars(&vars.to_string());
    let with = |package: &str| {
        vars(serde_json::json!({ "rpmctl_package": package, "rpmctl_ecosystems": apps("one") }))
    };
    let installed = || third.ok(&["dpkg-query", "-W", "-f", "${Version}", "rpmctl"]);

    // On a machine that has nothing, check mode says that everything is to be done.
    let checked = controller.play("role.yml", &["--check", "-e", &with(&version_1)]);
    assert_eq!(checked.code, Some(0), "{}", checked.text);
    assert!(
        checked.recap()[0].contains(" changed=3 "),
        "{}",
        checked.text
    );
    assert_ne!(third.run(&["dpkg-query", "-W", "rpmctl"]).status, 0);
    let first = controller.play("role.yml", &["-e", &with(&version_1)]);
    assert!(first.recap()[0].contains(" changed=4 "), "{}", first.text);
    assert_eq!(installed(), "0.1.0-1");
    let runs = third.cmd(&["systemctl", "--user", "is-active", "own-m3@0"]);
    assert_eq!(runs.user("app").ok(), "active\n");
    let again = controller.play("role.yml", &["-e", &with(&version_1)]);
    assert!(again.recap()[0].contains(" changed=0 "), "{}", again.text);
    let pids = || third.ok(&["systemctl", "show", "-P", "MainPID", "rolled@0", "rolled@1"]);
    let before = pids();
    // A version of a repository, which has a newer one as well.
    let pinned = |version: &str| {
        vars(serde_json::json!({
            "rpmctl_repository": { "uris": "file:/srv/repository", "suites": "./", "trusted": true },
            "rpmctl_version": version,
            "rpmctl_ecosystems": apps("one"),
            "release": "1",
        }))
    };
    // What Ansible needs for repositories is not there, and check mode does not bring it; nor is there one of the users.
    let second = &controller.machines[1].bed;
    second.sh_ok("dpkg --remove python3-debian && ! ls /etc/apt/sources.list.d/rpmctl.sources");
    let fresh = ["--check", "-e", "machine=m2", "-e", &pinned("0.1.0-2")];
    let fresh = controller.play("role.yml", &fresh);
    assert_eq!(fresh.code, Some(0), "{}", fresh.text);
    // The program itself; there is no watcher to be restarted by the handler.
    let program = vars(serde_json::json!({
        "rpmctl_binary": folder.join("0.1.0-1/usr/bin/rpmctl"), "rpmctl_binary_path": "/usr/local/bin/rpmctl-too",
    }));
    let program = controller.play("role.yml", &["-e", "machine=m2", "-e", &program]);
    program.recaps(&["m2 : ok=4 changed=2 unreachable=0 failed=0 skipped=6 rescued=0 ignored=0"]);
    let newer = controller.play("role.yml", &["-e", &pinned("0.1.0-2")]);
    // The repository, the package, the release, and the handler that reloads what runs.
    assert!(newer.recap()[0].contains(" changed=4 "), "{}", newer.text);
    assert_eq!(
        newer.text.matches("RUNNING HANDLER").count(),
        1,
        "{}",
        newer.text
    );
    assert_eq!(installed(), "0.1.0-2");
    assert_ne!(pids(), before);
    // A run that was cut off has left a repository that is known and was not read.
    third.sh_ok("rm -rf /var/lib/apt/lists/*");
    let newest = controller.play("role.yml", &["-e", &pinned("0.1.0-3")]);
    assert!(newest.recap()[0].contains(" changed=1 "), "{}", newest.text);
    assert_eq!(installed(), "0.1.0-3");

    let rolling = |greeting: &str| {
        let vars = vars(serde_json::json!({
            "rpmctl_install": false,
            "rpmctl_ecosystems": apps(greeting),
            "rpmctl_answers": "http://127.0.0.1:4801/",
        }));
        controller.play("rpmctl.rpmctl.rolling", &["-e", &vars])
    };
    let good = rolling("two");
    assert_eq!(good.code, Some(0), "{}", good.text);
    assert_eq!(good.text.matches("PLAY [Bring a release out]").count(), 3);
    all_say(controller, "two 7");
    let before = pids();
    let bad = rolling("broken");
    assert_eq!(bad.code, Some(2), "{}", bad.text);
    assert_eq!(bad.recap().len(), 1, "{}", bad.text);
    none_of_the_secret(&bad);
    assert!(
        bad.text.contains("no greeting of that kind"),
        "{}",
        bad.text
    );
    all_say(controller, "two 7");
    assert_eq!(pids(), before);
}
