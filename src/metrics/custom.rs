//! What apps tell of themselves, under names of its own: an app must not write into another's metrics, nor break what a scraper reads.

use std::collections::{BTreeMap, HashSet};

use super::exposition::{Exposition, Labels};
use super::{Kind, View};
use crate::process::{Custom, custom};

/// Before each name.
pub const PREFIX: &str = "rpmctl_custom_";

struct Group<'a> {
    /// None where those who tell it do not agree.
    kind: Option<Kind>,
    help: Option<&'a str>,
    samples: Vec<(Labels, f64)>,
    known: HashSet<Labels>,
}

pub fn add(view: &View<'_>, exposition: &mut Exposition) {
    let mut groups: BTreeMap<String, Group<'_>> = BTreeMap::new();
    for (instance, row) in &view.rows {
        for metric in &row.custom.all {
            let name = format!("{PREFIX}{}", metric.name);
            let kind = kind(metric);
            let group = groups.entry(name).or_insert_with(|| Group {
                kind: Some(kind),
                help: None,
                samples: vec![],
                known: HashSet::new(),
            });
            group.kind = group.kind.filter(|known| *known == kind);
            group.help = group.help.or(metric.help.as_deref());
            let labels = labels(instance, metric);
            // Of two alike a scraper would refuse both, and what else there is.
            if group.known.insert(labels.clone()) {
                group.samples.push((labels, metric.value));
            }
        }
    }
    for (name, group) in &groups {
        let kind = match group.kind.unwrap_or(Kind::Unknown) {
            Kind::Counter if clashes(name, &groups) => Kind::Unknown,
            kind => kind,
        };
        let help = group.help.unwrap_or("Given by the app");
        exposition.family((name, kind, help), None, |out| {
            for (labels, value) in &group.samples {
                out.add(labels, *value);
            }
        });
    }
}

/// Parts of histograms and summaries stand each for itself: whether they are whole is their app's business.
fn kind(metric: &Custom) -> Kind {
    match metric.kind {
        custom::Kind::Counter if metric.name.ends_with("_total") && metric.value >= 0.0 => {
            Kind::Counter
        }
        custom::Kind::Gauge | custom::Kind::Info => Kind::Gauge,
        _ => Kind::Unknown,
    }
}

/// OpenMetrics has a counter's family without `_total`, which another may be called.
fn clashes(counter: &str, groups: &BTreeMap<String, Group<'_>>) -> bool {
    let family = counter.strip_suffix("_total").unwrap_or(counter);
    groups.contains_key(family) || groups.contains_key(&format!("{family}_created"))
}

/// The instance's, and the metric's own by their names; one that is called as ours as Prometheus calls such a one.
fn labels(instance: &Labels, metric: &Custom) -> Labels {
    let own: BTreeMap<String, &str> = metric
        .labels
        .iter()
        // Those with two are Prometheus' own.
        .filter(|(name, _)| {
            !name.starts_with(|c: char| c.is_ascii_digit()) && !name.starts_with("__")
        })
        .map(|(name, value)| match name.as_str() {
            "app" | "index" => (format!("exported_{name}"), value.as_str()),
            _ => (name.clone(), value.as_str()),
        })
        .collect();
    own.iter().fold(instance.clone(), |labels, (name, value)| {
        labels.with(name, value)
    })
}
