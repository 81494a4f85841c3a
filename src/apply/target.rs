//! What a command's targets mean: `name`, `name@2`, an id of `list`, `all`, `/regex/`, a namespace.

use std::collections::BTreeMap;

use crate::units::{AppUnits, Facts};

/// An app, whole or some of its instances.
#[derive(Clone, Debug)]
pub struct Selected<'a> {
    pub facts: &'a Facts,
    /// None: all of them.
    pub instances: Option<Vec<u32>>,
}

/// A target that nothing answers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    pub target: String,
    /// Why, when it is not simply unknown.
    pub why: Option<String>,
    /// A name that is close.
    pub close: Option<String>,
}

/// The apps in the order of the list, each once. PM2's order of lookup: `all`, `/regex/`, name, namespace, id.
/// Errors: every target that is unknown.
pub fn select<'a>(
    apps: &'a BTreeMap<String, AppUnits>,
    targets: &[String],
) -> Result<Vec<Selected<'a>>, Vec<Unknown>> {
    let mut chosen: BTreeMap<&str, Option<Vec<u32>>> = BTreeMap::new();
    let mut unknown = Vec::new();
    for target in targets {
        match matches(apps, target) {
            Ok(found) => {
                for (app, instance) in found {
                    let entry = chosen.entry(app).or_insert_with(|| Some(vec![]));
                    match (instance, &mut *entry) {
                        (None, _) => *entry = None,
                        (Some(number), Some(numbers)) if !numbers.contains(&number) => {
                            numbers.push(number);
                        }
                        _ => {}
                    }
                }
            }
            Err(error) => unknown.push(error),
        }
    }
    if !unknown.is_empty() {
        return Err(unknown);
    }
    Ok(chosen
        .into_iter()
        .map(|(app, instances)| Selected {
            facts: &apps[app].facts,
            instances,
        })
        .collect())
}

type Match<'a> = (&'a str, Option<u32>);

fn matches<'a>(
    apps: &'a BTreeMap<String, AppUnits>,
    target: &str,
) -> Result<Vec<Match<'a>>, Unknown> {
    let fail = |why: Option<String>| Unknown {
        target: target.to_owned(),
        close: match why {
            Some(_) => None,
            None => closest(apps, target),
        },
        why,
    };
    let whole = |name: &'a String| (name.as_str(), None);
    if target == "all" {
        return if apps.is_empty() {
            Err(fail(Some("there are no apps".to_owned())))
        } else {
            Ok(apps.keys().map(whole).collect())
        };
    }
    if let Some(pattern) = target.strip_prefix('/').and_then(|t| t.strip_suffix('/')) {
        let pattern = regex::Regex::new(pattern)
            .map_err(|error| fail(Some(format!("is not a regular expression: {error}"))))?;
        let found: Vec<_> = apps
            .keys()
            .filter(|name| pattern.is_match(name))
            .map(whole)
            .collect();
        return if found.is_empty() {
            Err(fail(Some("no app matches".to_owned())))
        } else {
            Ok(found)
        };
    }
    if let Some((name, _)) = apps.get_key_value(target) {
        return Ok(vec![whole(name)]);
    }
    // systemd's own names are understood too.
    let bare = target.strip_suffix(".service").unwrap_or(target);
    if let Some((name, number)) = bare.rsplit_once('@')
        && let Some((app, units)) = apps.get_key_value(name)
    {
        let count = units.facts.instances;
        return match number.parse::<u32>() {
            Ok(number) if number < count => Ok(vec![(app, Some(number))]),
            _ if count == 1 => Err(fail(Some(format!("{name} has one instance, {name}@0")))),
            _ => Err(fail(Some(format!(
                "{name} has instances 0 to {}",
                count.saturating_sub(1)
            )))),
        };
    }
    let in_namespace: Vec<_> = apps
        .iter()
        .filter(|(_, app)| app.facts.namespace == target)
        .map(|(name, _)| whole(name))
        .collect();
    if !in_namespace.is_empty() {
        return Ok(in_namespace);
    }
    if let Ok(id) = target.parse::<usize>()
        && let Some((app, instance)) = ids(apps).nth(id)
    {
        return Ok(vec![(app, Some(instance))]);
    }
    Err(fail(None))
}

/// Instances in the order of `list`; the position is the id.
pub fn ids(apps: &BTreeMap<String, AppUnits>) -> impl Iterator<Item = (&str, u32)> {
    apps.iter().flat_map(|(name, app)| {
        (0..app.facts.instances).map(move |instance| (name.as_str(), instance))
    })
}

fn closest(apps: &BTreeMap<String, AppUnits>, target: &str) -> Option<String> {
    apps.keys()
        .map(|name| (strsim::damerau_levenshtein(name, target), name))
        .filter(|(distance, name)| *distance <= 2.max(name.len() / 4))
        .min()
        .map(|(_, name)| name.clone())
}
