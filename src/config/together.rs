//! What the apps of a file must be together: names and listeners of their own, no circle of dependencies, profiles and `--only` that exist.

use crate::model::Name;

use super::check::{Draft, Options};
use super::file::Written;
use super::problem::Problem;
use super::{cluster, depends, suggest};

pub fn same_names(drafts: &mut [Draft]) {
    for second in 1..drafts.len() {
        let (before, rest) = drafts.split_at_mut(second);
        let Some((name, span)) = &rest[0].name else {
            continue;
        };
        let first = before.iter().find_map(|draft| {
            draft
                .name
                .as_ref()
                .filter(|(other, _)| other.stem() == name.stem())
        });
        if let Some((_, first)) = first {
            let problem = Problem::at(span, format!("two apps are called {:?}", name.as_str()))
                .label("each needs a name of its own; `instances` makes several of one")
                .also(first, "the first is here");
            rest[0].fields.problems.push(problem);
        }
    }
}

pub fn same_listeners(drafts: &mut [Draft]) {
    for second in 1..drafts.len() {
        let (before, rest) = drafts.split_at_mut(second);
        let taken: Vec<Problem> = rest[0]
            .listen
            .iter()
            .filter_map(|(listen, span)| {
                let (_, first) = before
                    .iter()
                    .flat_map(|draft| &draft.listen)
                    .find(|(other, _)| cluster::clash(other, listen))?;
                Some(
                    Problem::at(span, format!("two apps listen on {listen}"))
                        .label("each needs an address of its own; listen = false where an app does not listen")
                        .also(first, "the first is here"),
                )
            })
            .collect();
        rest[0].fields.problems.extend(taken);
    }
}

pub fn dependencies(drafts: &mut [Draft]) {
    let names: Vec<Name> = drafts
        .iter()
        .filter_map(|draft| Some(draft.name.as_ref()?.0.clone()))
        .collect();
    let places: Vec<Option<Name>> = drafts
        .iter()
        .map(|draft| draft.name.as_ref().map(|(name, _)| name.clone()))
        .collect();
    let mut edges = Vec::new();
    for draft in drafts.iter_mut() {
        let mut own = Vec::new();
        for written in &draft.depends_on {
            match depends::resolve(written, &names) {
                Ok(dependency) => {
                    if let crate::model::Dependency::App(name) = &dependency
                        && let Some(index) = places.iter().position(|p| p.as_ref() == Some(name))
                    {
                        own.push((index, written.1.clone()));
                    }
                    if let Some(app) = &mut draft.app
                        && !app.depends_on.contains(&dependency)
                    {
                        app.depends_on.push(dependency);
                    }
                }
                Err(problem) => draft.fields.problems.push(problem),
            }
        }
        edges.push(own);
    }
    let shown: Vec<&str> = places
        .iter()
        .map(|p| p.as_ref().map_or("?", Name::as_str))
        .collect();
    let circles = depends::circles(&shown, &edges);
    if let Some(draft) = drafts.first_mut() {
        draft.fields.problems.extend(circles);
    }
}

/// The profile must be one that some app has; an app without it keeps its `env`.
pub fn profile(written: &Written, options: &Options) -> Option<Problem> {
    let profile = options.profile.as_deref()?;
    let known: Vec<&str> = written
        .apps
        .iter()
        .flat_map(|app| &app.profiles)
        .map(|overlay| overlay.name.as_str())
        .collect();
    if known.contains(&profile) || written.torn {
        return None;
    }
    let problem = Problem::nowhere(format!("no app has a table `env_{profile}`"));
    Some(match suggest::nearest(profile, known.iter().copied()) {
        Some(meant) => problem.help(format!("did you mean --env {meant}?")),
        None if known.is_empty() => problem.help("the file has no `env_<profile>` table at all"),
        None => {
            let mut known = known;
            known.sort_unstable();
            known.dedup();
            problem.help(format!("the file has: {}", known.join(", ")))
        }
    })
}

pub fn unknown_only(drafts: &[Draft], options: &Options, torn: bool) -> Vec<Problem> {
    let names: Vec<&str> = drafts
        .iter()
        .filter_map(|draft| Some(draft.name.as_ref()?.0.as_str()))
        .collect();
    options
        .only
        .iter()
        .filter(|only| !torn && !names.contains(&only.as_str()))
        .map(|only| {
            let problem =
                Problem::nowhere(format!("--only {only}: no app of the file has this name"));
            match suggest::did_you_mean(only, names.iter().copied()) {
                Some(hint) => problem.help(hint),
                None => problem.help(format!("the file has: {}", names.join(", "))),
            }
        })
        .collect()
}
