//! max_memory_restart as cgroup v2's memory controller counts it, with programs/leaky.rs as the app.
//!
//! The figures are those of a machine. Where the guest is slower than one (no KVM), as many times fewer bytes leak in a
//! second and as many times more time is given.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::diary::{Diary, Entry, What};
use crate::machine::{self, Guest, PATIENCE};

const INSTANCES: u32 = 4;

/// Megabytes a second that an instance takes.
const LEAK: f64 = 50.0;

/// From the crossing to systemd's first word of the restart.
const SOON: Duration = Duration::from_secs(1);

const MB: u64 = 1 << 20;

/// At 50 MB/s in 300 MB there is a crossing every three seconds, and three seconds from it to systemd's own limit.
#[test]
fn who_leaks_is_restarted_within_a_second_and_no_request_fails() {
    let guest = machine::shared();
    let slow = slowness(&guest, 4);
    let app = Leak {
        name: "leaks",
        limit: 300 * MB,
        rate: LEAK / slow,
        cycle: Some((12.0 * slow, 2.0 * slow)),
        service: "",
    };
    let seen = app.under_load(&guest, |restarts| {
        (0..INSTANCES).all(|instance| restarts.iter().any(|one| one.instance == instance))
    });
    println!(
        "{slow:.1} times slower than a machine, {:.0} MB/s\n{seen}",
        app.rate
    );
    seen.assert_nothing_was_lost();
    // The figure is what was printed; a machine that stands still for a moment is no failure.
    for crossing in &seen.crossings {
        assert!(crossing.job <= 3 * SOON.mul_f64(seen.slow), "{crossing:?}");
    }
}

/// All at the same moment: they take turns.
#[test]
fn instances_that_cross_the_limit_together_are_restarted_one_after_another() {
    let guest = machine::shared();
    let slow = slowness(&guest, 4);
    let app = Leak {
        name: "together",
        limit: 100 * MB,
        rate: LEAK / 2.0 / slow,
        cycle: None,
        // The last one has to wait for three.
        service: "[apps.systemd.Service]\nMemoryMax = \"infinity\"\n",
    };
    let seen = app.under_load(&guest, |restarts| restarts.len() >= INSTANCES as usize);
    println!("{seen}");
    seen.assert_nothing_was_lost();
    let first = seen.crossings.iter().map(|crossing| crossing.at).min();
    let job = seen.restarts.first().map(|one| one.down);
    assert!(
        job.zip(first)
            .is_some_and(|(job, first)| job <= first + SOON.mul_f64(seen.slow))
    );
}

/// How many times slower than a machine the guest is: a machine needs at most a quarter of a second for what rpmctl, as
/// it is built for tests, does here.
pub fn slowness(guest: &Guest, times: u32) -> f64 {
    let once = || {
        let start = Instant::now();
        // One that gives up after its own deadlines took long enough.
        guest.run(&["rpmctl", "list"]);
        start.elapsed().as_secs_f64()
    };
    let longest = (0..times).map(|_| once()).fold(0.0, f64::max);
    (longest / 0.25).max(1.0)
}

/// An app with instances that leak, on port 3000.
struct Leak {
    name: &'static str,
    limit: u64,
    /// Megabytes a second.
    rate: f64,
    /// Seconds from one leak of an instance to its next, and from the leak of one to the leak of the next one. None: all leak at once,
    /// and again as soon as they are up.
    cycle: Option<(f64, f64)>,
    service: &'static str,
}

impl Leak {
    /// What happens while visitors come, until `enough` restarts are over.
    fn under_load(&self, guest: &Guest, enough: impl Fn(&[Restarted]) -> bool) -> Seen {
        let Leak {
            name,
            limit,
            rate,
            cycle,
            service,
        } = self;
        let diary = Diary::of(guest, name);
        let cycle = cycle.map_or(String::new(), |(every, shift)| {
            // Once they are up.
            let from = uptime(guest) + every / 3.0;
            format!("LEAK_FROM = \"{from}\"\nLEAK_EVERY = \"{every}\"\nLEAK_SHIFT = \"{shift}\"\n")
        });
        apply(
            guest,
            &format!(
                "[[apps]]\nname = \"{name}\"\nscript = \"/opt/guest/leaky\"\nexec_mode = \"cluster\"\ninstances = {INSTANCES}\n\
                 port = 3000\nmax_memory_restart = {limit}\n{service}[apps.env]\nLIMIT = \"{limit}\"\n\
                 LEAK = \"{rate}\"\n{cycle}"
            ),
        );
        let visitors = guest.cmd(&["/opt/guest/visitors", "3000", "4"]).spawn();
        // The guest is slower than before while they leak, and this machine has other work as well.
        let (mut slow, mut asked): (f64, _) = (1.0, Instant::now());
        guest.wait_until("they were restarted", PATIENCE, || {
            if asked.elapsed() > Duration::from_secs(3) {
                slow = slow.max(slowness(guest, 1));
                asked = Instant::now();
            }
            enough(&restarts(&diary.entries()))
        });
        visitors.signal(Signal::TERM);
        let visitors = visitors.wait(PATIENCE).stdout;
        let entries = diary.entries();
        guest.ok(&["rpmctl", "delete", name]);
        let restarts = restarts(&entries);
        let crossings = crossings(&entries, &restarts);
        Seen {
            entries,
            restarts,
            crossings,
            visitors,
            slow,
        }
    }
}

struct Seen {
    entries: Vec<Entry>,
    restarts: Vec<Restarted>,
    crossings: Vec<Crossing>,
    visitors: String,
    /// How many times slower than a machine the guest was at its slowest meanwhile.
    slow: f64,
}

/// One that is over: from systemd's first word to its last.
#[derive(Clone, Debug)]
struct Restarted {
    instance: u32,
    down: Duration,
    up: Duration,
}

/// From the app's own word that it crossed the limit to systemd's that it is being stopped.
#[derive(Clone, Debug)]
struct Crossing {
    instance: u32,
    at: Duration,
    job: Duration,
}

impl Seen {
    fn assert_nothing_was_lost(&self) {
        let visitors = &self.visitors;
        assert!(
            visitors.starts_with("requests ") && visitors.contains(" failed 0 "),
            "{visitors}"
        );
        let killed = self
            .entries
            .iter()
            .filter(|entry| entry.what == What::OomKilled);
        assert_eq!(killed.count(), 0, "systemd's own limit had nothing to do");
        for pair in self.restarts.windows(2) {
            assert!(pair[0].up <= pair[1].down, "two at once: {pair:?}");
        }
        let told = self
            .entries
            .iter()
            .filter(|entry| entry.what == What::Restarting("memory".into()));
        assert!(told.count() >= self.restarts.len(), "the journal says why");
        assert!(
            self.crossings.len() >= INSTANCES as usize,
            "{:?}",
            self.crossings
        );
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for Crossing { instance, at, job } in &self.crossings {
            writeln!(
                out,
                "@{instance} crossed at {at:?}, restart begun after {job:?}"
            )?;
        }
        for Restarted { instance, down, up } in &self.restarts {
            writeln!(
                out,
                "@{instance} down at {down:?}, up after {:?}",
                *up - *down
            )?;
        }
        writeln!(out, "{:.1} times slower than a machine", self.slow)?;
        out.write_str(&self.visitors)
    }
}

/// In the order in which they began.
fn restarts(entries: &[Entry]) -> Vec<Restarted> {
    let stops = entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.what == What::Stopping);
    let restart = stops.filter_map(|(position, stop)| {
        let mut later = entries[position..]
            .iter()
            .filter(|entry| entry.instance == stop.instance);
        let start = later.find(|entry| entry.what == What::Started)?;
        Some(Restarted {
            instance: stop.instance,
            down: stop.at,
            up: start.at,
        })
    });
    restart.collect()
}

/// Those that were followed by a restart that is over.
fn crossings(entries: &[Entry], restarts: &[Restarted]) -> Vec<Crossing> {
    let said = entries.iter().filter(|entry| entry.says("crossed "));
    let crossing = said.filter_map(|entry| {
        let mut own = restarts
            .iter()
            .filter(|restart| restart.instance == entry.instance);
        let next = own.find(|restart| restart.down > entry.at)?;
        Some(Crossing {
            instance: entry.instance,
            at: entry.at,
            job: next.down - entry.at,
        })
    });
    crossing.collect()
}

/// Seconds since it booted.
fn uptime(guest: &Guest) -> f64 {
    let text = guest.read("/proc/uptime");
    let seconds = text.split(' ').next().and_then(|word| word.parse().ok());
    seconds.expect("uptime")
}

/// The file's apps are all there are.
pub fn apply(guest: &Guest, text: &str) {
    guest.write("/srv/ecosystem.toml", 0o644, text);
    guest.cmd(&["rpmctl", "apply"]).dir("/srv").ok();
}
