//! What is shared: several processes, every kind of address, every way to start an app.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::process::Command;

use rustix::process::Signal;

use crate::launch::{App, Unit, answers, get, get_unix};

/// What an app written for one process looks like.
pub const NODE: &str = "
const http = require('http');
const server = http.createServer((req, res) => res.end(String(process.pid)));
server.listen(process.env.PORT, ...(process.env.HOST ? [process.env.HOST] : []));
process.on('SIGTERM', () => server.close());
";

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

pub fn assert_all_answer(apps: &[App], ask: impl Fn() -> String) {
    for app in apps {
        app.ready();
    }
    let answers = answers(apps, ask);
    let distinct: BTreeSet<&String> = answers.iter().collect();
    assert_eq!(distinct.len(), apps.len(), "{answers:?}");
    for app in apps {
        app.assert_silent();
    }
}

#[test]
fn three_node_processes_on_one_port() {
    let (mut unit, port) = Unit::tcp("0.0.0.0");
    unit.env.push(("PORT", port.to_string()));
    let app = unit.write("app.js", NODE);
    let apps: Vec<App> = (0..3).map(|_| unit.start(&["node", &app])).collect();
    assert_all_answer(&apps, || get(local(port), "/"));
    assert!(unit.is_nonblocking());
}

#[test]
fn three_unchanged_python_servers_on_one_port() {
    let (unit, port) = Unit::tcp("0.0.0.0");
    let port_text = port.to_string();
    let command = ["python3", "-m", "http.server", &port_text];
    let apps: Vec<App> = (0..3).map(|_| unit.start(&command)).collect();
    for (index, app) in apps.iter().enumerate() {
        fs::write(app.cwd.path().join("who"), index.to_string()).unwrap();
    }
    assert_all_answer(&apps, || get(local(port), "/who"));
}

#[test]
fn three_npm_scripts_on_one_port() {
    let (mut unit, port) = Unit::tcp("0.0.0.0");
    unit.env.push(("PORT", port.to_string()));
    unit.write("app.js", NODE);
    let package = r#"{"name": "app", "scripts": {"start": "node app.js"}}"#;
    unit.write("package.json", package);
    let folder = unit.dir.path().to_str().unwrap();
    let apps: Vec<App> = (0..3)
        .map(|_| unit.start(&["npm", "start", "--silent", "--prefix", folder]))
        .collect();
    assert_all_answer(&apps, || get(local(port), "/"));
}

#[test]
fn behind_programs_that_become_the_app() {
    let (mut unit, port) = Unit::tcp("127.0.0.1");
    unit.env.push(("PORT", port.to_string()));
    let script = unit.write("app.js", NODE);
    let line = "exec env NAME=value \"$@\"";
    let app = unit.start(&["bash", "-c", line, "bash", "node", &script]);
    app.ready();
    assert_eq!(get(local(port), "/"), app.id().to_string());
}

#[test]
fn the_unit_may_listen_elsewhere_than_the_app_asks() {
    let loopback6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    // Unit's address, app's host ("" asks for :: and, failing that, 0.0.0.0), where to connect.
    let cases = [
        ("0.0.0.0", "", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "0.0.0.0", "127.0.0.1"),
        ("127.0.0.1", "::ffff:127.0.0.1", "127.0.0.1"),
        ("::", "", "127.0.0.1"),
        ("::", "", "::1"),
        ("::", "0.0.0.0", "127.0.0.1"),
        ("::", "127.0.0.1", "127.0.0.1"),
        ("::", "::1", "::1"),
        ("::1", "", "::1"),
        ("::1", "::1", "::1"),
    ];
    for (unit_address, host, connect) in cases {
        let (mut unit, port) = Unit::tcp(unit_address);
        unit.env.push(("PORT", port.to_string()));
        unit.env.push(("HOST", host.to_string()));
        let script = unit.write("app.js", NODE);
        let apps = [
            unit.start(&["node", &script]),
            unit.start(&["node", &script]),
        ];
        let mut to = loopback6;
        to.set_ip(connect.parse().unwrap());
        to.set_port(port);
        println!("{unit_address} {host} {connect}");
        assert_all_answer(&apps, || get(to, "/"));
    }
}

#[test]
fn a_unix_socket_outlives_the_instances_that_unlink_it() {
    let (mut unit, path) = Unit::unix();
    unit.env.push(("PORT", path.to_str().unwrap().to_string()));
    // As servers do before they bind; libuv does again when it closes.
    let app = unit.write(
        "app.js",
        &format!("require('fs').unlinkSync(process.env.PORT);\n{NODE}"),
    );
    let mut apps: Vec<App> = (0..2).map(|_| unit.start(&["node", &app])).collect();
    assert_all_answer(&apps, || get_unix(&path, "/"));
    let mut first = apps.remove(0);
    first.signal(Signal::TERM);
    assert_eq!(first.wait(), 0, "{}", first.messages());
    assert_eq!(get_unix(&path, "/"), apps[0].id().to_string());
    let mut rm = unit.start(&["rm", path.to_str().unwrap()]);
    assert_eq!(rm.wait(), 0, "{}", rm.messages());
    assert_eq!(get_unix(&path, "/"), apps[0].id().to_string());
}

#[test]
fn several_ports() {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = [0, 1].map(|i: usize| listeners[i].local_addr().unwrap().port());
    let mut unit = Unit::new(listeners.map(Into::into));
    unit.env.push(("PORT", ports[0].to_string()));
    unit.env.push(("ADMIN_PORT", ports[1].to_string()));
    let app = unit.write(
        "app.js",
        &format!(
            "{NODE}http.createServer((req, res) => res.end('admin')).listen(process.env.ADMIN_PORT);"
        ),
    );
    let apps: Vec<App> = (0..2).map(|_| unit.start(&["node", &app])).collect();
    assert_all_answer(&apps, || get(local(ports[0]), "/"));
    assert_eq!(answers(&apps, || get(local(ports[1]), "/")), ["admin"; 2]);
}

#[test]
fn a_compiled_program_that_blocks_in_accept() {
    let (unit, port) = Unit::tcp("127.0.0.1");
    let source = unit.write("app.c", include_str!("blocking.c"));
    let program = unit.dir.path().join("app").to_str().unwrap().to_string();
    let mut cc = Command::new("cc");
    cc.args(["-Wall", "-Werror", "-o", &program, &source]);
    assert!(cc.status().unwrap().success(), "{cc:?}");
    let port_text = port.to_string();
    let apps: Vec<App> = (0..3)
        .map(|_| unit.start_with_notify_path(&[&program, &port_text]))
        .collect();
    assert_all_answer(&apps, || get(local(port), "/"));
    // It has cleared O_NONBLOCK on its listener; its siblings must not notice.
    assert!(unit.is_nonblocking());
    // A signal without SA_RESTART still gets through to a blocked accept.
    for mut app in apps {
        assert_eq!(app.interrupt(Signal::TERM), 42, "{}", app.messages());
    }
}
