//! What PM2 gives its workers: cluster.isWorker, process.send, readiness.

use crate::launch::get;
use crate::nodes;
use crate::start::{SERVER, Setting, says};

const SHOW: &str = "\
console.error('worker', cluster.isWorker, cluster.isMaster, cluster.isPrimary, cluster.worker.id,\n\
  cluster.worker.isConnected(), cluster.worker.isDead(), cluster.worker.process === process,\n\
  cluster.worker instanceof cluster.Worker, process.connected);\n";
const SHOWN: &str = "worker true false false 3 true false true true true";

#[test]
fn commonjs_sees_a_worker_and_listens() {
    nodes::each(|node| {
        let text = format!("const cluster = require('cluster');\n{SHOW}{SERVER}");
        let setting = Setting::new("server.js", &text);
        let app = setting.ready(node);
        says(&app, SHOWN);
        let answer = get(([127, 0, 0, 1], setting.port).into(), "/");
        assert_eq!(answer, app.id().to_string());
    });
}

#[test]
fn modules_see_a_worker() {
    nodes::each(|node| {
        let text = format!(
            "import cluster, {{ isWorker, worker }} from 'cluster';\nimport http from 'http';\n{SHOW}\
             console.error('named', isWorker, worker.id);\n\
             http.createServer((q, r) => r.end('esm')).listen(process.env.PORT, '127.0.0.1');"
        );
        let setting = Setting::new("server.mjs", &text);
        let app = setting.ready(node);
        says(&app, SHOWN);
        says(&app, "named true 3");
        assert_eq!(get(([127, 0, 0, 1], setting.port).into(), "/"), "esm");
    });
}

#[test]
fn datagram_sockets_and_other_ports_work_in_a_worker() {
    nodes::each(|node| {
        let text = "\
const socket = require('dgram').createSocket('udp4');
socket.on('message', (m) => {
  console.error('got', String(m));
  require('net').createServer().listen(0, '127.0.0.1', function () {
    console.error('port', this.address().port > 0);
  });
});
socket.bind(0, '127.0.0.1', () => {
  require('dgram').createSocket('udp4').send('hello', socket.address().port, '127.0.0.1');
});";
        let setting = Setting::new("server.js", text);
        let app = setting.start(node);
        says(&app, "got hello");
        says(&app, "port true");
    });
}

const SAY_READY: &str = "
console.error('sent', process.send('ready', (error) => console.error('callback', error)));
console.error('other', process.send({ type: 'metrics' }));
setInterval(() => {}, 1000);";

#[test]
fn ready_reaches_systemd() {
    nodes::each(|node| {
        let setting = Setting::new("server.js", SAY_READY).set("RPMCTL_WAIT_READY", "1");
        for app in [setting.start(node), setting.start_alone(node)] {
            app.ready();
            says(&app, "sent true");
            says(&app, "callback null");
            says(&app, "other true");
            app.assert_silent();
        }
    });
}

#[test]
fn with_wait_ready_listening_is_not_enough() {
    nodes::each(|node| {
        let text = SERVER.replace("'127.0.0.1');", "'127.0.0.1', () => console.error('up'));")
            + "\nprocess.on('SIGUSR2', () => process.send('ready'));";
        let setting = Setting::new("server.js", &text)
            .set("RPMCTL_WAIT_READY", "1")
            .set("RPMCTL_NOTIFY", "0");
        let app = setting.start(node);
        says(&app, "up");
        app.assert_silent();
        app.signal(rustix::process::Signal::USR2);
        app.ready();
    });
}

#[test]
fn without_the_addon_systemd_notify_says_it() {
    nodes::each(|node| {
        let setting = Setting::new("server.js", SAY_READY)
            .set("RPMCTL_WAIT_READY", "1")
            .set("RPMCTL_NATIVE", "/nonexistent.so");
        setting.start_alone(node).ready();
        // Nobody waits for it: nothing is said about it.
        let setting = setting.set("RPMCTL_WAIT_READY", "0");
        let app = setting.start_alone(node);
        says(&app, "callback null");
        assert!(!app.messages().contains("rpmctl"), "{}", app.messages());
    });
}

#[test]
fn disconnect_ends_a_worker_without_work() {
    nodes::each(|node| {
        let text = format!(
            "const cluster = require('cluster');\n{SERVER}\n\
             process.on('disconnect', () => console.error('gone', process.connected));\n\
             server.on('listening', () => cluster.worker.disconnect());"
        );
        let setting = Setting::new("server.js", &text);
        let mut app = setting.ready(node);
        assert_eq!(app.wait(), 0, "{}", app.messages());
        says(&app, "gone false");
    });
}
