//! What is counted of requests, as rpmctl reads it from the instance's runtime folder.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rpmctl::process::requests::{self, Requests};
use rustix::process::{Pid, Signal, kill_process};

use crate::client::Client;
use crate::nodes::{self, Node};
use crate::start::{PATIENCE, Setting, says};

/// Waits until the instance's figures are as wanted.
fn counted(folder: &Path, what: &str, fits: impl Fn(&Requests) -> bool) -> Requests {
    let begun = Instant::now();
    loop {
        let read = requests::read(folder, None);
        match &read {
            Some(read) if fits(read) => return read.clone(),
            _ => assert!(begun.elapsed() < PATIENCE, "not {what}: {read:?}"),
        }
        sleep(Duration::from_millis(10));
    }
}

/// All, with 5xx, aborted.
fn figures(folder: &Path, wanted: (u64, u64, u64)) -> Requests {
    counted(folder, &format!("{wanted:?}"), |read| {
        (read.total.count, read.failed, read.aborted) == wanted
    })
}

/// The names of what was written, sorted.
fn files(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> = names.filter(|name| name.contains("requests")).collect();
    files.sort();
    files
}

/// With each Node, all at once: most of the time is waiting until figures are written.
fn each_node(test: impl Fn(&Node) + Sync) {
    std::thread::scope(|scope| {
        let test = &test;
        let all = nodes::all().iter();
        let run = |node| (node, scope.spawn(move || test(node)));
        let started: Vec<_> = all.map(run).collect();
        for (node, thread) in started {
            assert!(thread.join().is_ok(), "node {}", node.major);
        }
    });
}

/// An app of this text, listening as instance 0, and its runtime folder.
fn each(text: &str, test: impl Fn(&Setting, &mut crate::launch::App, &Path, &Node) + Sync) {
    each_node(|node| {
        let setting = Setting::new("server.js", text);
        let mut app = setting.ready(node);
        let folder = setting.unit.runtime_folder(0);
        test(&setting, &mut app, &folder, node);
    });
}

const MANY: &str = "
process.on('uncaughtException', (e) => console.error('uncaught', e.message));
const http = require('http');
const server = http.createServer((q, r) => {
  const [, what, arg] = q.url.split('/');
  if (what === 'status') { r.statusCode = Number(arg); r.end(); }
  else if (what === 'after') setTimeout(() => r.end('late'), Number(arg));
  else if (what === 'throw') throw new Error('thrown');
  else if (what === 'never') console.error('asked', arg);
  else if (what === 'stream') {
    let parts = 0;
    const timer = setInterval(() => { r.write('part'); if (++parts === 4) { clearInterval(timer); r.end(); } }, 50);
  } else if (what === 'events') {
    r.writeHead(200, { 'Content-Type': 'text/event-stream' }); r.write('data: 1\\n\\n');
  } else if (what === 'large') r.end(Buffer.alloc(64e6));
  else q.resume().on('end', () => r.end('ok'));
});
server.on('checkContinue', (q, r) => { r.writeContinue(); server.emit('request', q, r); });
server.on('upgrade', (q, s) => {
  s.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n\\r\\n');
  s.on('data', (d) => s.write(d)).on('error', () => {});
});
server.on('connect', (q, s) => s.end('HTTP/1.1 200 OK\\r\\n\\r\\n'));
server.listen(process.env.PORT, '127.0.0.1');";

#[test]
fn every_way_to_end_is_counted_once() {
    each(MANY, |setting, app, folder, _| {
        // There before the first request.
        let none = figures(folder, (0, 0, 0));
        assert_eq!(none.recent.quantile(0.5), None);

        let mut client = Client::connect(setting.port);
        for path in ["/", "/status/404", "/status/500", "/status/503"] {
            client.get(path).unwrap();
        }
        client.get("/stream").unwrap();
        client
            .raw(b"HEAD /status/200 HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        client.head().unwrap();
        client
            .raw(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
            .unwrap();
        assert!(client.head().unwrap().contains("100 Continue"));
        client.raw(b"body").unwrap();
        assert_eq!(client.answer().unwrap().body, "ok");
        figures(folder, (7, 2, 0));

        // Answered in their order: the second waits for the first.
        let pair =
            b"GET /after/300 HTTP/1.1\r\nHost: a\r\n\r\nGET /after/1 HTTP/1.1\r\nHost: a\r\n\r\n";
        client.raw(pair).unwrap();
        assert_eq!(client.answer().unwrap().body, "late");
        assert_eq!(client.answer().unwrap().body, "late");
        let all = figures(folder, (9, 2, 0));
        let within = |micros| all.total.within(micros);
        assert!(within(250_000) <= 7, "{all:?}");
        // Three of 0.2 and 0.3 s.
        assert!(all.total.sum >= 750_000, "{all:?}");

        // Cut while it waits, while it streams, while two of a pipeline are not answered.
        let ask = |path: &str| {
            let mut client = Client::connect(setting.port);
            client.send(path).unwrap();
            client
        };
        let waiting = ask("/never/1");
        let mut streaming = ask("/large");
        streaming.head().unwrap();
        let mut two = ask("/never/2");
        two.send("/never/3").unwrap();
        for said in ["asked 1", "asked 2", "asked 3"] {
            says(app, said);
        }
        drop((waiting, streaming, two));
        figures(folder, (13, 2, 4));

        let thrown = ask("/throw");
        says(app, "uncaught thrown");
        drop(thrown);
        figures(folder, (14, 2, 5));

        // Connections, not requests.
        let mut socket = Client::connect(setting.port);
        socket
            .raw(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            .unwrap();
        socket.head().unwrap();
        socket.raw(b"ping").unwrap();
        assert_eq!(socket.exactly(4), b"ping");
        drop(socket);
        let mut events = ask("/events");
        events.head().unwrap();
        drop(events);
        let mut tunnel = Client::connect(setting.port);
        tunnel
            .raw(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        assert!(tunnel.rest().unwrap().starts_with(b"HTTP/1.1 200"));
        let mut malformed = Client::connect(setting.port);
        malformed.raw(b"what?\r\n\r\n").unwrap();
        match malformed.rest() {
            Ok(answer) => assert!(answer.starts_with(b"HTTP/1.1 400")),
            Err(e) => assert_eq!(e.kind(), ErrorKind::ConnectionReset),
        }
        // Written after all of these, at the end of the process at the latest.
        client.get("/").unwrap();
        app.signal(Signal::INT);
        assert_eq!(app.wait(), 0, "{}", app.messages());
        let all = figures(folder, (15, 2, 5));
        assert_eq!(all.recent.count, 15, "{all:?}");
        assert!(!app.messages().contains("rpmctl"), "{}", app.messages());
    });
}

#[test]
fn times_are_those_of_the_answers() {
    let text = "require('http').createServer((q, r) => {
        if (q.url === '/busy') { const end = Date.now() + 200; while (Date.now() < end); return r.end(); }
        setTimeout(() => r.end('x'), 100); }).listen(process.env.PORT, '127.0.0.1');";
    each(text, |setting, app, folder, _| {
        let mut client = Client::connect(setting.port);
        for _ in 0..5 {
            client.get("/").unwrap();
        }
        let all = figures(folder, (5, 0, 0));
        let fastest = all.recent.quantile(0.01).unwrap();
        assert!(fastest >= Duration::from_millis(97), "{all:?}");
        assert!(all.recent.sum >= 5 * 99_000 && all.recent == all.total);
        assert!(all.per_second().unwrap() > 0.0 && all.span > Duration::ZERO);

        // Both are there when the loop looks: the one that waits for the other took as long.
        let mut both = [(); 2].map(|()| Client::connect(setting.port));
        for client in &mut both {
            client.get("/").unwrap();
        }
        app.signal(Signal::STOP);
        for client in &mut both {
            client.send("/busy").unwrap();
        }
        app.signal(Signal::CONT);
        for client in &mut both {
            client.answer().unwrap();
        }
        let all = figures(folder, (9, 0, 0));
        assert!(all.total.sum >= 7 * 99_000 + 200_000 + 390_000, "{all:?}");
    });
}

/// Asks `/` twice, `/bad`, and `/slow`, which it leaves.
const ASK_HTTP2: &str = "
const http2 = require('http2');
const session = http2.connect(process.env.SCHEME + '://127.0.0.1:' + process.env.PORT);
const get = (path) => new Promise((done) => session.request({ ':path': path }).resume().on('close', done));
get('/').then(() => get('/')).then(() => get('/bad')).then(() => {
  const left = session.request({ ':path': '/slow' });
  left.on('response', () => left.close(http2.constants.NGHTTP2_CANCEL)).on('close', () => session.close()).resume();
});";

#[test]
fn http2_and_https() {
    let compat = "(q, r) => { if (q.url === '/bad') r.statusCode = 502;
        if (q.url !== '/slow') return r.end('x'); r.write('begun'); }";
    let stream = "(s, h) => { const slow = h[':path'] === '/slow'; s.on('error', () => {});
        s.respond({ ':status': h[':path'] === '/bad' ? 500 : 200 }); if (slow) s.write('begun'); else s.end('x'); }";
    let tls = format!(
        "{{ key: `{}`, cert: `{}`, allowHTTP1: true }}",
        include_str!("apps/key.pem"),
        include_str!("apps/cert.pem")
    );
    let listen = ".listen(process.env.PORT, '127.0.0.1');";
    let servers = [
        (format!("require('http2').createServer({compat})"), "http"),
        (
            format!("require('http2').createServer().on('stream', {stream})"),
            "http",
        ),
        (
            format!("require('http2').createSecureServer({tls}, {compat})"),
            "https",
        ),
    ];
    for (create, scheme) in &servers {
        each(&format!("{create}{listen}"), |setting, _, folder, _| {
            ask_with_node(ASK_HTTP2, scheme, setting.port);
            figures(folder, (4, 1, 1));
        });
    }
    // The same server to a client of HTTP/1, and https alone.
    let https = format!("require('https').createServer({tls}, (q, r) => r.end('x'))");
    for create in [&servers[2].0, &https] {
        each(&format!("{create}{listen}"), |setting, _, folder, _| {
            let ask = "require('https').get({ port: process.env.PORT, host: '127.0.0.1', agent: false }, (r) => r.resume());";
            ask_with_node(ask, "https", setting.port);
            figures(folder, (1, 0, 0));
        });
    }
}

fn ask_with_node(text: &str, scheme: &str, port: u16) {
    let status = Command::new(&nodes::newest().program)
        .args(["-e", text])
        .env("PORT", port.to_string())
        .env("SCHEME", scheme)
        .env("NODE_TLS_REJECT_UNAUTHORIZED", "0")
        .env("NODE_NO_WARNINGS", "1")
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

/// Workers of Node's own cluster, each counted in a file of its own; one that ends leaves its counts to the next.
#[test]
fn a_pool_of_an_apps_own_is_one_instance() {
    let text = "
const cluster = require('cluster');
if (cluster.isMaster) {
  const fork = () => cluster.fork().on('listening', () => console.error('listens'))
    .on('exit', () => { console.error('ended'); fork(); });
  fork(); fork(); fork();
} else {
  require('http').createServer((q, r) => r.end(String(process.pid))).listen(Number(process.env.OWN_PORT), '127.0.0.1');
}";
    each_node(|node| {
        // Nobody's: the listener of the setting stays unused.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let setting = Setting::new("server.js", text).set("OWN_PORT", &port.to_string());
        let folder = setting.unit.runtime_folder(0);
        std::fs::create_dir_all(&folder).unwrap();
        let setting = setting.set("RUNTIME_DIRECTORY", folder.to_str().unwrap());
        let app = setting.start_alone(node);
        let listening = |count| {
            let begun = Instant::now();
            while app.messages().matches("listens").count() < count {
                assert!(begun.elapsed() < PATIENCE, "{}", app.messages());
                sleep(Duration::from_millis(5));
            }
        };
        listening(3);
        let ask = |times: u64| {
            let asked = (0..times).map(|_| Client::connect(port).get("/").unwrap().body);
            asked.collect::<std::collections::BTreeSet<_>>()
        };
        let workers = ask(12);
        figures(&folder, (12, 0, 0));
        // Killed: what it wrote last stays, and is taken over.
        let worker = workers.first().unwrap().parse().unwrap();
        kill_process(Pid::from_raw(worker).unwrap(), Signal::KILL).unwrap();
        says(&app, "ended");
        listening(4);
        ask(3);
        figures(&folder, (15, 0, 0));
        assert_eq!(files(&folder), ["requests", "requests-1", "requests-2"]);
    });
}

#[test]
fn a_server_in_a_thread_is_counted_too() {
    let text = "
const { Worker, isMainThread } = require('worker_threads');
const http = require('http');
if (isMainThread) {
  new Worker(__filename);
  http.createServer((q, r) => r.end('main')).listen(process.env.PORT, '127.0.0.1');
} else {
  const server = http.createServer((q, r) => r.end('thread'));
  server.listen(0, '127.0.0.1', () => http.get({ port: server.address().port, host: '127.0.0.1', agent: false },
    (r) => r.resume().on('end', () => console.error('thread done'))));
}";
    each(text, |setting, app, folder, _| {
        says(app, "thread done");
        Client::connect(setting.port).get("/").unwrap();
        figures(folder, (2, 0, 0));
    });
}

#[test]
fn a_start_begins_anew_and_false_switches_it_off() {
    let text =
        "require('http').createServer((q, r) => r.end('x')).listen(process.env.PORT, '127.0.0.1');";
    each_node(|node| {
        let run = |id: &str| "0123456789abcdef0123456789abcde".to_owned() + id;
        let setting = Setting::new("server.js", text).set("INVOCATION_ID", &run("1"));
        let folder = setting.unit.runtime_folder(0);
        let start = |setting: &Setting| {
            let folder = format!("RUNTIME_DIRECTORY={}:/x", folder.display());
            let app = setting
                .unit
                .start(&["env", &folder, &node.program, &setting.script]);
            app.ready();
            app
        };
        std::fs::create_dir_all(&folder).unwrap();
        let app = start(&setting);
        Client::connect(setting.port).get("/").unwrap();
        figures(&folder, (1, 0, 0));
        // Killed, and restarted by systemd, which keeps the folder.
        drop(app);
        let setting = setting.set("INVOCATION_ID", &run("2"));
        let app = start(&setting);
        figures(&folder, (0, 0, 0));
        drop(app);

        std::fs::remove_file(folder.join("requests")).unwrap();
        let setting = setting.set("RPMCTL_PMX", "0");
        let mut app = start(&setting);
        Client::connect(setting.port).get("/").unwrap();
        app.signal(Signal::INT);
        assert_eq!(app.wait(), 0, "{}", app.messages());
        assert_eq!(files(&folder), [""; 0]);
    });
}

/// Where it cannot be written the app serves all the same, and the journal says why, once.
#[test]
fn a_folder_that_cannot_be_written_is_said_once() {
    let text =
        "require('http').createServer((q, r) => r.end('x')).listen(process.env.PORT, '127.0.0.1');";
    each_node(|node| {
        let setting = Setting::new("server.js", text);
        let gone = setting.unit.dir.path().join("gone@0");
        let folder = format!("RUNTIME_DIRECTORY={}", gone.display());
        let app = setting
            .unit
            .start(&["env", &folder, &node.program, &setting.script]);
        app.ready();
        let mut client = Client::connect(setting.port);
        for _ in 0..3 {
            assert_eq!(client.get("/").unwrap().body, "x");
        }
        let said = app.messages();
        assert_eq!(said.matches("no longer counted").count(), 1, "{said}");
    });
}
