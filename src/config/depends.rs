//! `depends_on`: other apps of the file, or units of the machine; no circles.

use crate::model::{Dependency, Name};

use super::fields::At;
use super::problem::Problem;
use super::suggest;

/// Endings of units that can be depended on (systemd.unit(5)).
const SUFFIXES: [&str; 9] = [
    ".service",
    ".socket",
    ".target",
    ".mount",
    ".automount",
    ".path",
    ".timer",
    ".device",
    ".slice",
];

fn has_ending(text: &str) -> bool {
    SUFFIXES.iter().any(|suffix| text.ends_with(suffix))
}

/// Whether this is the whole name of a unit (systemd.unit(5)).
pub fn is_unit(text: &str) -> bool {
    has_ending(text)
        && text.len() <= 255
        && !text.starts_with('.')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ":_.\\@-".contains(c))
}

/// What one entry means. `names` are the file's apps.
pub fn resolve(written: &At<String>, names: &[Name]) -> Result<Dependency, Problem> {
    let (text, span) = written;
    if let Some(name) = names.iter().find(|name| name.as_str() == text) {
        return Ok(Dependency::App(name.clone()));
    }
    if has_ending(text) {
        return if is_unit(text) {
            Ok(Dependency::Unit(text.clone()))
        } else {
            Err(
                Problem::at(span, format!("{text:?} is not the name of a unit"))
                    .label("letters, digits and : _ . \\ @ -, then .service or the like"),
            )
        };
    }
    Err(Problem::at(
        span,
        format!("{text:?} is no app of this file, and no unit"),
    )
    .label(
        suggest::did_you_mean(text, names.iter().map(Name::as_str))
            .unwrap_or_else(|| format!("for a unit write its whole name: \"{text}.service\"")),
    ))
}

/// Circles among the apps, each reported once, where it closes. `edges[i]` are the apps that app `i` waits for, with the place.
pub fn circles(names: &[&str], edges: &[Vec<At<usize>>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    // 0 unseen, 1 on the way, 2 done.
    let mut state = vec![0u8; edges.len()];
    for start in 0..edges.len() {
        if state[start] != 0 {
            continue;
        }
        let mut way = vec![(start, 0)];
        state[start] = 1;
        while let Some((node, next)) = way.last_mut() {
            let node = *node;
            let Some((to, span)) = edges[node].get(*next) else {
                state[node] = 2;
                way.pop();
                continue;
            };
            *next += 1;
            match state[*to] {
                0 => {
                    state[*to] = 1;
                    way.push((*to, 0));
                }
                1 => {
                    let from = way.iter().position(|(n, _)| n == to).unwrap_or(0);
                    let mut circle: Vec<&str> =
                        way[from..].iter().map(|(n, _)| names[*n]).collect();
                    circle.push(names[*to]);
                    problems.push(
                        Problem::at(span, "`depends_on` goes in a circle")
                            .label(circle.join(" → ")),
                    );
                }
                _ => {}
            }
        }
    }
    problems
}
