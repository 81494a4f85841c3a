//! Listeners that change under load: what clients notice of it.

use std::time::Duration;

use crate::apps::{self, apply, fails, files, ok, rpmctl, runs, state, write};
use crate::bed::Bed;
use crate::client::{Record, under_load};

/// Answers its instance and the port it was asked on; finishes what it began when it is told to stop. With several ports in PORTS it listens on each.
const SERVER: &str = r#"
const http = require('http');
const servers = (process.env.PORTS || process.env.PORT).split(' ').map((port) => http.createServer((request, response) => {
  response.setHeader('Connection', 'close');
  setTimeout(() => response.end(`${process.env.NODE_APP_INSTANCE} ${port}\n`), 5);
}).listen(port));
process.on('SIGINT', () => {
  let open = servers.length;
  for (const server of servers) server.close(() => { if (--open === 0) process.exit(0); });
});
"#;

pub fn bed() -> Bed {
    let bed = apps::bed();
    bed.write("/srv/polite.js", 0o644, SERVER);
    bed
}

/// Three instances, cluster, with these further keys.
pub fn web(ports: &str, keys: &str) -> String {
    format!(
        "[[apps]]\nname = \"web\"\nscript = \"polite.js\"\ninstances = 3\nexec_mode = \"cluster\"\nmin_uptime = 200\nlisten = [{}]\nenv = {{ PORTS = \"{ports}\" }}\n{keys}\n",
        ports.replace(' ', ", ")
    )
}

/// Applies under load. What apply said on stdout, and the records.
fn changed(bed: &Bed, name: &str, ports: &[u16], text: &str) -> (String, Vec<Record>) {
    write(bed, text);
    under_load(bed, name, ports, || ok(bed, &["apply"]))
}

pub fn nothing_to_do(bed: &Bed) {
    let again = ok(bed, &["apply"]);
    assert!(again.starts_with("nothing to do: "), "{again}");
}

pub fn listening(bed: &Bed) -> String {
    bed.sh_ok("ss -ltnH 'sport >= 4100 and sport < 4200' | awk '{print $4, $3}' | sort")
}

#[test]
fn another_port_is_taken_up_instance_by_instance() {
    let bed = &bed();
    apply(bed, &web("4101", ""));
    let (said, records) = changed(bed, "port 4101 to 4102", &[4101, 4102], &web("4102", ""));
    let note = "note: 4102 is opened before the first instance restarts, and 4101 is served until the last one has";
    assert!(said.contains(note), "{said}");
    assert!(said.contains("    start web@tcp-4102.socket\n    restart web@0 web@1 web@2, one after another\n    then stop web@tcp-4101.socket\n"), "{said}");
    let [old, new] = &records[..] else {
        unreachable!()
    };
    assert_eq!(old.failures_while_open(), 0, "{old:?}");
    assert_eq!(new.failures_once_open(), 0, "{new:?}");
    assert!(old.answered() > 40 && new.answered() > 40);
    assert_eq!(listening(bed), "*:4102 4096\n");
    assert!(!bed.exists("/etc/systemd/system/web@tcp-4101.socket"));
    nothing_to_do(bed);
    ok(bed, &["rollback"]);
    assert_eq!(listening(bed), "*:4101 4096\n");
    nothing_to_do_after_rollback(bed);
}

fn nothing_to_do_after_rollback(bed: &Bed) {
    write(bed, &web("4101", ""));
    nothing_to_do(bed);
}

#[test]
fn a_second_listener_comes_and_goes_beside_the_first() {
    let bed = &bed();
    apply(bed, &web("4101", ""));
    let (_, records) = changed(
        bed,
        "second port 4102",
        &[4101, 4102],
        &web("4101 4102", ""),
    );
    assert_eq!(records[0].failures(), 0, "{records:?}");
    assert_eq!(records[1].failures_once_open(), 0, "{records:?}");
    assert_eq!(listening(bed), "*:4101 4096\n*:4102 4096\n");
    nothing_to_do(bed);
    let (said, records) = changed(bed, "without 4102", &[4101, 4102], &web("4101", ""));
    assert!(
        said.contains("note: 4102 is served until the last instance has restarted"),
        "{said}"
    );
    assert_eq!(records[0].failures(), 0, "{records:?}");
    assert_eq!(records[1].failures_while_open(), 0, "{records:?}");
    assert_eq!(listening(bed), "*:4101 4096\n");
    nothing_to_do(bed);
}

#[test]
fn the_queue_changes_where_it_is() {
    let bed = &bed();
    apply(bed, &web("4101", ""));
    let before = runs(bed, "web", 3);
    let backlog = |length: &str| {
        web(
            "4101",
            &format!("[apps.systemd.Socket]\nBacklog = {length}"),
        )
    };
    let (said, records) = changed(bed, "backlog 4096 to 77", &[4101], &backlog("77"));
    assert!(
        said.contains("note: the queue of 4101 gets another length (Backlog=) where it is"),
        "{said}"
    );
    assert_eq!(records[0].failures(), 0);
    assert_eq!(listening(bed), "*:4101 77\n");
    nothing_to_do(bed);
    apply(bed, &web("4101", ""));
    assert_eq!(listening(bed), "*:4101 4096\n");
    assert_eq!(runs(bed, "web", 3), before);
    // It is what the unit says when it is opened anew, too.
    apply(bed, &backlog("88"));
    ok(bed, &["stop", "web"]);
    ok(bed, &["start", "web"]);
    assert_eq!(listening(bed), "*:4101 88\n");
}

#[test]
fn a_port_that_is_taken_costs_nothing() {
    let bed = &bed();
    apply(bed, &web("4101", ""));
    let hold = "import socket,time\ns=socket.socket()\ns.bind(('0.0.0.0',4102))\ns.listen()\nprint('held',flush=True)\ntime.sleep(1000)";
    let holder = bed.cmd(&["python3", "-c", hold]).spawn();
    bed.wait_until("the port is held", apps::PATIENCE, || {
        holder.printed().0.contains("held")
    });
    let before = (files(bed), runs(bed, "web", 3));
    write(bed, &web("4102", ""));
    let (failed, records) = under_load(bed, "port taken", &[4101], || fails(bed, &["apply"], 1));
    assert_eq!(
        failed.stderr,
        "error: web: cannot listen on 4102: it is taken; `ss -ltnp` shows by whom\nnothing was changed\n"
    );
    assert_eq!(records[0].failures(), 0);
    assert_eq!((files(bed), runs(bed, "web", 3)), before);
    write(bed, &web("4101", ""));
    nothing_to_do(bed);
}

#[test]
fn other_options_let_connections_wait() {
    let bed = &bed();
    apply(bed, &web("4101", ""));
    let text = web("4101", "[apps.systemd.Socket]\nKeepAlive = true");
    let (said, records) = changed(bed, "KeepAlive", &[4101], &text);
    assert!(said.contains("note: the socket of 4101 gets other options: all instances stop and start again; connections wait"), "{said}");
    assert!(
        records[0].outage() < Duration::from_secs(3),
        "{}",
        records[0].summary()
    );
    nothing_to_do(bed);
}

#[test]
fn an_address_within_the_other() {
    let bed = &bed();
    apply(bed, &web("4101", ""));
    let narrow = web("4101", "").replace("[4101]", "[\"127.0.0.1:4101\"]");
    let (said, _) = changed(bed, "4101 to 127.0.0.1:4101", &[4101], &narrow);
    assert!(
        said.contains("note: 127.0.0.1:4101 cannot be opened while 4101 is open"),
        "{said}"
    );
    assert_eq!(listening(bed), "127.0.0.1:4101 4096\n");
    nothing_to_do(bed);
}

#[test]
fn from_fork_to_cluster_and_back() {
    let bed = &bed();
    let fork = "[[apps]]\nname = \"web\"\nscript = \"polite.js\"\nexec_mode = \"fork\"\nmin_uptime = 200\nport = 4101\n";
    apply(bed, fork);
    bed.wait_until("the app listens", apps::PATIENCE, || {
        bed.http_get("127.0.0.1:4101", "/").is_ok()
    });
    let (said, _) = changed(bed, "fork to cluster", &[4101], &web("4101", ""));
    assert!(
        said.contains("note: systemd takes the port over from the instances"),
        "{said}"
    );
    assert_eq!(state(bed, "web@tcp-4101.socket"), "active");
    nothing_to_do(bed);
    let (said, _) = changed(bed, "cluster to fork", &[4101], fork);
    assert!(
        said.contains("note: the instances take the port over from systemd"),
        "{said}"
    );
    bed.wait_until("the app listens", apps::PATIENCE, || {
        bed.http_get("127.0.0.1:4101", "/").is_ok()
    });
    assert_eq!(state(bed, "web@tcp-4101.socket"), "inactive");
    nothing_to_do(bed);
}

/// An unusual name reaches `Sockets=`, where a backslash is an escape.
#[test]
fn the_socket_of_an_app_with_a_blank_in_its_name() {
    let bed = &bed();
    let text = web("4101", "").replace("\"web\"", "\"my web\"");
    apply(bed, &text);
    let seen = || {
        bed.http_get("127.0.0.1:4101", "/")
            .map(|response| response.body)
    };
    assert!(seen().is_ok());
    let fds = apps::property(bed, "TriggeredBy", &["my\\x20web@0.service".to_owned()]);
    // As systemctl quotes it.
    assert_eq!(fds, ["\"my\\\\x20web@tcp-4101.socket\""]);
    apply(bed, &text.replace("4101", "4102"));
    assert_eq!(listening(bed), "*:4102 4096\n");
    ok(bed, &["delete", "my web"]);
    assert_eq!(listening(bed), "");
}

/// Killed at many moments of each kind of change, and run again: as the file says, and nothing left over.
#[test]
fn a_killed_change_is_carried_on_by_the_next() {
    let bed = &bed();
    let texts = [
        web("4101", ""),
        web("4102", ""),
        web("4102 4103", "[apps.systemd.Socket]\nBacklog = 77"),
        web("4103", "[apps.systemd.Socket]\nKeepAlive = true"),
        web("4103", "balance = \"reuseport\""),
        web("4104", "balance = \"reuseport\""),
    ];
    let ports = ["4101", "4102", "4102 4103", "4103", "4103", "4104"];
    apply(bed, &texts[0]);
    let mut killed = 0;
    for step in 0..30usize {
        let now = (step + 1) % texts.len();
        write(bed, &texts[now]);
        // Closest together where files, daemon-reload and sockets come, then on into the restarts.
        let after = 25 * (step / texts.len() * 7 + step % 7 + 2);
        let seconds = format!("0.{:03}", after.min(999));
        let first = bed
            .cmd(&["timeout", "-s", "KILL", &seconds, "rpmctl", "apply"])
            .dir("/srv")
            .run();
        killed += u32::from(first.status == 137);
        let second = rpmctl(bed, &["apply"]);
        let case = format!("step {step} killed after {after} ms\n{first}\n{second}");
        assert_eq!(second.status, 0, "{case}");
        let plan = rpmctl(bed, &["plan", "--detailed-exitcode"]);
        assert_eq!(plan.status, 0, "{case}\n{plan}");
        let open: Vec<String> = listening(bed)
            .lines()
            .filter_map(|line| Some(line.split(' ').next()?.rsplit_once(':')?.1.to_owned()))
            .collect();
        let mut distinct = open.clone();
        distinct.dedup();
        assert_eq!(distinct.join(" "), ports[now], "{case}\n{open:?}");
        for port in ports[now].split(' ') {
            let answer = bed.http_get(&format!("127.0.0.1:{port}"), "/");
            assert!(answer.is_ok(), "{case}\n{answer:?}");
        }
        let failed = bed.ok(&[
            "systemctl",
            "list-units",
            "--all",
            "--failed",
            "--plain",
            "--no-legend",
        ]);
        assert_eq!(failed, "", "{case}");
        assert!(!bed.exists("/run/rpmctl/pending"), "{case}");
    }
    println!("killed {killed} times");
    assert!(killed >= 15, "{killed}");
}
