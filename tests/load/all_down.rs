//! All instances are down for a while: visitors wait, and none is turned away.

use std::time::Duration;

use crate::site::{INSTANCES, PORT, Site};
use crate::traffic::paced::{self, Visitors};
use crate::traffic::strict::kinds;

const DOWN: Duration = Duration::from_millis(500);

/// `act` takes all instances down and brings them back.
fn everybody_waits(what: &str, act: impl Fn(&Site)) {
    let site = Site::new();
    let visitors = Visitors {
        port: PORT,
        path: "/slow",
        every: Duration::from_millis(10),
    };
    let visitors = visitors.start(&site.bed);
    visitors.wait_for(100);
    let before = site.pids();
    act(&site);
    site.all_answer(INSTANCES);
    assert!(site.pids().is_disjoint(&before), "each instance is new");
    visitors.wait_for(100);
    let visits = visitors.stop();
    let failed = paced::failures(&visits);
    eprintln!(
        "{what}: {} new connections, longest wait {} ms, failed: {}",
        visits.len(),
        paced::longest(&visits).as_millis(),
        kinds(failed.iter().copied())
    );
    assert_eq!(failed, [], "{what}");
}

#[test]
fn restart_of_the_app() {
    everybody_waits("rpmctl restart api", |site| {
        site.ok(&["restart", "api"]);
    });
}

#[test]
fn restart_of_all_units_at_once() {
    everybody_waits("systemctl restart api@*", |site| {
        site.bed.ok(&["systemctl", "restart", "api@*.service"]);
    });
}

#[test]
fn every_instance_stopped_by_name_and_the_app_started() {
    everybody_waits("rpmctl stop api@0 … api@3, rpmctl start api", |site| {
        let names: Vec<String> = (0..INSTANCES)
            .map(|number| format!("api@{number}"))
            .collect();
        let mut args = vec!["stop"];
        args.extend(names.iter().map(String::as_str));
        site.ok(&args);
        // How long it is down, not something waited for.
        std::thread::sleep(DOWN);
        site.ok(&["start", "api"]);
    });
}
