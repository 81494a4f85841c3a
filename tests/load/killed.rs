//! A worker is killed under load: what it was answering is lost, nothing else, and nobody waits.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::site::{INSTANCES, PORT, Site};
use crate::traffic::paced::{self, Visit, Visitors};
use crate::traffic::strict::{Failed, Load, kinds};

const KILLS: usize = 3;
const CLIENTS: usize = 40;
/// What a new connection may wait beyond what it waited before. The promise is 100 ms, by the printed figures of a machine that does nothing else; a
/// connection that was lost with the worker would wait for seconds.
const MARGIN: Duration = Duration::from_secs(1);

struct Kill {
    victim: u32,
    /// Connections that the victim had at its end.
    held: usize,
    before: Instant,
    /// From here on the victim is dead.
    after: Instant,
}

/// Kills a worker. It is stopped for a moment before, so that what it holds then is what it holds at its end.
fn kill(site: &Site, victim: u32) -> Kill {
    let before = Instant::now();
    let seen = site.bed.sh_ok(&format!(
        "kill -STOP {victim}; until grep -q '^State:.T' /proc/{victim}/status; do :; done
         readlink /proc/{victim}/fd/*; cat /proc/net/tcp /proc/net/tcp6; kill -KILL {victim}"
    ));
    Kill {
        victim,
        held: connections(&seen),
        before,
        after: Instant::now(),
    }
}

/// Connections to the site among a process's descriptors, both as /proc shows them.
fn connections(seen: &str) -> usize {
    let sockets: BTreeSet<&str> = seen
        .lines()
        .filter_map(|line| line.strip_prefix("socket:[")?.strip_suffix(']'))
        .collect();
    let port = format!(":{PORT:04X}");
    let of_victim = seen.lines().filter(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, local, _, state, .., inode] = fields.get(..10).unwrap_or_default() else {
            return false;
        };
        local.ends_with(&port) && *state != "0A" && sockets.contains(inode)
    });
    of_victim.count()
}

/// Of clients that keep their connections and of such that do not.
fn only_its_own_requests_are_lost(keep_alive: bool) {
    let site = Site::new();
    let load = Load {
        port: PORT,
        path: "/slow",
        clients: CLIENTS,
        keep_alive,
    };
    let visitors = Visitors {
        port: PORT,
        path: "/",
        every: Duration::from_millis(10),
    };
    let (load, visitors) = (load.start(&site.bed), visitors.start(&site.bed));
    load.wait_for(500);
    let begun = Instant::now();
    visitors.wait_for(200);
    let mut kills = Vec::new();
    for _ in 0..KILLS {
        let victim = *site.pids().first().expect("a worker");
        kills.push(kill(&site, victim));
        visitors.wait_for(200);
        site.all_answer(INSTANCES);
    }
    let span = begun.elapsed();
    let (tally, visits) = (load.stop(), visitors.stop());

    let normal = paced::longest(&paced::between(&visits, begun, kills[0].before));
    let since = paced::between(&visits, kills[0].before, Instant::now());
    let longest = paced::longest(&since);
    eprintln!(
        "{KILLS} workers killed, keep-alive {keep_alive}: {:.0} requests/s of {CLIENTS} clients, failed: {}; \
         they held {:?} connections; {} new connections, longest wait {} ms before, {} ms after, failed: {}",
        tally.requests as f64 / span.as_secs_f64(),
        kinds(tally.failed.iter().map(|failed| failed.why)),
        kills.iter().map(|kill| kill.held).collect::<Vec<_>>(),
        visits.len(),
        normal.as_millis(),
        longest.as_millis(),
        kinds(paced::failures(&visits)),
    );
    assert!(longest <= normal + MARGIN, "visitors waited");
    all_were_in_flight(&tally.failed, &visits, &kills);
}

/// Each failure belongs to a kill: begun before it, on a connection of the victim; not more than it had connections.
fn all_were_in_flight(failed: &[Failed], visits: &[Visit], kills: &[Kill]) {
    let failed_visits = visits.iter().filter(|visit| visit.outcome.is_err());
    let all = failed
        .iter()
        .map(|one| (one.sent, one.sent + one.after, one.worker))
        .chain(failed_visits.map(|visit| (visit.at, visit.at + visit.wait, None)));
    let mut lost = vec![0; kills.len()];
    for (sent, ended, worker) in all {
        let of = kills.iter().position(|kill| {
            let its_own = worker.is_none_or(|worker| worker == kill.victim);
            sent < kill.after && ended > kill.before && its_own
        });
        let of = of.unwrap_or_else(|| panic!("a request failed that no killed worker had"));
        lost[of] += 1;
    }
    for (kill, lost) in kills.iter().zip(lost) {
        assert!(
            lost <= kill.held,
            "{lost} requests failed; {} had {} connections",
            kill.victim,
            kill.held
        );
    }
}

#[test]
fn with_a_new_connection_for_each_request() {
    only_its_own_requests_are_lost(false);
}

#[test]
fn with_keep_alive() {
    only_its_own_requests_are_lost(true);
}
