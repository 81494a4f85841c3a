//! `--user` by an ordinary user: the same, in the user's own manager and below the user's own home.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rpmctl::unit_files::Places;

use crate::apps::{self, PATIENCE, cluster, shell};
use crate::bed::{self, Bed, Output};

fn rpmctl(bed: &Bed, args: &[&str]) -> Output {
    let all: Vec<&str> = ["rpmctl", "--user"].iter().chain(args).copied().collect();
    bed.cmd(&all).user("app").dir("/home/app/site").run()
}

fn ok(bed: &Bed, args: &[&str]) -> String {
    let output = rpmctl(bed, args);
    assert_eq!(
        output.status,
        0,
        "rpmctl --user {}\n{output}",
        args.join(" ")
    );
    output.stdout
}

fn systemctl(bed: &Bed, args: &[&str]) -> String {
    let all: Vec<&str> = ["systemctl", "--user"]
        .iter()
        .chain(args)
        .copied()
        .collect();
    bed.run_as("app", &all).stdout
}

fn pids(bed: &Bed) -> Vec<u64> {
    let rows: serde_json::Value =
        serde_json::from_str(&ok(bed, &["list", "--json"])).expect("JSON");
    let rows = rows.as_array().expect("a list");
    assert!(rows.iter().all(|row| row["status"] == "online"), "{rows:?}");
    rows.iter()
        .map(|row| row["pid"].as_u64().expect("a PID"))
        .collect()
}

/// Waits until each of the instances has answered.
fn all_answer(bed: &Bed, port: u16, instances: usize, greeting: &str) {
    let mut seen = std::collections::BTreeSet::new();
    bed.wait_until("each instance answers", PATIENCE, || {
        let address = format!("127.0.0.1:{port}");
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..instances)
                .map(|_| scope.spawn(|| bed.http_get(&address, "/busy")))
                .collect();
            for one in all {
                let body = one
                    .join()
                    .expect("the request's thread")
                    .expect("an answer")
                    .body;
                assert!(body.ends_with(&format!(" {greeting}\n")), "{body}");
                seen.insert(body);
            }
        });
        seen.len() == instances
    });
}

#[test]
fn an_ordinary_user_does_it_all() {
    let bed = &apps::bed();
    let system_before = apps::files(bed);
    bed.run_as(
        "app",
        &[
            "sh",
            "-c",
            "mkdir -p /home/app/site && cp /srv/server* /home/app/site",
        ],
    );
    let text = |greeting: &str| {
        cluster("web", "node", 4101, 3, greeting)
            + &cluster("rs", "rust", 4103, 2, greeting)
            + &shell(
                "talk",
                "echo \"out of $NODE_APP_INSTANCE\"; echo \"err of $NODE_APP_INSTANCE\" >&2; exec sleep 1000",
                "instances = 2",
            )
    };
    bed.write_as("app", "/home/app/site/ecosystem.toml", 0o644, text("hello"));
    let first = rpmctl(bed, &["apply"]);
    assert_eq!(first.status, 0, "{first}");
    assert!(
        first
            .stdout
            .ends_with("3 to create\ndone: 3 apps, 7 instances\n"),
        "{first}"
    );
    all_answer(bed, 4101, 3, "hello");
    all_answer(bed, 4103, 2, "hello");
    assert_eq!(
        systemctl(
            bed,
            &["is-active", "web.target", "rs.target", "talk.target"]
        ),
        "active\nactive\nactive\n"
    );
    assert_eq!(systemctl(bed, &["is-enabled", "web.target"]), "enabled\n");
    let owner = bed.ok_as(
        "app",
        &["ps", "-o", "user=", "-p", &pids(bed)[0].to_string()],
    );
    assert_eq!(owner.trim(), "app");
    assert_eq!(
        bed.sh_ok(
            "stat -c '%a %U' /home/app/.config/rpmctl/env /home/app/.config/rpmctl/env/web.env"
        ),
        "700 app\n600 app\n"
    );

    let before = pids(bed);
    let second = rpmctl(bed, &["apply"]);
    assert_eq!(
        (
            second.status,
            second.stdout.as_str(),
            second.stderr.as_str()
        ),
        (
            0,
            "nothing to do: 3 apps, 7 instances, all as the file says\n",
            ""
        )
    );
    assert_eq!(pids(bed), before);

    // The journal has what each instance wrote, and no more.
    let logged = |args: &[&str]| {
        let text = ok(bed, &[&["logs", "talk", "--raw"], args].concat());
        let mut lines: Vec<String> = text
            .lines()
            .map(str::to_owned)
            .filter(|line| line.contains(" of "))
            .collect();
        lines.sort();
        lines
    };
    let everything = ["err of 0", "err of 1", "out of 0", "out of 1"];
    bed.wait_until("the journal has the lines", PATIENCE, || {
        logged(&[]) == everything
    });
    assert_eq!(logged(&["--err"]), everything[..2]);
    assert_eq!(logged(&["--out"]), everything[2..]);

    // By id: rs@0, rs@1, talk@0, talk@1, web@0 …
    ok(bed, &["restart", "web", "talk@1"]);
    let after = pids(bed);
    let renewed: Vec<usize> = (0..7).filter(|id| before[*id] != after[*id]).collect();
    assert_eq!(renewed, [3, 4, 5, 6]);
    all_answer(bed, 4101, 3, "hello");

    bed.write_as("app", "/home/app/site/ecosystem.toml", 0o644, text("bye"));
    ok(bed, &["apply", "--only", "rs"]);
    all_answer(bed, 4103, 2, "bye");
    assert_eq!(pids(bed)[2..], after[2..]);

    bed.ok_as("app", &["kill", "-9", &pids(bed)[0].to_string()]);
    bed.wait_until("rs@0 is back", PATIENCE, || {
        let row: serde_json::Value =
            serde_json::from_str(&ok(bed, &["list", "--json", "rs@0"])).expect("JSON");
        row[0]["status"] == "online" && row[0]["restarts"] == 1
    });
    // Where its script counts.
    assert!(bed.exists("/run/user/1000/rpmctl/rs@0/starts"));

    ok(bed, &["stop", "web"]);
    assert_eq!(
        systemctl(bed, &["is-active", "web.target"])
            + &systemctl(bed, &["is-enabled", "web.target"]),
        "inactive\ndisabled\n"
    );
    ok(bed, &["rollback"]);
    all_answer(bed, 4103, 2, "hello");
    ok(bed, &["delete", "all"]);
    assert_eq!(
        ok(bed, &["list"]),
        "no apps; start with: rpmctl apply ecosystem.toml\n"
    );
    assert_eq!(
        bed.sh_ok("find /home/app/.config/systemd /home/app/.config/rpmctl ! -type d"),
        ""
    );
    assert_eq!(
        systemctl(
            bed,
            &[
                "list-units",
                "--all",
                "--plain",
                "--no-legend",
                "web*",
                "rs*",
                "talk*"
            ]
        ),
        ""
    );
    // Nothing of it concerned the system's manager.
    assert_eq!(apps::files(bed), system_before);
}

#[test]
fn without_root_the_system_is_out_of_reach() {
    let bed = &apps::bed();
    apps::write(bed, &shell("app", "exec sleep 1000", ""));
    let before = apps::files(bed);
    let refused = bed.cmd(&["rpmctl", "apply"]).user("app").dir("/srv").run();
    assert_eq!(refused.status, 1, "{refused}");
    assert!(
        refused
            .stderr
            .ends_with("  run it with sudo, or with --user for your own service manager\n"),
        "{refused}"
    );
    assert_eq!(apps::files(bed), before);
}

#[test]
fn every_folder_the_managers_load_units_from_is_known() {
    let bed = bed::shared();
    let known = |places: Places| -> BTreeSet<PathBuf> {
        places.search.into_iter().chain([places.units]).collect()
    };
    let asked = |text: String| -> BTreeSet<PathBuf> {
        text.split_whitespace().map(PathBuf::from).collect()
    };
    let system = bed.ok(&["systemctl", "show", "--value", "-p", "UnitPath"]);
    assert_eq!(
        asked(system)
            .difference(&known(Places::system()))
            .collect::<Vec<_>>(),
        Vec::<&PathBuf>::new()
    );
    let home = Path::new("/home/app");
    let user = Places::user(
        &home.join(".config"),
        &home.join(".local/share"),
        &home.join(".local/state"),
        "/run/user/1000".as_ref(),
    );
    let theirs = asked(systemctl(bed, &["show", "--value", "-p", "UnitPath"]));
    assert!(
        theirs.contains(&home.join(".config/systemd/user.control")),
        "{theirs:?}"
    );
    let known = known(user);
    assert_eq!(
        theirs.difference(&known).collect::<Vec<_>>(),
        Vec::<&PathBuf>::new()
    );
}

#[test]
fn a_unit_of_the_user_s_own_is_refused_wherever_it_lies() {
    let bed = &apps::bed();
    let at = "/home/app/site/ecosystem.toml";
    bed.write_as("app", at, 0o644, shell("mine", "exec sleep 1000", ""));
    for folder in [
        "/home/app/.config/systemd/user.control",
        "/run/user/1000/systemd/user.control",
        "/home/app/.local/share/systemd/user",
        "/usr/local/share/systemd/user",
        "/usr/share/systemd/user",
    ] {
        let file = format!("{folder}/mine@.service");
        let owner = match folder.starts_with("/usr") {
            true => "root",
            false => "app",
        };
        bed.write_as(owner, &file, 0o644, "[Service]\nExecStart=/bin/true\n");
        let refused = rpmctl(bed, &["apply"]);
        assert_eq!(refused.status, 1, "{file}\n{refused}");
        assert!(refused.stderr.contains(&file), "{refused}");
        bed.ok(&["rm", &file]);
    }
    assert!(!bed.exists("/home/app/.config/systemd/user/mine.target"));
}
