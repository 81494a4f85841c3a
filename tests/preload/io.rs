//! Metrics and actions of apps that use @pm2/io, tx2 or pmx, unchanged, as they come out on rpmctl's side.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rpmctl::process::actions::{self, NoReply};
use rpmctl::process::custom::{self, Custom, Kind};

use crate::launch::App;
use crate::nodes::{self, Node};
use crate::start::{PATIENCE, Setting, says};

/// Two metrics, three actions, for `io` as each library has it.
const ACTIONS: &str = "
io.action('hello', (reply) => reply({ answer: 'world' }));
io.action('give back', (param, reply) => reply(`got ${param}`));
io.action('never', () => {});
process.on('message', (message) => console.error('message', JSON.stringify(message)));
setInterval(() => {}, 1000);
console.error('up');";

/// The library, and how its metrics are made.
const LIBRARIES: [(&str, &str); 4] = [
    (
        "io6",
        "const io = require(process.env.PACKAGES + '/io6').init();
         io.metric({ name: 'Realtime users', unit: 'people', value: () => 42 });
         io.metric({ name: 'release', value: () => 'v1 \"x\"' });
         const jobs = io.counter({ name: 'jobs' });
         jobs.inc(); jobs.inc(); jobs.dec();
         io.histogram({ name: 'latency', measurement: 'mean', unit: 'ms' }).update(7.5);",
    ),
    (
        "io5",
        "const io = require(process.env.PACKAGES + '/io5').init();
         io.metric({ name: 'Realtime users', unit: 'people', value: () => 42 });
         io.counter({ name: 'jobs' }).inc();",
    ),
    (
        "tx2",
        "const io = require(process.env.PACKAGES + '/tx2');
         io.metric({ name: 'Realtime users', unit: 'people', value: () => 42 });
         io.counter('jobs').inc();",
    ),
    (
        "pmx",
        "const io = require(process.env.PACKAGES + '/pmx').init();
         const probe = io.probe();
         probe.metric({ name: 'Realtime users', unit: 'people', value: () => 42 });
         probe.counter({ name: 'jobs' }).inc();",
    ),
];

/// An app, and the folder in which it tells of itself.
struct Talker {
    app: App,
    folder: PathBuf,
    _setting: Setting,
}

impl Talker {
    fn start(node: &Node, text: &str) -> Talker {
        let setting = Setting::new("app.js", text);
        // Longer than the address of a unix socket may be.
        let folder = setting.unit.dir.path().join("a".repeat(120));
        std::fs::create_dir(&folder).unwrap();
        let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let setting = setting
            .set("PACKAGES", nodes::talkers().to_str().unwrap())
            .set("RPMCTL_METRICS", &file("metrics"))
            .set("RPMCTL_ACTIONS", &file("actions"));
        let app = setting.start(node);
        Talker {
            app,
            folder,
            _setting: setting,
        }
    }

    /// Waits until the metrics are as wanted.
    fn metric(&self, holds: impl Fn(&[Custom]) -> bool) -> Vec<Custom> {
        let begun = Instant::now();
        loop {
            let read = custom::read(&self.folder, None).unwrap_or_default();
            assert_eq!(read.trouble, None);
            if holds(&read.all) {
                return read.all;
            }
            let said = self.app.messages();
            assert!(begun.elapsed() < PATIENCE, "{read:?}\n{said}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn ask(folder: &Path, request: &str, patience: Duration) -> Result<String, NoReply> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let asked = actions::ask(folder, request, patience, |_| false);
    runtime.block_on(asked).map(|reply| reply.text)
}

fn named<'a>(metrics: &'a [Custom], name: &str) -> Option<&'a Custom> {
    metrics.iter().find(|metric| metric.name == name)
}

#[test]
fn libraries_that_talk_to_pm2_are_understood() {
    nodes::each(|node| {
        // The newest of each, and those before it where they differ most.
        let ends = [nodes::all()[0].major, nodes::newest().major].contains(&node.major);
        let talkers: Vec<(&str, Talker)> = LIBRARIES
            .iter()
            .filter(|(name, _)| ends || matches!(*name, "io6" | "tx2"))
            .map(|(name, made)| (*name, Talker::start(node, &format!("{made}{ACTIONS}"))))
            .collect();
        for (library, talker) in &talkers {
            eprintln!("{library}");
            says(&talker.app, "up");
            let ask = |request: &str| ask(&talker.folder, request, PATIENCE).unwrap();
            assert_eq!(ask("hello"), r#"{"answer":"world"}"#);
            assert_eq!(ask("give back\ta  param\té"), "got a  param\té");
            assert_eq!(ask("give back\t"), "got ");
            assert_eq!(ask("helo"), "error: unknown action helo");
            assert_eq!(ask(""), "hello\ngive back\nnever");
            says(&talker.app, r#"message "hello""#);
            says(&talker.app, r#"message {"msg":"give back","opts":""}"#);
            let late = Duration::from_millis(100);
            let late = self::ask(&talker.folder, "never", late);
            assert!(matches!(late, Err(NoReply::TooLate)), "{late:?}");

            let metrics = talker.metric(|all| named(all, "jobs").is_some());
            assert_eq!(named(&metrics, "jobs").unwrap().value, 1.0);
            let users = named(&metrics, "realtime_users").unwrap();
            assert_eq!((users.value, users.kind), (42.0, Kind::Gauge));
            assert_eq!(users.help.as_deref(), Some("Realtime users"));
            if *library != "pmx" {
                assert_eq!(users.unit.as_deref(), Some("people"));
            }
            if *library == "io6" {
                assert_eq!(named(&metrics, "latency").unwrap().value, 7.5);
                let release = named(&metrics, "release_info").unwrap();
                let label = ("value".to_owned(), r#"v1 "x""#.to_owned());
                assert_eq!(
                    (release.kind, &release.labels[..]),
                    (Kind::Info, &[label][..])
                );
            }
            let said = talker.app.messages();
            assert!(!said.contains("rpmctl"), "{said}");
        }
    });
}

/// What a library sends of itself opens nothing, nor does any other message.
#[test]
fn nothing_is_opened_unless_the_app_offers_something() {
    let text = "
const send = (data, done) => process.send(data, done);
send({ type: 'axm:action', data: { action_name: 'km:heapdump', action_type: 'internal' } });
send({ type: 'axm:action', data: { action_name: 'a\\tb' } });
send({ type: 'axm:action', data: null });
send({ type: 'axm:monitor' });
send({ type: 'axm:reply', data: { action_name: 'nobody', return: 1 } });
send({ type: 'process:msg', data: {} });
send('axm:action');
send(null);
send(7, (error) => console.error('sent', error));
setTimeout(() => console.error('no longer'), 86400000).unref();";
    nodes::each(|node| {
        let mut talker = Talker::start(node, text);
        says(&talker.app, "sent null");
        assert_eq!(talker.app.wait(), 0);
        let left = std::fs::read_dir(&talker.folder).unwrap().count();
        assert_eq!(left, 0);
        let said = talker.app.messages();
        assert!(!said.contains("rpmctl"), "{said}");
    });
}

/// Metrics of any kind of value, an action that throws, a socket that was left, two who ask at once, and the end.
#[test]
fn what_may_come_is_dealt_with() {
    let text = "
const fs = require('fs');
const value = (value) => ({ value });
process.send({ type: 'axm:monitor', data: {
  'Loop delay': value('0.9ms'), 'loop-delay': value(1), '5xx': value('3'), empty: value(''), on: value(true), none: value(null),
  object: value({}), broken: null, big: value(1e400), 'é': value(2), text: value('a\\nb\\\\'), unit: { value: 1, unit: 'a\\nb' },
} });
fs.writeFileSync(process.env.RPMCTL_ACTIONS, '');
process.send({ type: 'axm:action', data: { action_name: 'throw', opts: { comment: 'ends\\tit' } } });
const asked = [];
process.send({ type: 'axm:action', data: { action_name: 'both' } });
process.on('message', (message) => {
  if (message === 'throw') throw new Error('thrown');
  asked.push(message);
  const say = (text) => process.send({ type: 'axm:reply', data: { action_name: 'both', return: text } });
  if (asked.length === 2) { say('first'); say('second'); say('nobody'); }
});
const running = setInterval(() => {}, 1000);
process.on('SIGUSR2', () => clearInterval(running));
process.on('uncaughtException', (error) => console.error('caught', error.message));
console.error('up');";
    nodes::each(|node| {
        let mut talker = Talker::start(node, text);
        says(&talker.app, "up");
        let metrics = custom::read(&talker.folder, None).unwrap();
        assert_eq!(metrics.trouble, None);
        let shown: Vec<String> = metrics
            .all
            .iter()
            .map(|metric| format!("{} {} {:?}", metric.name, metric.value, metric.unit))
            .collect();
        assert_eq!(
            shown,
            [
                "loop_delay 0.9 Some(\"ms\")",
                "loop_delay_2 1 None",
                "_5xx 3 None",
                "empty_info 1 None",
                "on 1 None",
                "big inf None",
                "_ 2 None",
                "text_info 1 None",
                "unit 1 Some(\"a b\")",
            ]
        );
        assert_eq!(metrics.all[7].labels[0].1, "a\nb\\");

        let ask = |request: &str| ask(&talker.folder, request, PATIENCE).unwrap();
        assert_eq!(ask(""), "throw\tends it\nboth");
        let replies = std::thread::scope(|scope| {
            let asking = [(); 2].map(|()| scope.spawn(|| ask("both")));
            let mut replies = asking.map(|one| one.join().unwrap());
            replies.sort();
            replies
        });
        assert_eq!(replies, ["first", "second"]);
        assert_eq!(ask("throw"), "error: thrown");
        says(&talker.app, "caught thrown");
        let long = "x".repeat(1 << 17);
        assert_eq!(ask(&long), "error: the request is too long");
        // The socket keeps nothing running.
        talker.app.signal(rustix::process::Signal::USR2);
        assert_eq!(talker.app.wait(), 0, "{}", talker.app.messages());
    });
}
