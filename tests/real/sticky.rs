//! packaging/examples/sticky: socket.io sessions through a real nginx, each instance on a port of its own.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::apps::{PATIENCE, statuses};
use crate::bed::{self, Bed, Spawned};
use crate::nodes;

/// What the main file of a distribution's nginx comes down to.
const MAIN: &str = "daemon off;\nerror_log stderr;\npid /run/nginx.pid;\nevents {}\n\
    http {\naccess_log /srv/access.log;\ninclude /srv/sticky/nginx.conf;\n}\n";

/// The example with its packages, applied in the bed; nginx in front of it, until the answer is dropped.
fn started(bed: &Bed) -> Spawned {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/examples/sticky");
    let folder = tempfile::tempdir().expect("a folder");
    for file in [
        "app.js",
        "ecosystem.toml",
        "nginx.conf",
        "package.json",
        "package-lock.json",
    ] {
        std::fs::copy(example.join(file), folder.path().join(file)).expect("a copy");
    }
    let npm = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--prefer-offline"])
        .current_dir(folder.path())
        .output()
        .expect("start npm (package npm)");
    assert!(npm.status.success(), "{npm:?}");
    bed.copy_in(folder.path(), "/srv/sticky");
    let client = ["socket.io-client@4".to_owned()];
    bed.copy_in(nodes::fetched("client", &client, |_| {}), "/srv/client");
    let script = include_str!("sticky/client.js");
    bed.write("/srv/client/client.js", 0o644, script);
    bed.ok(&["rpmctl", "apply", "/srv/sticky/ecosystem.toml"]);
    assert_eq!(statuses(bed, &["chat"]), ["online"; 4]);
    for port in 3000..3004 {
        let address = format!("127.0.0.1:{port}");
        bed.wait_until(&format!("{address} answers"), PATIENCE, || {
            bed.http_get(&address, "/").is_ok()
        });
    }
    bed.write("/srv/nginx.conf", 0o644, MAIN);
    let mut nginx = nginx(bed);
    bed.wait_until("nginx answers", PATIENCE, || {
        assert!(nginx.is_running(), "{:?}", nginx.printed());
        bed.http_get("127.0.0.1:80", "/").is_ok()
    });
    nginx
}

/// nginx as this machine has it, else as tests/run has unpacked it: its package would start a web server at once.
fn nginx(bed: &Bed) -> Spawned {
    let unpacked = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nginx/root");
    let mut program = "/usr/sbin/nginx".to_owned();
    let mut libraries = String::new();
    if !bed.exists(&program) {
        assert!(
            unpacked.join("usr/sbin/nginx").exists(),
            "there is no nginx: run tests/run, which unpacks it to {}",
            unpacked.display()
        );
        bed.copy_in(&unpacked, "/srv/nginx");
        bed.sh_ok("mkdir -p /var/lib/nginx");
        program = "/srv/nginx/usr/sbin/nginx".to_owned();
        libraries = bed.sh_ok("find /srv/nginx -name '*.so.*' -printf '%h:' | sort -u");
    }
    bed.cmd(&[&program, "-c", "/srv/nginx.conf", "-p", "/srv"])
        .env("LD_LIBRARY_PATH", &libraries)
        .spawn()
}

fn client(bed: &Bed, url: &str, from: &str, polls: u32) -> Spawned {
    let polls = polls.to_string();
    bed.spawn(&["node", "/srv/client/client.js", url, from, &polls])
}

#[test]
fn a_session_stays_with_its_instance_and_returns_after_its_restart() {
    let bed = Bed::boot(Default::default());
    let mut nginx = started(&bed);

    // Addresses stand for visitors.
    let visitors: Vec<Spawned> = (2..10)
        .map(|last| client(&bed, "http://127.0.0.1", &format!("127.0.0.{last}"), 50))
        .collect();
    let mut used = BTreeSet::new();
    for visitor in visitors {
        let output = visitor.wait(PATIENCE);
        let lines: Vec<&str> = output.stdout.lines().collect();
        let [
            "connected",
            instance,
            "done",
            "disconnected: io client disconnect",
        ] = lines[..]
        else {
            panic!("{output}");
        };
        used.insert(instance.to_owned());
    }
    assert!(used.len() > 1, "all visitors went to {used:?}");

    let visitor = client(&bed, "http://127.0.0.1", "127.0.0.2", 0);
    let lines = || -> Vec<String> { visitor.printed().0.lines().map(str::to_owned).collect() };
    bed.wait_until("the session is there", PATIENCE, || lines().len() == 2);
    let number = lines()[1]
        .strip_prefix("instance ")
        .expect("its number")
        .to_owned();
    bed.ok(&["rpmctl", "restart", &format!("chat@{number}")]);
    bed.wait_until("the session is there again", PATIENCE, || {
        let lines = lines();
        let connected = lines.iter().filter(|line| *line == "connected").count();
        connected > 1
            && lines
                .last()
                .is_some_and(|line| line.starts_with("instance "))
    });
    assert!(nginx.is_running(), "{:?}", nginx.printed());
}

/// The README's line for paths in place of ports.
#[test]
fn each_instance_may_have_a_path_of_its_own() {
    let readme = include_str!("../../README.md");
    let line = readme
        .split('`')
        .find(|code| code.contains("$NODE_APP_INSTANCE; rm -f"))
        .expect("the line");
    let bed = bed::shared();
    let script = "const instance = process.env.NODE_APP_INSTANCE;\n\
        require('http').createServer((q, s) => s.end(instance)).listen(process.env.PORT);";
    bed.write("/srv/by-path/app.js", 0o644, script);
    let text = format!(
        "[[apps]]\nname = \"by-path\"\n{line}\ninstances = 2\nexec_mode = \"fork\"\nmin_uptime = 200\n"
    );
    bed.write("/srv/by-path/ecosystem.toml", 0o644, text);
    bed.sh_ok("mkdir -p /run/chat");
    bed.ok(&["rpmctl", "apply", "/srv/by-path/ecosystem.toml"]);
    let answer = |number: u32| {
        let path = format!("/run/chat/{number}");
        let curl = ["curl", "-s", "--unix-socket", &path, "http://chat/"];
        bed.run(&curl).stdout
    };
    let each_answers = || (0..2).all(|number| answer(number) == number.to_string());
    bed.wait_until("each answers", PATIENCE, each_answers);
    bed.ok(&["rpmctl", "restart", "by-path@1"]);
    bed.wait_until("each answers again", PATIENCE, each_answers);
    bed.ok(&["rpmctl", "delete", "by-path"]);
}
