//! The Node preload in units of a real systemd: readiness, the message, restarts under load.

use std::time::Duration;

use crate::apps::{PATIENCE, apply, fails, ok, property, state, units, write};
use crate::bed::Bed;

/// Ready half a second after it listens, and leaves a mark just before.
const READY: &str = r#"
const fs = require('fs');
const name = `${process.env.NAME}-${process.env.NODE_APP_INSTANCE}`;
require('http').createServer((q, r) => r.end('ok')).listen(process.env.PORT || 0, () => setTimeout(() => {
  if (process.env.MUTE) return;
  fs.writeFileSync(`/srv/ready-${name}`, '');
  process.send('ready');
}, 500));
"#;

#[test]
fn wait_ready_waits_for_process_send() {
    let bed = Bed::boot(Default::default());
    bed.write("/srv/ready.js", 0o644, READY);
    let app = |name: &str, more: &str, env: &str| {
        format!(
            "[[apps]]\nname = \"{name}\"\nscript = \"ready.js\"\nwait_ready = true\n{more}\nenv = {{ NAME = \"{name}\"{env} }}\n"
        )
    };
    let shared = app(
        "shared",
        "exec_mode = \"cluster\"\ninstances = 2\nport = 4300",
        "",
    );
    let alone = app("alone", "exec_mode = \"fork\"\nport = 4301", "");
    apply(&bed, &(shared.clone() + &alone));
    for mark in ["shared-0", "shared-1", "alone-0"] {
        assert!(bed.exists(&format!("/srv/ready-{mark}")), "{mark}");
    }
    assert_eq!(property(&bed, "Type", &units("alone", 1)), ["notify"]);

    let mute = app(
        "mute",
        "exec_mode = \"fork\"\nlisten_timeout = 1500\nmax_restarts = 1",
        ", MUTE = \"1\"",
    );
    write(&bed, &(shared + &alone + &mute));
    fails(&bed, &["apply"], 1);
    for unit in units("shared", 2).iter().chain(&units("alone", 1)) {
        assert_eq!(state(&bed, unit), "active", "{unit}");
    }
}

const MESSAGE: &str = r#"
const fs = require('fs');
const note = (text) => fs.appendFileSync(`/srv/${process.env.NAME}.txt`, text + '\n');
process.on('SIGINT', () => note('SIGINT'));
process.on('message', (message) => {
  note(message);
  server.close(() => { note('closed'); process.exit(0); });
});
const server = require('http').createServer((q, r) => r.end('ok')).listen(process.env.PORT, () => note('up'));
"#;

#[test]
fn the_message_shutdown_stops_an_app() {
    let bed = Bed::boot(Default::default());
    bed.write("/srv/message.js", 0o644, MESSAGE);
    bed.write(
        "/srv/package.json",
        0o644,
        r#"{"scripts": {"start": "node message.js"}}"#,
    );
    let app = |name: &str, script: &str, port: u16| {
        format!(
            "[[apps]]\nname = \"{name}\"\nscript = \"{script}\"\nexec_mode = \"cluster\"\nport = {port}\nshutdown_with_message = true\n\
             env = {{ NAME = \"{name}\" }}\n"
        )
    };
    apply(
        &bed,
        &(app("plain", "message.js", 4310) + &app("wrapped", "npm start", 4311)),
    );
    ok(&bed, &["stop", "all"]);
    for name in ["plain", "wrapped"] {
        let said = bed.read(&format!("/srv/{name}.txt"));
        assert_eq!(said, "up\nshutdown\nclosed\n", "{name}");
        let unit = units(name, 1);
        assert_eq!(property(&bed, "Result", &unit), ["success"], "{name}");
        assert_eq!(state(&bed, &unit[0]), "inactive");
    }
}

/// An answer takes 20 ms.
const SLOW: &str = "
const http = require('http');
http.createServer((q, r) => setTimeout(() => r.end(process.env.NODE_APP_INSTANCE), 20)).listen(process.env.PORT);
";

/// 40 keep-alive connections, one request after the other on each, until /srv/over is there. Every request that fails is counted.
const LOAD: &str = r#"
const http = require('http');
const fs = require('fs');
const agent = new http.Agent({ keepAlive: true, maxSockets: 40 });
const failures = {};
let answered = 0;
function ask() {
  if (fs.existsSync('/srv/over')) return;
  http.get({ port: 4320, host: '127.0.0.1', agent }, (response) => {
    response.resume().on('end', () => { answered += 1; ask(); });
  }).on('error', (error) => { failures[error.code] = (failures[error.code] || 0) + 1; setTimeout(ask, 10); });
}
for (let i = 0; i < 40; i += 1) ask();
const timer = setInterval(() => fs.writeFileSync('/srv/answered', String(answered)), 50);
process.on('exit', () => console.log(JSON.stringify(failures)));
setInterval(() => { if (fs.existsSync('/srv/over')) { clearInterval(timer); setTimeout(() => process.exit(0), 500); } }, 50).unref();
"#;

#[test]
fn restarts_under_keep_alive_load_lose_nothing() {
    let bed = Bed::boot(Default::default());
    bed.write("/srv/slow.js", 0o644, SLOW);
    bed.write("/srv/load.js", 0o644, LOAD);
    apply(
        &bed,
        "[[apps]]\nname = \"api\"\nscript = \"slow.js\"\nexec_mode = \"cluster\"\ninstances = 2\nport = 4320\n",
    );
    let load = bed.spawn(&["node", "/srv/load.js"]);
    let answered = || {
        let text = bed.run(&["cat", "/srv/answered"]).stdout;
        text.parse::<u32>().unwrap_or(0)
    };
    let more = |count: u32| {
        let wanted = answered() + count;
        bed.wait_until("answers", PATIENCE, || answered() >= wanted);
    };
    more(300);
    for _ in 0..3 {
        for unit in units("api", 2) {
            bed.ok(&["systemctl", "restart", &unit]);
            assert_eq!(state(&bed, &unit), "active");
            more(100);
        }
    }
    bed.write("/srv/over", 0o644, "");
    let output = load.wait(Duration::from_secs(30));
    assert_eq!(output.stdout, "{}\n", "{output}");
    assert_eq!(output.status, 0);
    for result in property(&bed, "Result", &units("api", 2)) {
        assert_eq!(result, "success");
    }
}
