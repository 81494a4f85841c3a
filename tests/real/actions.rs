//! Metrics and actions of apps: packaging/examples/actions in four languages, @pm2/io unchanged, and what may be in their place.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::apps::{PATIENCE, property, units};
use crate::bed::{self, Bed, Output};
use crate::nodes;

fn rpmctl(bed: &Bed, args: &[&str]) -> Output {
    let all: Vec<&str> = ["rpmctl"].iter().chain(args).copied().collect();
    bed.cmd(&all).deadline(PATIENCE).run()
}

/// What it prints on stdout; it must succeed.
fn ok(bed: &Bed, args: &[&str]) -> String {
    let output = rpmctl(bed, args);
    assert_eq!(output.status, 0, "rpmctl {}\n{output}", args.join(" "));
    assert_eq!(output.stderr, "");
    output.stdout
}

/// What it prints on stderr; it must fail.
fn refused(bed: &Bed, args: &[&str]) -> String {
    let output = rpmctl(bed, args);
    assert_eq!(output.status, 1, "rpmctl {}\n{output}", args.join(" "));
    output.stderr
}

fn trigger(bed: &Bed, args: &[&str]) -> String {
    ok(bed, &[&["trigger"], args].concat())
}

/// Waits until every instance of the app replies.
fn listens(bed: &Bed, app: &str) {
    bed.wait_until("its actions", PATIENCE, || {
        rpmctl(bed, &["trigger", app]).status == 0
    });
}

/// The metrics of an instance, by name: value and type.
fn metrics(bed: &Bed, instance: &str) -> Vec<(String, Value, String)> {
    let rows: Value = serde_json::from_str(&ok(bed, &["list", "--json", instance])).expect("JSON");
    assert_eq!(rows[0]["custom_trouble"], Value::Null, "{rows}");
    let word = |value: &Value| value.as_str().expect("a word").to_owned();
    rows[0]["custom"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (word(&one["name"]), one["value"].clone(), word(&one["kind"])))
        .collect()
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/examples/actions")
}

/// The example in Go, built once.
fn go() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = target.join("actions-go");
        let built = Command::new("go")
            .args(["build", "-o"])
            .arg(&path)
            .arg(example().join("app.go"))
            .env("CGO_ENABLED", "0")
            .env("GOCACHE", target.join("go-build"))
            .output()
            .expect("start go (package golang-go)");
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "{said}");
        path
    })
}

#[test]
fn the_examples_tell_and_do_what_they_are_asked() {
    let bed = bed::shared();
    bed.copy_in(example(), "/srv/actions");
    let program = std::fs::read(go()).expect("the built program");
    bed.write("/srv/actions/app", 0o755, program);
    ok_apply(bed, "/srv/actions/ecosystem.toml");
    let apps = ["in-go", "in-node", "in-python", "in-shell"];
    for app in apps {
        listens(bed, app);
        assert_eq!(
            trigger(bed, &[app, "greet", "you there"]),
            format!("{app}@0 | hello you there\n")
        );
        assert_eq!(
            trigger(bed, &[app]),
            format!("app{}  action\n{app}  greet\n", " ".repeat(app.len() - 3))
        );
        assert_eq!(
            refused(bed, &["trigger", app, "great"]),
            format!("error: {app}@0: has no action great\n  did you mean greet?\n")
        );
        let told = ("queue_length".to_owned(), json!(3.0), "gauge".to_owned());
        assert_eq!(metrics(bed, app), [told]);
        let shown = ok(bed, &["show", app]);
        assert!(shown.contains("queue_length"), "{shown}");
    }
    // An automatic restart leaves the folder, and with it the socket.
    let before = property(bed, "MainPID", &units("in-python", 1));
    bed.ok(&["kill", "-9", &before[0]]);
    bed.wait_until("a new process", PATIENCE, || {
        let now = property(bed, "MainPID", &units("in-python", 1));
        now != before && now[0] != "0"
    });
    listens(bed, "in-python");
    assert_eq!(
        trigger(bed, &["in-python", "greet", "again"]),
        "in-python@0 | hello again\n"
    );
    for app in apps {
        ok_quiet(bed, &["delete", app]);
    }
}

fn ok_apply(bed: &Bed, file: &str) {
    ok_quiet(bed, &["apply", file]);
}

/// It must succeed, whatever it says meanwhile.
fn ok_quiet(bed: &Bed, args: &[&str]) {
    let output = rpmctl(bed, args);
    assert_eq!(output.status, 0, "rpmctl {}\n{output}", args.join(" "));
}

const TALKER: &str = r#"
const io = require('/srv/talker/node_modules/@pm2/io').init();
io.metric({ name: 'Realtime users', unit: 'people', value: () => 42 });
const instance = process.env.NODE_APP_INSTANCE;
io.action('whoami', (reply) => reply({ instance }));
io.action('echo', { comment: 'gives back' }, (param, reply) => reply(`${param}\n\x1b[2J`));
io.action('fail', (reply) => reply(`error: not today`));
io.action('odd', (reply) => (instance === '1' ? reply('odd') : null));
io.action('die', () => process.exit(1));
require('http').createServer((q, r) => r.end('ok')).listen(process.env.PORT);
"#;

#[test]
fn an_app_with_pm2_io_is_asked_as_under_pm2() {
    let bed = bed::shared();
    let packages = nodes::fetched("pm2-io", &["@pm2/io@6.1.0".to_owned()], |_| {});
    bed.copy_in(packages, "/srv/talker");
    bed.write("/srv/talker/app.js", 0o644, TALKER);
    bed.write(
        "/srv/talker/ecosystem.toml",
        0o644,
        "[[apps]]\nname = \"talker\"\nscript = \"app.js\"\nexec_mode = \"cluster\"\ninstances = 2\nport = 4777\nuser = \"app\"\n",
    );
    bed.ok(&["chown", "-R", "app:", "/srv/talker"]);
    ok_apply(bed, "/srv/talker/ecosystem.toml");
    listens(bed, "talker");
    assert_eq!(
        trigger(bed, &["talker", "whoami"]),
        "talker@0 | {\"instance\":\"0\"}\ntalker@1 | {\"instance\":\"1\"}\n"
    );
    assert_eq!(
        trigger(bed, &["talker@1", "echo", "a b"]),
        "talker@1 | a b\ntalker@1 | \x1b[2J\n"
    );
    assert_eq!(
        trigger(bed, &["talker@0"]),
        "app     action\ntalker  die\ntalker  echo    gives back\ntalker  fail\ntalker  odd\ntalker  whoami\n"
    );
    let json: Value =
        serde_json::from_str(&trigger(bed, &["--json", "talker@1", "whoami"])).expect("JSON");
    let expected = json!([{
        "name": "talker", "instance": 1, "unit": "talker@1.service", "action": "whoami", "param": null, "ok": true,
        "reply": "{\"instance\":\"1\"}", "data": { "instance": "1" }, "cut": false, "error": null,
    }]);
    assert_eq!(json, expected);

    assert_eq!(
        refused(bed, &["trigger", "talker", "fail"]),
        "error: talker: fail failed: not today\n"
    );
    let partly = rpmctl(bed, &["trigger", "talker", "odd", "--timeout", "0.3"]);
    assert_eq!(
        (
            partly.status,
            partly.stdout.as_str(),
            partly.stderr.as_str()
        ),
        (
            1,
            "talker@1 | odd\n",
            "error: talker@0: no reply within 0.3 s\n"
        )
    );
    assert_eq!(
        refused(bed, &["trigger", "talker", "nothing like it"]),
        "error: talker: has no action nothing like it\n  there are: die, echo, fail, odd, whoami\n"
    );
    assert_eq!(
        refused(bed, &["trigger", "talker@0", "die"]),
        "error: talker@0: closed without a reply\n"
    );
    // Only who the app belongs to, and root.
    listens(bed, "talker");
    let ask = ["rpmctl", "trigger", "talker@1", "whoami"];
    assert_eq!(bed.ok_as("app", &ask), "talker@1 | {\"instance\":\"1\"}\n");
    let as_nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let nobody = bed.run(&[&as_nobody[..], &ask].concat());
    assert_eq!(nobody.status, 1);
    assert_eq!(
        nobody.stderr,
        "error: talker@1: cannot be asked: permission denied\n  run it with sudo, or as the app's user\n"
    );

    bed.wait_until("its metrics", PATIENCE, || {
        metrics(bed, "talker@1").iter().any(|(name, value, kind)| {
            name == "realtime_users" && *value == json!(42.0) && kind == "gauge"
        })
    });
    let shown = ok(bed, &["show", "talker@1"]);
    assert!(shown.contains("42 people\n"), "{shown}");
    let answer = bed.http_get("127.0.0.1:4777", "/").expect("an answer");
    assert_eq!(answer.body, "ok");
    ok_quiet(bed, &["stop", "talker"]);
    let ended = property(bed, "Result", &units("talker", 2));
    assert_eq!(ended, ["success", "success"]);
    assert_eq!(
        refused(bed, &["trigger", "talker", "whoami"]),
        "error: talker: is not running\n"
    );
    ok_quiet(bed, &["delete", "talker"]);
}

/// An app may put anything where its socket and its file belong: root must not be led astray.
#[test]
fn what_is_no_socket_of_the_app_is_not_asked() {
    let bed = bed::shared();
    bed.write("/srv/sly/app.sh", 0o755, "#!/bin/sh\nexec sleep 1000\n");
    bed.write(
        "/srv/sly/ecosystem.toml",
        0o644,
        "[[apps]]\nname = \"sly\"\nscript = \"app.sh\"\nuser = \"app\"\n",
    );
    ok_apply(bed, "/srv/sly/ecosystem.toml");
    assert_eq!(
        refused(bed, &["trigger", "sly", "go"]),
        "error: sly@0: has no actions\n  an app offers actions with io.action of @pm2/io, or on the socket $RPMCTL_ACTIONS: man ecosystem.toml\n"
    );
    // A socket of root's, outside of the app's control group.
    let mut other = bed.spawn(&["socat", "UNIX-LISTEN:/srv/sly/root,fork", "EXEC:cat"]);
    bed.wait_until("the other's socket", PATIENCE, || {
        bed.exists("/srv/sly/root")
    });
    assert!(other.is_running());
    let foreign =
        "error: sly@0: what listens for its actions is not its own, so it was not asked\n";
    for put in [
        "ln -s /srv/sly/root actions",
        "mount -o bind /srv/sly/root actions",
        "mkfifo actions",
        "mkdir actions",
        "ln -s /etc/shadow actions",
    ] {
        let folder = "cd /run/rpmctl/sly@0";
        let empty = "umount actions 2>/dev/null || true; rm -rf actions";
        let touch = if put.starts_with("mount") {
            "touch actions"
        } else {
            "true"
        };
        bed.sh_ok(&format!("{folder}; {empty}; {touch}; {put}"));
        assert_eq!(refused(bed, &["trigger", "sly", "go"]), foreign, "{put}");
        bed.sh_ok(&format!("{folder}; {empty}"));
    }
    bed.sh_ok("cd /run/rpmctl/sly@0; ln -s /etc/shadow metrics");
    assert_eq!(metrics(bed, "sly@0"), []);
    bed.sh_ok("cd /run/rpmctl/sly@0; rm metrics; mkfifo metrics");
    assert_eq!(metrics(bed, "sly@0"), []);
    bed.sh_ok(
        "cd /run/rpmctl/sly@0; rm metrics; echo 'Real users 3' >metrics; echo 'a 1' >>metrics",
    );
    let shown = ok(bed, &["show", "sly"]);
    let trouble = "line 1: \"users\", the value of Real, is no number\n";
    assert!(shown.contains(trouble), "{shown}");
    // Of a run before this one.
    bed.sh_ok("touch -d '1 hour ago' /run/rpmctl/sly@0/metrics");
    assert_eq!(metrics(bed, "sly@0"), []);
    drop(other);
    ok_quiet(bed, &["delete", "sly"]);
}

/// As another user than the folder's.
#[test]
fn a_process_of_the_instance_is_asked_whoever_it_runs_as() {
    let bed = bed::shared();
    let script = r#"#!/bin/sh
if [ "$1" = reply ]; then read -r line; echo "$(id -u) replied"; exit; fi
chmod 777 "$RUNTIME_DIRECTORY"
exec setpriv --reuid=65534 --regid=65534 --clear-groups socat "UNIX-LISTEN:$RPMCTL_ACTIONS,fork,unlink-early" "EXEC:sh $0 reply"
"#;
    bed.write("/srv/dropped/app.sh", 0o755, script);
    bed.write(
        "/srv/dropped/ecosystem.toml",
        0o644,
        "[[apps]]\nname = \"dropped\"\nscript = \"app.sh\"\n",
    );
    ok_apply(bed, "/srv/dropped/ecosystem.toml");
    listens(bed, "dropped");
    assert_eq!(
        trigger(bed, &["dropped", "go"]),
        "dropped@0 | 65534 replied\n"
    );
    ok_quiet(bed, &["delete", "dropped"]);
}

#[test]
fn with_the_user_s_own_manager() {
    let bed = bed::shared();
    bed.copy_in(example(), "/home/app/actions");
    bed.ok(&["chown", "-R", "app:", "/home/app/actions"]);
    let rpmctl = |args: &[&str]| {
        let start = ["env", "XDG_RUNTIME_DIR=/run/user/1000", "rpmctl", "--user"];
        bed.cmd(&[&start[..], args].concat())
            .user("app")
            .deadline(PATIENCE)
            .run()
    };
    let file = "/home/app/actions/ecosystem.toml";
    let applied = rpmctl(&["apply", file, "--only", "in-python"]);
    assert_eq!(applied.status, 0, "{applied}");
    bed.wait_until("its actions", PATIENCE, || {
        rpmctl(&["trigger", "in-python"]).status == 0
    });
    let replied = rpmctl(&["trigger", "in-python", "greet", "you"]);
    assert_eq!(replied.stdout, "in-python@0 | hello you\n", "{replied}");
    let shown = rpmctl(&["show", "in-python"]);
    assert!(shown.stdout.contains("queue_length"), "{shown}");
    assert_eq!(rpmctl(&["delete", "in-python"]).status, 0);
}
