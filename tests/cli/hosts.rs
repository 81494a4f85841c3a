//! `-H`, with a program in ssh's place: what it is given, and what comes of how it ends.

use std::process::Command;

use crate::here::{Here, Output, RPMCTL};

/// Runs the command as sshd would, with this rpmctl first on the PATH; or does what stands in a file called as the machine.
const SSH: &str = r#"#!/bin/sh
printf '%s\n' "$@" >"$0.given"
until [ "$1" = -- ]; do shift; done
machine=$2; shift 2
[ ! -e "$0.$machine" ] || . "$0.$machine"
PATH=${0%/*}/bin:$PATH exec sh -c "$*"
"#;

fn here() -> Here {
    let here = Here::new();
    here.write("ssh", SSH);
    std::fs::create_dir(here.path("bin")).unwrap();
    std::os::unix::fs::symlink(RPMCTL, here.path("bin/rpmctl")).unwrap();
    here.write("app.js", "");
    let file = here.path("ssh");
    std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    here
}

fn command(here: &Here, args: &[&str]) -> Command {
    let mut with = Command::new("env");
    with.arg(format!("RPMCTL_SSH={}", here.path("ssh").display()));
    with.env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C.UTF-8");
    with.env("HOME", here.path("home"))
        .current_dir(here.path(""))
        .stdin(std::process::Stdio::null());
    with.arg(RPMCTL).args(args);
    with
}

fn run(here: &Here, args: &[&str]) -> Output {
    here.output(&mut command(here, args))
}

#[test]
fn the_same_command_there() {
    let here = here();
    here.write(
        "ecosystem.toml",
        "[[apps]]\nname = \"a b\"\nscript = \"app.js\"\n",
    );
    let file = here.path("ecosystem.toml");
    let file = file.to_str().unwrap();
    let own = here.output(Command::new(RPMCTL).args(["check", file]));
    run(&here, &["-H", "root@web1:2222", "check", file]).is(0, &own.stdout, &own.stderr);
    let line = env!("CARGO_PKG_VERSION").rsplit_once('.').unwrap().0;
    let given = here
        .read("ssh.given")
        .replace(here.path("").to_str().unwrap(), "DIR/");
    assert_eq!(
        given,
        format!(
            "-T\n-o\nBatchMode=yes\n-o\nConnectTimeout=10\n-p\n2222\n--\nroot@web1\nenv\nrpmctl\n__at\n{line}\n--\n-H\nroot@web1:2222\ncheck\nDIR/ecosystem.toml\n"
        )
    );
    // Its exit code and its words.
    run(
        &here,
        &[
            "--host-timeout=3",
            "check",
            "/nothing here.toml",
            "--host=web1",
        ],
    )
    .is(
        1,
        "",
        &here
            .output(Command::new(RPMCTL).args(["check", "/nothing here.toml"]))
            .stderr,
    );
    assert!(here.read("ssh.given").contains("ConnectTimeout=3\n"));
    run(&here, &["-H", "web1", "logs", "--lines", "many"]).is(
        2,
        "",
        &here.run(&["logs", "--lines", "many"]).stderr,
    );
}

#[test]
fn standard_input_goes_along() {
    let here = here();
    here.write("ecosystem.toml", "[[apps]]\nname = \"api\"\n");
    let stdin = || std::fs::File::open(here.path("ecosystem.toml")).unwrap();
    let own = here.output(Command::new(RPMCTL).args(["check", "-"]).stdin(stdin()));
    assert_eq!(own.code, Some(1));
    let there = here.output(command(&here, &["-H", "web1", "check", "-"]).stdin(stdin()));
    there.is(1, &own.stdout, &own.stderr);
    // To each of several, the first of which ends it.
    let there =
        here.output(command(&here, &["-H", "web1", "-H", "web2", "check", "-"]).stdin(stdin()));
    let said = format!("==> web1\n{}stopped at web1; not done: web2\n", own.stderr);
    there.is(1, &own.stdout, &said);
    run(&here, &["-H", "web1", "check", "ecosystem.toml"]).is(
        1,
        "",
        "error: ecosystem.toml: with -H a file is one of web1, and its whole path is needed\n  a file of that machine: rpmctl -H web1 … /srv/app/ecosystem.toml\n  one of this machine, whose relative paths then begin at the home there: rpmctl -H web1 … - <ecosystem.toml\n",
    );
}

#[test]
fn why_a_machine_is_not_reached() {
    let here = here();
    for (does, said) in [
        (
            "echo 'ssh: connect to host web1 port 22: Connection refused' >&2; exit 255",
            "error: web1: nothing listens on its ssh port\n  start sshd there, or give its port: -H HOST:PORT\n",
        ),
        (
            "echo 'Host key verification failed.' >&2; exit 255",
            "error: web1: its host key is not known yet\n  log in once by hand and compare it: ssh web1\n",
        ),
        (
            "echo 'root@web1: Permission denied (publickey).' >&2; exit 255",
            "error: web1: it lets nobody in with these keys\n  see which user and key it takes: ssh web1, ssh-add -l; for a new key: ssh-copy-id web1\n",
        ),
        (
            "echo 'ssh: Could not resolve hostname web1: Name or service not known' >&2; exit 255",
            "error: web1: no address is known for this name\n  see its spelling, /etc/hosts, and Host in ~/.ssh/config\n",
        ),
        (
            "exit 255",
            "error: web1: ssh failed\n  try by hand: ssh web1 true\n",
        ),
        (
            "exec env not-there",
            "error: web1: rpmctl is not installed there, or not on the PATH of a command through ssh\n  install the same version there, e.g. in /usr/local/bin\n  its PATH: ssh web1 printenv PATH\n",
        ),
        ("exec \"${0%/*}/bin/rpmctl\" __at 99.1 -- list", ""),
    ] {
        here.write("ssh.web1", does);
        let output = run(&here, &["-H", "web1", "list"]);
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (Some(1), ""),
            "{output:?}"
        );
        assert!(output.stderr.ends_with(said), "{does}\n{output:?}");
        if said.is_empty() {
            assert!(
                output
                    .stderr
                    .contains("and 99.1 where the command was given"),
                "{output:?}"
            );
        }
    }
    let mut command = Command::new(RPMCTL);
    command
        .args(["-H", "web1", "list"])
        .env("RPMCTL_SSH", "/nothing/ssh");
    let output = here.output(&mut command);
    assert!(
        output
            .stderr
            .starts_with("error: /nothing/ssh cannot be started:"),
        "{output:?}"
    );
    assert_eq!(output.code, Some(1));
}

#[test]
fn several_in_one_table() {
    let here = here();
    let app = r#"{"name":"api","online":1,"instances":2,"status":"errored","restarts":4,"cpu_percent":1.5,"memory_bytes":1048576,"rows":[]}"#;
    here.write("ssh.a", format!("echo '[{app}]'; exit 3"));
    here.write(
        "ssh.b",
        "echo 'ssh: connect to host b port 22: No route to host' >&2; exit 255",
    );
    here.write("ssh.c", "echo 'error: systemd is not there' >&2; exit 1");
    here.write("ssh.d", "echo '[]'; exit 0");
    here.write("ssh.e", "echo 'Welcome!'; exit 0");
    // Hangs, as a machine does whose sshd is stopped; ended by us.
    here.write("ssh.f", "echo $$ >\"$0.pid\"; exec sleep 1000");
    let table = "host  app   up  status    cpu  memory  restarts\na     api  1/2  errored  1.5%     1mb         4\nd     -      -  -           -       -         -\nd: no apps\n";
    // Alone it is what it says itself.
    run(&here, &["status", "-H", "a"]).is(3, &format!("[{app}]\n"), "");
    run(&here, &["-H", "a", "status", "-H", "d"]).is(3, table, "");
    let all = [
        "status",
        "-Ha",
        "-Hb",
        "-Hc",
        "-Hd",
        "-He",
        "-Hf",
        "--host-timeout",
        "8",
    ];
    let output = run(&here, &all);
    assert_eq!(
        (output.code, output.stderr.as_str()),
        (Some(1), ""),
        "{output:?}"
    );
    for line in [
        "a     api  1/2  errored ",
        "b     -      -  unreachable ",
        "b: unreachable: it does not answer",
        "c: unreachable: systemd is not there",
        "d: no apps",
        "e: unreachable: what it answered cannot be read; does its shell print something when a command is run by ssh?",
        "f: unreachable: no answer within 8 s",
    ] {
        assert!(
            output.stdout.lines().any(|one| one.starts_with(line)),
            "no {line:?}\n{output:?}"
        );
    }
    let pid: u32 = here.read("ssh.pid").trim().parse().unwrap();
    let start = std::time::Instant::now();
    while std::path::Path::new(&format!("/proc/{pid}")).exists() {
        assert!(start.elapsed().as_secs() < 60, "ssh goes on");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    // An app that is on some machines alone: no failure, but where none has it.
    for host in ["ssh.g", "ssh.h"] {
        let told = "echo 'error: no app is called api' >&2; echo '  there are: web' >&2; exit 1";
        here.write(host, told);
    }
    let table = table.replace("\nd     -", "\ng     -");
    let table = table.replace("d: no apps", "g: no app is called api");
    run(&here, &["-Ha", "-Hg", "status", "api"]).is(3, &table, "");
    let nowhere = run(&here, &["-Hg", "-Hh", "status", "--json", "api"]);
    let missing = |host| format!("{{\"host\":\"{host}\",\"missing\":\"no app is called api\"}}");
    let expected = format!("[{},{}]\n", missing("g"), missing("h"));
    nowhere.is(1, &expected, "");
    let output = run(&here, &["status", "--json", "-Ha", "-Hb"]);
    let expected = format!(
        "[{},{{\"host\":\"b\",\"unreachable\":\"it does not answer\"}}]",
        app.replacen('{', "{\"host\":\"a\",", 1)
    );
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(
        (output.code, value(&output.stdout)),
        (Some(1), value(&expected))
    );
}

#[test]
fn one_after_another_until_one_fails() {
    let here = here();
    here.write("ssh.a", "echo done a; exit 0");
    here.write("ssh.b", "echo 'error: no' >&2; exit 1");
    here.write("ssh.c", "echo done c; exit 0");
    run(&here, &["-H", "a", "-H", "c", "-H", "a", "reload", "api"]).is(
        0,
        "done a\ndone c\n",
        "==> a\n==> c\n",
    );
    run(&here, &["-H", "a", "-H", "b", "-H", "c", "reload", "api"]).is(
        1,
        "done a\n",
        "==> a\n==> b\nerror: no\nstopped at b; not done: c\n",
    );
    here.write("ssh.b", "exit 255");
    run(&here, &["-H", "b", "-H", "c", "restart", "api"]).is(
        1,
        "",
        "==> b\nstopped at b; not done: c\nerror: b: ssh failed\n  try by hand: ssh b true\n",
    );
}

#[test]
fn what_is_refused() {
    let here = here();
    for host in ["-oProxyCommand=touch x", "", "a b", "$(touch x)", "web1:0"] {
        let output = run(&here, &["list", &format!("--host={host}")]);
        assert_eq!(output.code, Some(2), "{output:?}");
        assert!(output.stderr.contains("[USER@]HOST"), "{output:?}");
    }
    for command in ["init", "schema", "completions bash", "run", "watch"] {
        let args: Vec<&str> = ["-H", "web1"]
            .into_iter()
            .chain(command.split(' '))
            .collect();
        run(&here, &args).is(
            1,
            "",
            "error: -H does not go with this command: it is about this machine\n  log in and give it there: ssh HOST\n",
        );
    }
    let output = run(&here, &["-Ha", "-Hb", "logs", "-f"]);
    assert_eq!(output.code, Some(1));
    assert!(!here.path("ssh.given").exists() && !here.path("x").exists());
}
