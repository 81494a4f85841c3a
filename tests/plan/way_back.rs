//! What is put back after a failure is as it was.

use super::*;

/// A plan cut short by a failure on the instance whose turn comes after `moved` others, in each app that restarts any.
fn failed_after(plan: &Plan, observed: &Observed, wanted: &UnitSet, moved: usize) -> Observed {
    let mut after = carried_out(plan, observed, wanted);
    let mut left = BTreeSet::new();
    for app in &plan.apps {
        if let Some(unit) = app.restart.get(moved) {
            after.running.insert(unit.clone(), Running::Failed);
        }
        left.extend(app.restart.iter().skip(moved + 1).cloned());
    }
    after.pending = (!left.is_empty()).then_some(Pending {
        restart: left,
        reload: false,
    });
    after
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_is_put_back_is_as_it_was((wanted, observed) in two_versions(), moved in 0usize..3) {
        let plan = decide(&wanted, &observed, &Scope::Wanted).unwrap();
        let before = UnitSet {
            apps: plan.apps.iter().filter_map(|app| app.back.clone()).collect(),
            watcher: plan.watch.wanted.clone(),
        };
        let failed = failed_after(&plan, &observed, &wanted, moved);
        let back = put_back(&before, &failed, &Default::default()).unwrap();
        prop_assert_eq!(check::check(&back, &failed), Vec::<String>::new());
        for app in &back.apps {
            prop_assert!(app.back.is_none());
            // Those whose turn had not come are left alone, unless the socket they share changes.
            let earlier = before.apps.iter().find(|one| one.facts.app == app.facts.app).unwrap();
            let left = failed.pending.clone().unwrap_or_default().restart;
            let shared = !app.sockets.halt.is_empty();
            for unit in earlier.wanted().iter().filter(|unit| !shared && left.contains(*unit)) {
                let touched = [&app.restart, &app.stops(), &app.reset];
                let is_left = failed.state(unit) == Running::Up;
                prop_assert!(!is_left || touched.iter().all(|units| !units.contains(unit)), "{}", unit);
            }
        }
        // Those that an earlier apply owed a restart are not left with what they ran before that.
        let owed = failed.pending.clone().unwrap_or_default().restart;
        for app in &put_back(&before, &failed, &owed).unwrap().apps {
            let earlier = before.apps.iter().find(|one| one.facts.app == app.facts.app).unwrap();
            let up = |unit: &&String| owed.contains(*unit) && failed.state(unit) == Running::Up;
            for unit in earlier.wanted().iter().filter(up).filter(|unit| unit.contains('@') && unit.ends_with(".service")) {
                let anew = app.restart.contains(unit) || app.stops().contains(unit);
                prop_assert!(anew, "{}", unit);
            }
        }
        let after = carried_out(&back, &failed, &before);
        for app in &before.apps {
            let now = after.apps();
            let now = &now[app.facts.app.as_str()];
            prop_assert_eq!(&now.facts, &app.facts);
            prop_assert_eq!(now.env.len(), app.env.len());
        }
        let again = decide(&before, &after, &Scope::Wanted).unwrap();
        prop_assert!(again.is_empty(), "{:#?}\nthen {:#?}", back, again);
    }
}
