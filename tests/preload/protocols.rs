//! HTTPS, HTTP/2 and plain TCP.

use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use crate::client::Client;
use crate::nodes;
use crate::start::{Setting, says};

/// Answers after 700 ms; where something is encrypted, with a key that is of no use elsewhere.
fn server(create: &str) -> String {
    format!(
        "const tls = {{ key: `{}`, cert: `{}`, allowHTTP1: true }};\n\
         const answer = (q, r) => {{ if (q.url === '/') return r.end('quick');\n\
           console.error('asked'); setTimeout(() => r.end('slow'), 700); }};\n\
         {create}.listen(process.env.PORT, '127.0.0.1');\n\
         process.on('exit', (code) => console.error('exit', code));",
        include_str!("apps/key.pem"),
        include_str!("apps/cert.pem")
    )
}

fn client(text: &str, port: u16) -> Child {
    Command::new(&nodes::newest().program)
        .args(["-e", text])
        .env("PORT", port.to_string())
        .env("NODE_TLS_REJECT_UNAUTHORIZED", "0")
        .env("NODE_NO_WARNINGS", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn drained(create: &str, asking: &str, expected: &str) {
    nodes::each(|node| {
        let setting = Setting::new("server.js", &server(create));
        let mut app = setting.ready(node);
        let client = client(asking, setting.port);
        says(&app, "asked");
        app.signal(Signal::INT);
        let output = client.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
        assert_eq!(app.wait(), 0, "{}", app.messages());
        says(&app, "exit 0");
    });
}

#[test]
fn https() {
    drained(
        "require('https').createServer(tls, answer)",
        "
const https = require('https');
const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
const get = (path, then) => https.get({ port: process.env.PORT, path, agent, host: '127.0.0.1' }, (r) => {
  let body = '';
  r.on('data', (d) => body += d).on('end', () => { console.log(body, r.headers.connection); then && then(); });
});
get('/', () => get('/slow'));",
        "quick keep-alive\nslow close\n",
    );
}

const ASK_HTTP2: &str = "
const http2 = require('http2');
const session = http2.connect((process.env.SCHEME || 'SCHEME') + '://127.0.0.1:' + process.env.PORT);
session.once('goaway', (code) => console.log('goaway', code)).on('error', (e) => console.log('error', e.code))
  .on('close', () => console.log('closed'));
const get = (path, then) => {
  let body = '';
  session.request({ ':path': path }).on('data', (d) => body += d).on('error', (e) => console.log(e.code))
    .on('end', () => { console.log(body); then && then(); });
};
get('/', () => get('/slow'));";

#[test]
fn http2() {
    let expected = "quick\ngoaway 0\nslow\nclosed\n";
    let plain = ASK_HTTP2.replace("SCHEME'", "http'");
    drained("require('http2').createServer(answer)", &plain, expected);
    let tls = ASK_HTTP2.replace("SCHEME'", "https'");
    drained(
        "require('http2').createSecureServer(tls, answer)",
        &tls,
        expected,
    );
}

#[test]
fn plain_tcp_lasts_until_shortly_before_the_kill() {
    nodes::each(|node| {
        let text = "require('net').createServer((s) => { s.write('hello'); s.on('data', (d) => s.write(d)); })\
                    .listen(process.env.PORT, '127.0.0.1');";
        let setting = Setting::new("server.js", text).set("RPMCTL_STOP", "SIGINT,2000");
        let mut app = setting.ready(node);
        let mut client = Client::connect(setting.port);
        assert_eq!(client.exactly(5), b"hello");
        app.signal(Signal::INT);
        std::thread::sleep(std::time::Duration::from_millis(900));
        client.raw(b"still").unwrap();
        assert_eq!(client.exactly(5), b"still");
        assert!(client.rest().unwrap().is_empty());
        assert_eq!(app.wait(), 0, "{}", app.messages());
    });
}
