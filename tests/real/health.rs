//! `health`: who is asked, what is told of it, what a reload waits for, and who is restarted.

mod users;

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use crate::apps::{self, PATIENCE, Run, apply, fails, ok, property, runs, units, write};
use crate::bed::Bed;
use crate::steered::under_load;

const WATCHER: &str = "rpmctl-watch.service";

/// Answers each request on a loop of events. Told by a file /srv/WORD-APP or /srv/WORD-APP-INSTANCE that is empty or names its process: at /healthz
/// `sick` answers 503, `hang` not at all, `shut` closes; `deaf` ends the listening; `mute` listens and
/// never waits for a connection.
const SERVER: &str = r#"
import asyncio, os, signal, socket, time

app, number = os.environ['APP'], os.environ['NODE_APP_INSTANCE']

def told(word):
    for path in (f'/srv/{word}-{app}', f'/srv/{word}-{app}-{number}'):
        try:
            with open(path) as file:
                if file.read() in ('', str(os.getpid())):
                    return True
        except FileNotFoundError:
            pass
    return False

answering = 0

async def serve(reader, writer):
    global answering
    answering += 1
    try:
        path = (await reader.readline()).split()[1].decode()
        while (await reader.readline()).strip():
            pass
        asked = path == '/healthz'
        if asked and told('hang'):
            await asyncio.sleep(1000)
        if not (asked and told('shut')):
            status = '503 Service Unavailable' if asked and told('sick') else '200 OK'
            text = f'{number} {os.getpid()}\n'
            writer.write(f'HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}'.encode())
            await writer.drain()
    finally:
        answering -= 1
        writer.close()

async def main():
    if told('mute'):
        listener = socket.socket()
        listener.bind(('0.0.0.0', int(os.environ['PORT'])))
        listener.listen(1024)
        time.sleep(1000)
    server = await asyncio.start_server(serve, '0.0.0.0', int(os.environ['PORT']), backlog=1024)
    ends = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, ends.set)
    while not told('deaf') and not ends.is_set():
        await asyncio.sleep(0.05)
    server.close()
    await ends.wait()
    await asyncio.sleep(0.1)
    while answering:
        await asyncio.sleep(0.01)

asyncio.run(main())
"#;

fn bed() -> Bed {
    let bed = apps::bed();
    bed.write("/srv/asked.py", 0o644, SERVER);
    bed
}

fn asked(name: &str, port: u16, instances: u32, health: &str, more: &str) -> String {
    format!(
        "[[apps]]\nname = \"{name}\"\nscript = \"asked.py\"\ninstances = {instances}\nmin_uptime = 200\nkill_timeout = 5000\n{more}\n\
         health = {{ {health} }}\n[apps.env]\nAPP = \"{name}\"\nPORT = {port}\n\n"
    )
}

const CLUSTER: &str = "exec_mode = \"cluster\"";
const FORK: &str = "exec_mode = \"fork\"\nincrement_var = \"PORT\"";
/// A slow machine must not make anybody look sick: twice so long without an answer.
const OFTEN: &str = "interval = \"1500ms\", timeout = \"1500ms\", threshold = 2";

/// What the watcher reports of an instance.
fn report(bed: &Bed, instance: &str) -> Option<Value> {
    let path = format!("/run/rpmctl/health/{instance}");
    let text = bed.run(&["cat", &path]);
    (text.status == 0).then(|| serde_json::from_str(&text.stdout).expect("JSON"))
}

fn until_well(bed: &Bed, app: &str, instances: u32) {
    bed.wait_until("all are well", PATIENCE, || {
        (0..instances).all(|number| {
            let health = report(bed, &format!("{app}@{number}"));
            health.is_some_and(|health| health["ok"] == true && health["latency"].is_u64())
        })
    });
}

fn until_unwell(bed: &Bed, instance: &str, detail: &str) {
    bed.wait_until(&format!("{instance}: {detail}"), PATIENCE, || {
        report(bed, instance)
            .is_some_and(|health| health["ok"] == false && health["detail"] == detail)
    });
}

fn pid(run: &Run) -> String {
    run.pid.to_string()
}

/// The journal's lines of rpmctl's own about the app.
fn told(bed: &Bed, app: &str) -> String {
    bed.ok(&["journalctl", "--sync"]);
    let field = format!("RPMCTL_APP={app}");
    bed.ok(&["journalctl", "-o", "cat", "-t", "rpmctl", &field])
}

fn until_restarted(bed: &Bed, app: &str, before: &[Run], number: usize) {
    bed.wait_until(&format!("{app}@{number} is restarted"), PATIENCE, || {
        let now = runs(bed, app, before.len() as u32);
        now[number].pid != 0 && now[number] != before[number]
    });
    until_well(bed, app, before.len() as u32);
    let after = runs(bed, app, before.len() as u32);
    for (other, (before, after)) in before.iter().zip(&after).enumerate() {
        assert_eq!(before == after, other != number, "{app}@{other}");
    }
}

#[test]
fn of_a_shared_socket_the_sick_one_is_restarted_and_no_other() {
    let bed = &bed();
    let health = format!("http = \"/healthz\", restart = true, {OFTEN}");
    apply(bed, &asked("web", 4601, 3, &health, CLUSTER));
    until_well(bed, "web", 3);
    let status = property(bed, "StatusText", &[WATCHER.to_owned()]);
    assert_eq!(status, ["watching health of 3 instances"]);

    let before = runs(bed, "web", 3);
    bed.write("/srv/sick-web-1", 0o644, pid(&before[1]));
    until_restarted(bed, "web", &before, 1);
    bed.wait_until("it is told", PATIENCE, || {
        told(bed, "web").contains("web@1 is healthy again")
    });
    let lines = told(bed, "web");
    let mut lines = lines.lines();
    for what in ["web@1 is unhealthy", "restarting web@1"] {
        let line = format!("{what}: GET /healthz answered 503, ");
        assert!(
            lines.any(|told| told.starts_with(&line)),
            "{}",
            told(bed, "web")
        );
    }
    assert!(ok(bed, &["list"]).contains("restarted for health 1x"));

    // It accepts nothing, and what it was handed is taken back by the others, but for the question.
    let before = runs(bed, "web", 3);
    let ((), seen) = under_load(bed, 4601, || {
        bed.ok(&["kill", "-STOP", &pid(&before[2])]);
        until_restarted(bed, "web", &before, 2);
    });
    assert!(seen.answers > 0);
    // Under load the others take back what it was handed, and throw the question away.
    let hung = "web@2 is unhealthy: GET /healthz: ";
    assert!(told(bed, "web").contains(hung), "{}", told(bed, "web"));

    // A stop is nobody's failure, and what is gone is not reported.
    ok(bed, &["stop", "web"]);
    bed.wait_until("nothing is reported", PATIENCE, || {
        (0..3).all(|number| report(bed, &format!("web@{number}")).is_none())
    });
    assert_eq!(told(bed, "web").matches("is unhealthy").count(), 2);
    ok(bed, &["delete", "web"]);
    assert!(!bed.exists("/run/rpmctl/health"));
}

#[test]
fn a_release_that_listens_and_is_not_well_goes_no_further() {
    let bed = &bed();
    let health = "http = \"/healthz\"";
    let more = format!("{CLUSTER}\nlisten_timeout = 5000");
    apply(bed, &asked("web", 4602, 3, health, &more));
    let before = runs(bed, "web", 3);
    bed.write("/srv/sick-web-0", 0o644, "");
    let (output, seen) = under_load(bed, 4602, || fails(bed, &["reload", "web"], 1));
    assert_eq!(seen.failures, Vec::<String>::new());
    let said = "error: web@0.service: not healthy within 5 s (listen_timeout): GET /healthz answered 503\n";
    assert!(output.stderr.contains(said), "{output}");
    let left = "  web@1 web@2 were not reloaded and go on as before\n";
    assert!(output.stderr.contains(left), "{output}");
    assert_eq!(runs(bed, "web", 3)[1..], before[1..]);
    bed.ok(&["rm", "/srv/sick-web-0"]);
    // The others would answer for it.
    bed.write("/srv/mute-web-0", 0o644, "");
    let output = fails(bed, &["reload", "web"], 1);
    let said = "web@0.service: not healthy within 5 s (listen_timeout): GET /healthz: does not take connections yet, as web@1 does\n";
    assert!(output.stderr.contains(said), "{output}");
    assert_eq!(runs(bed, "web", 3)[1..], before[1..]);
    bed.ok(&["rm", "/srv/mute-web-0"]);
    ok(bed, &["reload", "web"]);
    let after = runs(bed, "web", 3);
    assert!(before.iter().zip(&after).all(|(old, new)| old != new));
}

#[test]
fn so_does_a_first_start_and_a_restart() {
    let bed = &bed();
    bed.write("/srv/hang-late", 0o644, "");
    let late = asked(
        "late",
        4603,
        1,
        "http = \"/healthz\", timeout = \"200ms\"",
        "listen_timeout = 5000",
    );
    write(bed, &late);
    let output = fails(bed, &["apply"], 1);
    let said = "late@0.service: not healthy within 5 s (listen_timeout): GET /healthz: no answer within 0.2 s\n";
    assert!(output.stderr.contains(said), "{output}");
    bed.ok(&["rm", "/srv/hang-late"]);
    ok(bed, &["restart", "late"]);
    bed.write("/srv/shut-late", 0o644, "");
    let output = fails(bed, &["restart", "late"], 1);
    assert!(
        output
            .stderr
            .contains("GET /healthz: closed without an answer"),
        "{output}"
    );
}

#[test]
fn connections_and_commands_tell_each_instance() {
    let bed = &bed();
    let tcp = asked("tcp", 4610, 2, &format!("tcp = true, {OFTEN}"), FORK);
    let command = "test \\\"$(id -un)-$PORT\\\" = app-4621 -o ! -e /srv/ill";
    let exec = format!("exec = \"{command}\", interval = \"2s\", threshold = 2, restart = true");
    let exec = asked("exec", 4620, 2, &exec, &format!("{FORK}\nuser = \"app\""));
    let any = asked("any", 4630, 1, "http = \"/\", port = 4610", "");
    apply(bed, &(tcp + &exec + &any));
    for (app, instances) in [("tcp", 2), ("exec", 2), ("any", 1)] {
        until_well(bed, app, instances);
    }
    // Who asks no longer knows nothing of now.
    let known = || apps::list(bed, &["any"])[0]["health"].is_object();
    let measured = || ok(bed, &["metrics"]).contains("rpmctl_instance_healthy{app=\"any\",");
    assert!(known() && measured());
    bed.ok(&["systemctl", "stop", WATCHER]);
    bed.sh_ok("sed -i 's/\"at\":[0-9]*/\"at\":1/' /run/rpmctl/health/any@0");
    assert!(!known() && !measured());
    let why = "not known: nobody has asked lately; systemctl status rpmctl-watch.service";
    bed.wait_until("show says why", PATIENCE, || {
        ok(bed, &["show", "any"]).contains(why)
    });
    bed.ok(&["systemctl", "start", WATCHER]);
    bed.wait_until("it is known again", PATIENCE, known);

    // A command that cannot be run is nobody's failure.
    let before = runs(bed, "exec", 2);
    bed.ok(&["systemctl", "stop", "dbus.socket", "dbus.service"]);
    bed.wait_until("it is told", PATIENCE, || {
        told(bed, "exec").contains("exec cannot be asked how it fares: ")
    });
    let asked = || report(bed, "exec@0").expect("a report");
    let last = asked();
    assert_eq!(last["failures"], 0);
    bed.ok(&["systemctl", "start", "dbus.socket", "dbus.service"]);
    bed.wait_until("it is asked again", PATIENCE, || {
        asked()["at"] != last["at"]
    });
    assert_eq!(asked()["failures"], 0);
    assert_eq!(runs(bed, "exec", 2), before);

    let before = runs(bed, "tcp", 2);
    bed.write("/srv/deaf-tcp-1", 0o644, "");
    until_unwell(
        bed,
        "tcp@1",
        "a connection: 127.0.0.1:4611: connection refused",
    );
    assert_eq!(report(bed, "tcp@0").expect("a report")["ok"], true);
    assert_eq!(runs(bed, "tcp", 2), before);
    is_told_of(bed);

    // Instance 1 alone sees its own port as the app's user.
    let before = runs(bed, "exec", 2);
    bed.write("/srv/ill", 0o644, "");
    bed.wait_until("it is restarted", PATIENCE, || {
        runs(bed, "exec", 2)[0] != before[0]
    });
    bed.ok(&["rm", "/srv/ill"]);
    until_well(bed, "exec", 2);
    assert_eq!(runs(bed, "exec", 2)[1], before[1]);
    let lines = told(bed, "exec");
    assert!(
        lines.contains("exec@0 is unhealthy: test ") && lines.contains(": exited with code 1"),
        "{lines}"
    );
    bed.wait_until("no unit has failed", PATIENCE, || {
        let failed = bed.ok(&[
            "systemctl",
            "list-units",
            "--failed",
            "--plain",
            "--no-legend",
            "exec*",
        ]);
        failed.is_empty()
    });
    ok(bed, &["delete", "all"]);
    let left = bed.sh("ls /etc/systemd/system /run/rpmctl | grep health");
    assert_eq!(left.stdout, "");
}

/// Who polls its listener without epoll has no inbox: whoever accepts answers for all, and nobody is restarted for that.
#[test]
fn instances_that_cannot_be_told_apart_are_not_restarted() {
    let bed = &bed();
    let text = apps::cluster("poll", "python", 4640, 2, "x");
    let health = format!("health = {{ http = \"/\", status = 418, restart = true, {OFTEN} }}\n");
    let text = text.replace("env = ", &format!("{health}listen_timeout = 5000\nenv = "));
    write(bed, &text);
    fails(bed, &["apply"], 1);
    let before = runs(bed, "poll", 2);
    until_unwell(bed, "poll@0", "GET / answered 200");
    bed.wait_until("it is told", PATIENCE, || {
        told(bed, "poll").contains("poll does not answer well, and is not restarted: ")
    });
    assert_eq!(runs(bed, "poll", 2), before);
    assert_eq!(property(bed, "NRestarts", &units("poll", 2)), ["0"; 2]);
}

/// One of two instances of `tcp` is unhealthy.
fn is_told_of(bed: &Bed) {
    let seen = |args: &[&str]| bed.cmd(args).env("COLUMNS", "80").run();
    let json = || bed.run(&["rpmctl", "status", "tcp", "--json"]);
    let health = serde_json::json!({ "asked": 2, "healthy": 1, "unhealthy": 1 });
    bed.wait_until("both are asked", PATIENCE, || {
        let apps: Value = serde_json::from_str(&json().stdout).unwrap_or_default();
        apps[0]["health"] == health
    });
    let status = seen(&["rpmctl", "status", "tcp", "exec"]);
    assert_eq!(status.status, 3, "{status}");
    let row = |text: &str, name: &str| -> Vec<String> {
        let row = text.lines().find(|line| line.starts_with(name));
        let row = row.unwrap_or_else(|| panic!("no {name} in\n{text}"));
        row.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(
        row(&status.stdout, "tcp ")[..3],
        ["tcp", "1/2", "unhealthy"]
    );
    assert_eq!(row(&status.stdout, "exec ")[..3], ["exec", "2/2", "online"]);
    assert!(
        status
            .stdout
            .contains("\ntcp: 1 of 2 unhealthy: a connection: "),
        "{status}"
    );

    let json = json();
    assert_eq!(json.status, 3, "{json}");
    let json: Value = serde_json::from_str(&json.stdout).expect("JSON");
    let app = &json[0];
    assert_eq!(
        (&app["status"], &app["online"], &app["ready"], &app["lacks"]),
        (&"unhealthy".into(), &2.into(), &1.into(), &true.into())
    );
    assert_eq!(app["health"], health);
    assert_eq!(app["rows"][1]["status"], "online");
    assert_eq!(app["rows"][1]["health"]["ok"], false);

    let list = seen(&["rpmctl", "list", "tcp"]);
    assert_eq!(list.status, 0, "{list}");
    let of_two = list
        .stdout
        .lines()
        .filter(|line| line.contains(" unhealthy "));
    assert_eq!(of_two.count(), 1, "{list}");
    assert!(
        list.stdout.contains("\ntcp@1: unhealthy: a connection: "),
        "{list}"
    );
    assert!(list.stdout.lines().all(|line| line.width() <= 80), "{list}");

    let show = bed.ok(&["rpmctl", "show", "tcp"]);
    let probe = "a connection on port 4610 plus its number every 1500ms, for 1500ms at most; unhealthy after 2 failures in a row";
    assert!(show.contains(probe), "{show}");
    assert!(show.contains("unhealthy, failed "), "{show}");
}
