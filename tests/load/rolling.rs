//! Instances are replaced, added and taken away: no request is lost.

use crate::pressure::nothing_is_lost;
use crate::site::INSTANCES;
use crate::verbs;

#[test]
fn three_reloads() {
    nothing_is_lost("3 reloads", |site, pressure| {
        for _ in 0..3 {
            let before = site.pids();
            verbs::reload(site);
            assert!(site.pids().is_disjoint(&before), "each instance is new");
            pressure.goes_on();
        }
        site.all_answer(INSTANCES);
    });
}

#[test]
fn scale_from_4_to_2_to_6_to_4() {
    nothing_is_lost("scale 4, 2, 6, 4", |site, pressure| {
        let mut kept = site.pids();
        for instances in [2, 6, 4] {
            verbs::scale(site, instances);
            let now = site.pids();
            assert_eq!(now.len(), instances);
            let stayed = now.intersection(&kept).count();
            assert_eq!(stayed, instances.min(kept.len()), "the others stay");
            kept = now;
            pressure.goes_on();
            site.all_answer(instances);
        }
    });
}

#[test]
fn apply_with_another_env() {
    nothing_is_lost("apply with another env", |site, pressure| {
        let before = site.pids();
        verbs::apply_another_env(site, 2);
        assert!(site.pids().is_disjoint(&before), "each instance is new");
        pressure.goes_on();
        site.all_answer(INSTANCES);
    });
}
