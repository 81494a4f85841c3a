//! A release that ends at boot, and one that never listens: the site goes on with the old one.

use crate::pressure::nothing_is_lost;
use crate::site::{File, GOOD, INSTANCES, Site};

/// Exit 1, what it printed last, and all instances as they were but one, which is back too.
fn is_refused(site: &Site, release: &'static str, reason: &str, last_line: &str) {
    let before = site.pids();
    site.write(&File {
        release,
        version: 2,
        ..GOOD
    });
    let output = site.rpmctl(&["apply"]);
    assert_eq!(output.status, 1, "{release}\n{output}");
    for part in [reason, last_line] {
        assert!(output.stderr.contains(part), "{release}: {part}\n{output}");
    }
    let stayed = site.pids().intersection(&before).count();
    assert_eq!(stayed, INSTANCES - 1, "{release}\n{output}");
    site.all_answer(INSTANCES);
}

#[test]
fn the_site_answers_throughout_and_the_mended_file_applies() {
    nothing_is_lost("two bad releases and a good one", |site, pressure| {
        is_refused(
            site,
            "broken",
            "error: api@0.service: ",
            "    cannot open the database\n",
        );
        pressure.goes_on();
        is_refused(
            site,
            "deaf",
            "error: api@0.service: ",
            "    waiting for the database\n",
        );
        pressure.goes_on();
        site.apply(&File { version: 3, ..GOOD });
        assert_eq!(
            site.ok(&["apply"]),
            "nothing to do: 1 app, 4 instances, all as the file says\n"
        );
        site.all_answer(INSTANCES);
    });
}
