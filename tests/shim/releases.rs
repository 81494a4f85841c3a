//! Every supported release of Node: an unchanged `http` server, an unchanged Express app, `npm start` of it. Deno and Bun.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;

use crate::launch::{App, Unit, get};
use crate::nodes;
use crate::share::{NODE, assert_all_answer};

/// As its authors wrote it for PM2.
const EXPRESS: &str = include_str!("../real/runtimes/app.js");

/// Two instances of each kind on one port, each answering with its own process id.
fn shares(major: u32) {
    let node = nodes::node(major);
    let node = node.to_str().expect("UTF-8");
    let (mut unit, port) = Unit::tcp("0.0.0.0");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    unit.env.push(("PORT", port.to_string()));
    let path = std::env::var("PATH").expect("PATH");
    let bin = nodes::bin(major);
    unit.env.push(("PATH", format!("{}:{path}", bin.display())));

    let plain = unit.write("plain.js", NODE);
    let apps = [(); 2].map(|()| unit.start(&[node, &plain]));
    assert_all_answer(&apps, || get(address, "/"));
    drop(apps);

    let modules = nodes::express().join("node_modules");
    symlink(modules, unit.dir.path().join("node_modules")).expect("a link");
    let express = unit.write("app.js", EXPRESS);
    let pid = || {
        let answer: serde_json::Value = serde_json::from_str(&get(address, "/")).expect("JSON");
        answer["processId"].to_string()
    };
    let apps = [(); 2].map(|()| unit.start(&[node, &express]));
    assert_all_answer(&apps, pid);
    for app in &apps {
        assert_version(app, major);
    }
    drop(apps);

    let package = r#"{"name": "app", "scripts": {"start": "node app.js"}}"#;
    unit.write("package.json", package);
    let folder = unit.dir.path().to_str().expect("UTF-8").to_owned();
    let npm = ["npm", "start", "--silent", "--prefix", &folder];
    let apps = [(); 2].map(|()| unit.start(&npm));
    assert_all_answer(&apps, pid);
}

/// That it is this release that runs, and no other on PATH.
fn assert_version(app: &App, major: u32) {
    let program = fs::read_link(format!("/proc/{}/exe", app.id())).expect("its program");
    let meant = nodes::node(major).canonicalize().expect("its path");
    assert_eq!(program, meant);
}

#[test]
fn node_14() {
    shares(14);
}

#[test]
fn node_16() {
    shares(16);
}

#[test]
fn node_18() {
    shares(18);
}

#[test]
fn node_20() {
    shares(20);
}

#[test]
fn node_22() {
    shares(22);
}

#[test]
fn node_24() {
    shares(24);
}

/// Two instances of each app on one port: a server by Node's interface, and one by the runtime's own.
fn shares_both(command: &[&str], own: &str) {
    let (mut unit, port) = Unit::tcp("0.0.0.0");
    unit.env.push(("PORT", port.to_string()));
    let home = unit.dir.path().to_str().expect("UTF-8").to_owned();
    unit.env.push(("HOME", home));
    for (file, text) in [("node.cjs", NODE), ("own.js", own)] {
        let script = unit.write(file, text);
        let line: Vec<&str> = command.iter().chain([&script.as_str()]).copied().collect();
        let apps = [(); 2].map(|()| unit.start(&line));
        assert_all_answer(&apps, || get((Ipv4Addr::LOCALHOST, port).into(), "/"));
    }
}

#[test]
fn deno() {
    let deno = nodes::deno();
    shares_both(
        &[deno.to_str().expect("UTF-8"), "run", "--allow-all"],
        "Deno.serve({ port: Number(Deno.env.get('PORT')) }, () => new Response(String(Deno.pid)));",
    );
}

#[test]
fn bun() {
    let bun = nodes::bun();
    shares_both(
        &[bun.to_str().expect("UTF-8"), "run"],
        "Bun.serve({ port: process.env.PORT, fetch: () => new Response(String(process.pid)) });",
    );
}
