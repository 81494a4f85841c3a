//! Programs that start the app: npm, tsx, ts-node; Express on top.

use rustix::process::Signal;

use crate::client::{Client, Load};
use crate::launch::App;
use crate::nodes;
use crate::start::{SERVER, Setting, says};

/// A request in flight is answered when everything of the app gets the stop signal.
fn drained(setting: &Setting, mut app: App) -> i32 {
    app.ready();
    let mut client = Client::connect(setting.port);
    client.send("/slow/700").unwrap();
    says(&app, "asked");
    app.signal(Signal::INT);
    let answer = client
        .answer()
        .unwrap_or_else(|e| panic!("{e}: {}", app.messages()));
    assert!(answer.closes() && answer.body == "slow", "{answer:?}");
    let code = app.wait();
    says(&app, "exit 0");
    code
}

#[test]
fn express() {
    nodes::each(|node| {
        let text = "
const app = require(process.env.PACKAGES + '/express')();
app.get('/', (q, r) => r.json({ pid: process.pid }));
app.listen(process.env.PORT, '127.0.0.1');";
        let setting = Setting::new("server.js", text);
        let mut first = setting.ready(node);
        let second = setting.ready(node);
        let load = Load::start(setting.port, 8);
        load.more(100);
        first.signal(Signal::INT);
        assert_eq!(first.wait(), 0, "{}", first.messages());
        load.more(50);
        load.end();
        drop(second);
    });
}

#[test]
fn npm_start() {
    // npm as it came with each.
    nodes::each(|node| {
        let text = SERVER.to_owned()
            + "\nconsole.error('worker', require('cluster').isWorker, typeof process.send);";
        let setting = Setting::new("server.js", &text).set("PATH", &node.path());
        setting.unit.write(
            "package.json",
            r#"{"scripts": {"start": "node server.js"}}"#,
        );
        let folder = setting.unit.dir.path().to_str().unwrap();
        let app = setting
            .unit
            .start(&["npm", "--prefix", folder, "--silent", "start"]);
        says(&app, "worker true function");
        drained(&setting, app);
    });
}

#[test]
fn yarn_and_pnpm() {
    let node = nodes::newest();
    for program in ["yarn/bin/yarn.js", "pnpm/bin/pnpm.cjs"] {
        let text = SERVER.to_owned() + "\nconsole.error('worker', require('cluster').isWorker);";
        let setting = Setting::new("server.js", &text);
        let home = setting.unit.dir.path().display().to_string();
        let setting = setting.set("HOME", &home);
        setting.unit.write(
            "package.json",
            &format!(
                r#"{{"scripts": {{"start": "{} server.js"}}}}"#,
                node.program
            ),
        );
        let program = nodes::packages().join(program);
        let app = setting.unit.start(&[
            "env",
            "-C",
            &home,
            &node.program,
            program.to_str().unwrap(),
            "start",
        ]);
        says(&app, "worker true");
        drained(&setting, app);
    }
}

const TYPED: &str = "declare const require: any, process: any;\n\
    const typed: string = require('cluster').worker.id + ' ' + process.send('ready');\n\
    console.error('typed', typed);\n";

#[test]
fn tsx() {
    // tsx 4.19 runs on Node 18 and later.
    for node in nodes::all().iter().filter(|node| node.major >= 18) {
        eprintln!("node {}", node.major);
        let setting =
            Setting::new("server.ts", &(TYPED.to_owned() + SERVER)).set("PATH", &node.path());
        let tsx = nodes::packages().join("tsx/dist/cli.mjs");
        let app = setting
            .unit
            .start(&[&node.program, tsx.to_str().unwrap(), &setting.script]);
        says(&app, "typed 3 true");
        assert_eq!(drained(&setting, app), 0);
    }
}

#[test]
fn ts_node() {
    nodes::each(|node| {
        let setting = Setting::new("server.ts", &(TYPED.to_owned() + SERVER))
            .set("PATH", &node.path())
            .set("TS_NODE_TRANSPILE_ONLY", "true")
            .set(
                "TS_NODE_COMPILER",
                nodes::packages().join("typescript").to_str().unwrap(),
            )
            .set("TS_NODE_SKIP_PROJECT", "true")
            .set(
                "TS_NODE_COMPILER_OPTIONS",
                r#"{"module":"commonjs","moduleResolution":"node"}"#,
            );
        let bin = nodes::packages().join("ts-node/dist/bin.js");
        let app = setting
            .unit
            .start(&[&node.program, bin.to_str().unwrap(), &setting.script]);
        says(&app, "typed 3 true");
        assert_eq!(drained(&setting, app), 0);
    });
}
