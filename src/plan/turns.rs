//! Who goes when, so that an app never has fewer ready instances than it can spare.

use super::observed::Running;

/// Groups of at most `at_once` (0 counts as 1), in their order: first the instances that do not serve now, then the others by number. With each group up
/// before the next, never more than `at_once` of those that are up at first are missing.
pub fn turns(instances: &[(String, Running)], at_once: usize) -> Vec<Vec<String>> {
    let is_up = |instance: &&(String, Running)| instance.1 == Running::Up;
    let (up, down): (Vec<_>, Vec<_>) = instances.iter().partition(is_up);
    let units: Vec<String> = down
        .into_iter()
        .chain(up)
        .map(|(unit, _)| unit.clone())
        .collect();
    units
        .chunks(at_once.max(1))
        .map(<[String]>::to_vec)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_serve_goes_first() {
        let instances = [
            ("a@0", Running::Up),
            ("a@1", Running::Failed),
            ("a@2", Running::Up),
            ("a@3", Running::Starting),
            ("a@4", Running::Up),
        ]
        .map(|(unit, state)| (unit.to_owned(), state));
        assert_eq!(
            turns(&instances, 2),
            [vec!["a@1", "a@3"], vec!["a@0", "a@2"], vec!["a@4"]]
        );
        assert_eq!(turns(&instances, 1).len(), 5);
        assert_eq!(turns(&instances, 0), turns(&instances, 1));
        assert!(turns(&[], 1).is_empty());
    }
}
