//! The watcher's part of a plan: it comes with the first app that needs it and goes with the last.

use super::*;
use rpmctl::plan::Watcher;
use rpmctl::units::watcher::UNIT;

/// The machine as the plan of these leaves it, of which `api` needs the watcher.
fn watched() -> (UnitSet, Observed) {
    let wanted = two_apps(|api| api.limited = true).0;
    let observed = running(&wanted);
    assert!(observed.watcher.text.is_some());
    (wanted, observed)
}

#[test]
fn it_comes_and_goes_with_the_need_and_stays_for_others() {
    let (wanted, observed) = watched();
    let api = removal(&["api".to_owned()], &observed).watch;
    assert_eq!((api.change, api.stop), (Change::Remove, true));
    assert_eq!(api.unlink, ["multi-user.target.wants"]);
    assert!(removal(&["worker".to_owned()], &observed).watch.is_empty());
    // Only worker is wanted, and api stays as it is.
    let mut worker = wanted.clone();
    worker.apps.retain(|app| app.facts.app.as_str() == "worker");
    worker.watcher = None;
    assert!(plan_of(&worker, &observed).watch.is_empty());
    let (none, _) = two_apps(|_| {});
    let plan = plan_of(&none, &observed);
    assert_eq!(plan.watch.change, Change::Remove);
    assert!(plan.reload && plan.watch.stop);
}

#[test]
fn another_text_restarts_it_and_no_app() {
    let (mut wanted, observed) = watched();
    let unit = wanted.watcher.as_mut().unwrap();
    unit.text = unit.text.replace("Restart=always", "Restart=on-failure");
    let plan = plan_of(&wanted, &observed);
    assert!(plan.watch.restart && plan.apps.iter().all(|app| app.is_empty()));
    // Cut short after the files were written, it is still to be restarted.
    let mut then = carried_out(&plan, &observed, &wanted);
    then.pending = Some(Pending {
        restart: plan.unfinished().collect(),
        reload: false,
    });
    let again = plan_of(&wanted, &then).watch;
    assert!(again.restart && again.unit.is_none());
}

#[test]
fn one_that_failed_is_started_again() {
    let (wanted, mut observed) = watched();
    observed.running.insert(UNIT.into(), Running::Failed);
    let plan = plan_of(&wanted, &observed).watch;
    assert!(plan.start && plan.reset && plan.unit.is_none());
}

#[test]
fn a_packages_own_takes_the_place_of_ours_and_is_not_removed() {
    let (wanted, mut observed) = watched();
    let text = observed.watcher.text.clone().unwrap();
    let file = PathBuf::from("/usr/lib/systemd/system/rpmctl-watch.service");
    observed.watcher.shipped = Some((file.clone(), text));
    let plan = plan_of(&wanted, &observed).watch;
    assert!(plan.unit.unwrap().after.is_none() && plan.restart && !plan.stop);
    observed.watcher = Watcher {
        text: None,
        links: BTreeSet::new(),
        ..observed.watcher
    };
    let plan = plan_of(&wanted, &observed).watch;
    assert_eq!((plan.unit, plan.file), (None, Some(file)));
    assert_eq!(plan.link, ["multi-user.target.wants"]);
    let gone = removal(&["api".to_owned()], &observed).watch;
    assert!(gone.stop && gone.unit.is_none());
}

#[test]
fn one_that_is_not_ours_is_refused_where_it_is_needed() {
    let mut observed = Observed::default();
    observed.watcher.foreign = Some(UNIT.into());
    let wanted = |limited| two_apps(|api| api.limited = limited).0;
    let refusals = decide(&wanted(true), &observed, &Scope::Wanted).unwrap_err();
    assert_eq!(refusals[0].unit, UNIT);
    assert!(decide(&wanted(false), &observed, &Scope::Wanted).is_ok());
}
