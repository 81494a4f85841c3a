//! Load on the site: wrk's 40 clients, and 8 strict ones that also see what wrk leaves out.

use crate::site::{PORT, Site};
use crate::traffic::Running;
use crate::traffic::strict::{Load, Tally, kinds};
use crate::traffic::wrk::{Counted, Loading, Wrk};

const CLIENTS: u32 = 40;
const STRICT_CLIENTS: usize = 8;
/// A load below this would show nothing. 40 clients of a 20 ms handler make at most 2,000 a second; how much of that a
/// machine makes is printed.
const LEAST_PER_SECOND: f64 = 300.0;

pub struct Pressure {
    wrk: Loading,
    strict: Running<Tally>,
}

impl Pressure {
    /// Returns once requests are answered steadily.
    pub fn on(site: &Site, keep_alive: bool) -> Pressure {
        let path = "/slow";
        let wrk = Wrk {
            port: PORT,
            path,
            connections: CLIENTS,
            keep_alive,
        };
        let strict = Load {
            port: PORT,
            path,
            clients: STRICT_CLIENTS,
            keep_alive,
        };
        let pressure = Pressure {
            wrk: wrk.start(&site.bed),
            strict: strict.start(&site.bed),
        };
        pressure.goes_on();
        pressure
    }

    /// Returns after some hundred further answers, so that what was done before has been under load.
    pub fn goes_on(&self) {
        self.strict.wait_for(300);
    }

    pub fn stop(self) -> Counts {
        self.goes_on();
        Counts {
            wrk: self.wrk.stop(),
            strict: self.strict.stop(),
        }
    }
}

pub struct Counts {
    wrk: Counted,
    strict: Tally,
}

impl Counts {
    fn text(&self) -> String {
        let Counts { wrk, strict } = self;
        format!(
            "wrk {} requests, {:.0}/s, p99 {:.0} ms, longest {:.0} ms, failed {} (connect {}, read {}, write {}, status {}, timeout {}); \
             strict {} requests on {} connections, longest {} ms, failed: {}",
            wrk.requests,
            wrk.per_second(),
            wrk.p99 as f64 / 1000.0,
            wrk.max as f64 / 1000.0,
            wrk.failed(),
            wrk.connect,
            wrk.read,
            wrk.write,
            wrk.status,
            wrk.timeout,
            strict.requests,
            strict.connections,
            strict.longest.as_millis(),
            kinds(strict.failed.iter().map(|failed| failed.why)),
        )
    }

    fn failed(&self) -> u64 {
        self.wrk.failed() + self.strict.failed.len() as u64
    }
}

/// Does it under load on a site of its own, with a new connection for each request and with keep-alive: not one
/// request may fail.
pub fn nothing_is_lost(what: &str, act: impl Fn(&Site, &Pressure)) {
    let mut lost = Vec::new();
    for keep_alive in [false, true] {
        let site = Site::new();
        let pressure = Pressure::on(&site, keep_alive);
        act(&site, &pressure);
        let counts = pressure.stop();
        let mode = if keep_alive {
            "keep-alive"
        } else {
            "a new connection each"
        };
        let line = format!("{what}, {mode}: {}", counts.text());
        eprintln!("{line}");
        assert!(
            counts.wrk.per_second() >= LEAST_PER_SECOND,
            "too little load to show anything: {line}"
        );
        if counts.failed() > 0 {
            lost.push(line);
        }
    }
    assert!(lost.is_empty(), "requests were lost\n{}", lost.join("\n"));
}
