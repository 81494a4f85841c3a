//! An app that leaks 50 MB a second in each of four instances, under load: each is restarted at its limit, one at a time, and nobody notices.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::bed::{Bed, Options};
use crate::site::{PATIENCE, turn};
use crate::traffic::strict::{Load, kinds};

const PORT: u16 = 3100;
const LIMIT: u64 = 160 << 20;

/// Says when it crosses its limit; the first time the instances begin a second apart, and so they go on.
const LEAK: &str = r#"
const fs = require('fs');
const limit = Number(process.env.LIMIT);
const field = (text, name) => 1024 * Number(new RegExp(`${name}:\\s+(\\d+)`).exec(text)[1]);
const used = () => { const text = fs.readFileSync('/proc/self/status', 'utf8'); return field(text, 'RssAnon') + field(text, 'RssShmem'); };
const kept = [];
let crossed = false;
const first = `/srv/begun-${process.env.NODE_APP_INSTANCE}`;
const wait = fs.existsSync(first) ? 0 : 1000 * Number(process.env.NODE_APP_INSTANCE);
fs.writeFileSync(first, '');
setTimeout(() => setInterval(() => {
  kept.push(Buffer.alloc(1 << 20, 1));
  if (!crossed && used() >= limit) { crossed = true; console.log(`crossed ${Date.now()}`); }
}, 20), wait);
require('http').createServer((request, response) => {
  response.end(JSON.stringify({ processId: process.pid }));
}).listen(process.env.PORT);
"#;

/// Maps big files of the disk and reads them again and again: page cache, and resident, but not its own.
const READER: &str = r#"
import glob, mmap, os, shutil, time
# Debian's newer Node is a small program and big libraries.
names = {os.path.realpath(shutil.which('node'))}
for library in ('libnode.so.*', 'libicudata.so.*'):
    names.update(os.path.realpath(name) for name in glob.glob('/usr/lib/*/' + library))
files = [open(name, 'rb') for name in sorted(names)]
maps = [mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) for file in files]
while True:
    total = sum(pages[at] for pages in maps for at in range(0, len(pages), 4096))
    for file in files:
        file.seek(0)
        while file.read(1 << 20):
            pass
    print('read', flush=True)
    time.sleep(0.2)
"#;

fn bed(options: Options) -> Bed {
    let bed = Bed::boot(options);
    bed.write("/srv/leak.js", 0o644, LEAK);
    bed.write("/srv/reader.py", 0o644, READER);
    let text = format!(
        "[[apps]]\nname = \"leak\"\nscript = \"leak.js\"\nexec_mode = \"cluster\"\ninstances = 4\nmin_uptime = 200\nmax_memory_restart = {LIMIT}\n\
         env = {{ PORT = {PORT}, LIMIT = {LIMIT} }}\n\n\
         [[apps]]\nname = \"reader\"\nscript = \"reader.py\"\nmax_memory_restart = \"50M\"\n"
    );
    bed.write("/srv/ecosystem.toml", 0o644, text);
    let apply = bed.cmd(&["rpmctl", "apply"]).dir("/srv");
    apply.deadline(PATIENCE).ok();
    bed
}

/// One restart of an instance, in microseconds since the epoch.
#[derive(Debug)]
struct Restart {
    unit: String,
    crossed: u64,
    /// The job stopped it.
    job: u64,
    up: u64,
}

/// Lines of the bed's journal, oldest first.
fn lines(bed: &Bed) -> Vec<Value> {
    bed.ok(&["journalctl", "--sync"]);
    let text = bed.ok(&["journalctl", "--no-pager", "-o", "json", "-b"]);
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn restarts(bed: &Bed) -> Vec<Restart> {
    let mut found: Vec<Restart> = Vec::new();
    let mut crossed: BTreeMap<String, u64> = BTreeMap::new();
    for line in lines(bed) {
        let field = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let at: u64 = field("__REALTIME_TIMESTAMP").parse().expect("a time");
        let message = field("MESSAGE");
        if let Some(when) = message.strip_prefix("crossed ") {
            let when: u64 = when.parse().expect("a time");
            crossed.insert(field("_SYSTEMD_UNIT"), when * 1000);
        }
        let unit = field("UNIT");
        if !unit.starts_with("leak@") || !unit.ends_with(".service") {
            continue;
        }
        if message.starts_with("Stopping ") {
            let when = crossed.remove(&unit);
            found.push(Restart {
                crossed: when.unwrap_or_else(|| panic!("{unit} was stopped for nothing")),
                unit,
                job: at,
                up: 0,
            });
        } else if message.starts_with("Started ")
            && let Some(restart) = found.iter_mut().rev().find(|one| one.unit == unit)
        {
            restart.up = at;
        }
    }
    found.retain(|restart| restart.up > 0);
    found
}

fn pid(bed: &Bed, unit: &str) -> String {
    bed.ok(&["systemctl", "show", "--value", "-p", "MainPID", unit])
        .trim()
        .to_owned()
}

/// Waits until so many more instances have been restarted.
fn more(bed: &Bed, count: usize) {
    let before = restarts(bed).len();
    bed.wait_until(&format!("{count} more restarts"), PATIENCE, || {
        restarts(bed).len() >= before + count
    });
}

fn each_is_restarted_at_its_limit(options: Options, trouble: bool) {
    let _turn = turn();
    let bed = &bed(options);
    let reader = pid(bed, "reader@0.service");
    let load = Load {
        port: PORT,
        path: "/",
        clients: 8,
        keep_alive: true,
    };
    let load = load.start(bed);
    more(bed, 5);
    if trouble {
        for trouble in [
            "kill -9 $(systemctl show --value -p MainPID rpmctl-watch.service)",
            "systemctl daemon-reexec",
            "systemctl restart dbus.service",
        ] {
            bed.sh_ok(trouble);
            bed.wait_until("the watcher runs", Duration::from_secs(60), || {
                bed.run(&["systemctl", "is-active", "rpmctl-watch.service"])
                    .stdout
                    == "active\n"
            });
            more(bed, 2);
        }
    }
    // It has what it reads, and it is resident.
    let resident = format!("awk '/VmRSS/ {{ print $2 }}' /proc/{reader}/status");
    let resident: u64 = bed.sh_ok(&resident).trim().parse().expect("kB");
    assert!(resident > 60 << 10, "{resident} kB");
    let tally = load.stop();
    let found = restarts(bed);
    let mut free = 0;
    let mut lags: Vec<Duration> = Vec::new();
    for restart in &found {
        assert!(restart.job >= free, "two at once: {found:#?}");
        // Its turn comes when the one before it is up.
        let since = restart.crossed.max(free);
        lags.push(Duration::from_micros(restart.job.saturating_sub(since)));
        free = restart.up;
    }
    lags.sort();
    eprintln!(
        "{} restarts: from the crossing to the job {:?} in the middle, {:?} at most; {} requests, {} failed",
        lags.len(),
        lags[lags.len() / 2],
        lags[lags.len() - 1],
        tally.requests,
        tally.failed.len()
    );
    assert_eq!(kinds(tally.failed.iter().map(|failed| failed.why)), "none");
    assert_eq!(pid(bed, "reader@0.service"), reader, "page cache counts");
    // A second is promised; one that is due while the watcher or the bus is away, or the machine stalls, gets five.
    let within = |lag: Duration, seconds| lag <= Duration::from_secs(seconds);
    assert!(
        within(lags[lags.len() / 2], 1) && within(lags[lags.len() - 1], 5),
        "{found:#?}"
    );
    what_is_said(bed);
    what_is_shown(bed);
}

fn what_is_said(bed: &Bed) {
    let said: Vec<Value> = lines(bed)
        .into_iter()
        .filter(|line| line["SYSLOG_IDENTIFIER"] == "rpmctl")
        .collect();
    let first = &said[0];
    assert_eq!(
        [&first["RPMCTL_APP"], &first["RPMCTL_REASON"]],
        ["leak", "memory"]
    );
    assert_eq!(first["RPMCTL_LIMIT"], LIMIT.to_string().as_str());
    let bytes: u64 = first["RPMCTL_BYTES"]
        .as_str()
        .expect("bytes")
        .parse()
        .expect("a number");
    assert!((LIMIT..2 * LIMIT).contains(&bytes), "{bytes}");
    let number = first["RPMCTL_INSTANCE"].as_str().expect("a number");
    let sentence = format!("restarting leak@{number}: uses ");
    assert!(
        first["MESSAGE"]
            .as_str()
            .expect("text")
            .starts_with(&sentence),
        "{first}"
    );
    let shown = bed.ok(&["rpmctl", "logs", "leak", "-n", "200"]);
    assert!(shown.contains(&sentence), "{shown}");
}

fn what_is_shown(bed: &Bed) {
    let rows: Value = serde_json::from_str(&bed.ok(&["rpmctl", "list", "--json"])).expect("JSON");
    let row = rows
        .as_array()
        .expect("a list")
        .iter()
        .find(|row| !row["restarted"].is_null());
    let row = row.expect("one that was restarted");
    assert_eq!(row["restarted"]["reason"], "memory");
    assert!(row["restarts"].as_u64() >= row["restarted"]["counts"]["memory"].as_u64());
    let name = format!("leak@{}", row["instance"]);
    // One that is over its limit again at this moment says that instead.
    bed.wait_until("list says why it was restarted", PATIENCE, || {
        let list = bed.ok(&["rpmctl", "list", &name]);
        list.contains("restarted for memory ")
    });
    let show = bed.ok(&["rpmctl", "show", &name]);
    assert!(
        show.contains("more than max_memory_restart = 160mb"),
        "{show}"
    );
}

#[test]
fn without_a_memory_controller() {
    each_is_restarted_at_its_limit(Options::default(), true);
}

#[test]
fn with_a_memory_controller() {
    if let Some(options) = Options::with_memory_controller() {
        each_is_restarted_at_its_limit(options, false);
    }
}
