//! What is not the app is left as it is: worker threads, child processes.

use rustix::process::Signal;

use crate::client::Client;
use crate::nodes;
use crate::start::{SERVER, Setting, says};

#[test]
fn worker_threads() {
    nodes::each(|node| {
        let text = format!(
            "{SERVER}\nconst {{ Worker }} = require('worker_threads');\n\
             new Worker(`const cluster = require('cluster'); const before = process.listenerCount('SIGINT');\n\
             require('net').createServer().listen(0, '127.0.0.1', () =>\n\
             require('worker_threads').parentPort.postMessage(['thread', cluster.isWorker, typeof process.send, before]));`,\n\
             {{ eval: true }}).on('message', (m) => console.error(...m));"
        );
        let setting = Setting::new("server.js", &text);
        let mut app = setting.ready(node);
        says(&app, "thread false undefined 0");
        app.signal(Signal::INT);
        assert_eq!(app.wait(), 0, "{}", app.messages());
    });
}

#[test]
fn child_processes() {
    nodes::each(|node| {
        let text = "
const { fork, spawn } = require('child_process');
const tell = `console.error(process.argv[1] || 'spawned', require('cluster').isWorker, typeof process.send,
  process.connected, process.listenerCount('SIGINT'));`;
if (process.argv[2] === 'fork') {
  console.error('fork', require('cluster').isWorker, process.listenerCount('SIGINT'));
  process.send('ready');
  process.on('message', (m) => { console.error('child got', m); process.disconnect(); });
} else {
  const child = fork(__filename, ['fork']);
  child.on('message', (m) => { console.error('parent got', m); child.send('ping'); });
  spawn(process.execPath, ['-e', tell], { stdio: 'inherit' });
  setInterval(() => {}, 1000);
}";
        let setting = Setting::new("server.js", text);
        let app = setting.start(node);
        says(&app, "fork false 0");
        says(&app, "parent got ready");
        says(&app, "child got ping");
        says(&app, "spawned false undefined undefined 0");
        app.assert_silent();
    });
}

#[test]
fn a_child_that_serves_is_drained() {
    nodes::each(|node| {
        let text = format!(
            "if (process.argv[2] === 'serve') {{\n{SERVER}\n}} else {{\n\
             const child = require('child_process').fork(__filename, ['serve']);\n\
             process.on('SIGINT', () => console.error('launcher'));\n\
             child.on('exit', (code, signal) => process.exit(code === 0 ? 3 : 4)); }}"
        );
        let setting = Setting::new("server.js", &text);
        let mut app = setting.ready(node);
        let mut client = Client::connect(setting.port);
        client.send("/slow/600").unwrap();
        says(&app, "asked");
        app.signal(Signal::INT);
        assert!(client.answer().unwrap().closes());
        assert_eq!(app.wait(), 3, "{}", app.messages());
    });
}

/// Apps that use Node's cluster module themselves, in fork mode.
#[test]
fn an_own_cluster_works() {
    nodes::each(|node| {
        let text = "
const cluster = require('cluster');
if (cluster.isMaster) {
  cluster.fork().on('listening', () => console.error('worker listens'));
} else {
  console.error('worker', cluster.worker.id);
  require('http').createServer((q, r) => r.end('own cluster')).listen(0, '127.0.0.1');
}";
        let setting = Setting::new("server.js", text);
        let app = setting.start_alone(node);
        says(&app, "worker 1");
        says(&app, "worker listens");
    });
}
