//! As written, with the machine's answers → the model, or every problem.

use std::path::{Path, PathBuf};

use crate::model::host::{Found, Host, Questions};
use crate::model::{App, Balance, Listen, Mode, Model, Name};

use super::cluster::Port;
use super::fields::{At, Fields};
use super::file::{Written, WrittenApp};
use super::lookup::Lookup;
use super::notes::Note;
use super::problem::{self, Problem, Span};
use super::{
    cluster, command, defaults, directives, env, health, identity, limits, logs, notes, together,
    watch,
};

/// What the command line says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// `--env`
    pub profile: Option<String>,
    /// `--only`: names of apps; empty for all.
    pub only: Vec<String>,
    /// `--user`: for the user's own manager.
    pub user_manager: bool,
    /// What `~` stands for.
    pub home: Option<PathBuf>,
}

pub struct Checked {
    /// None where there are problems. With `only`, those apps alone.
    pub model: Option<Model>,
    /// In the file's order; those without a place last.
    pub problems: Vec<Problem>,
    /// Empty where there are problems.
    pub notes: Vec<Note>,
}

/// What must still be looked up before [`check`] can decide: ask until nothing is left, since one answer (a `#!` line) can raise the next question.
pub fn questions(written: &Written, host: &Host, options: &Options) -> Questions {
    let lookup = Lookup::new(host);
    decide(written, &lookup, options);
    lookup.unanswered()
}

/// Every problem of the file, or the model. The host must have answered all [`questions`].
pub fn check(written: &Written, host: &Host, options: &Options) -> Checked {
    let lookup = Lookup::new(host);
    let mut checked = decide(written, &lookup, options);
    let open = lookup.unanswered();
    if open != Questions::default() {
        checked.model = None;
        checked.problems.push(
            Problem::nowhere("the machine was not asked everything this file raises")
                .help(format!("left open: {open:?}")),
        );
    }
    checked
}

/// One app on its way: what other apps must be held against.
pub struct Draft<'a> {
    pub fields: Fields<'a>,
    pub name: Option<At<Name>>,
    pub depends_on: Vec<At<String>>,
    pub listen: Vec<At<Listen>>,
    pub app: Option<App>,
}

fn decide(written: &Written, lookup: &Lookup, options: &Options) -> Checked {
    let folder = written.path.parent().unwrap_or(Path::new("/"));
    let mut problems = written.problems.clone();
    let mut drafts: Vec<Draft> = written
        .apps
        .iter()
        .map(|app| draft(app, folder, lookup, options, written.torn))
        .collect();
    together::same_names(&mut drafts);
    together::same_listeners(&mut drafts);
    together::dependencies(&mut drafts);
    problems.extend(together::profile(written, options));

    let chosen = |draft: &Draft| {
        options.only.is_empty()
            || draft
                .name
                .as_ref()
                .is_some_and(|(name, _)| options.only.iter().any(|only| only == name.as_str()))
    };
    problems.extend(together::unknown_only(&drafts, options, written.torn));
    let mut apps = Vec::new();
    let mut all_notes: Vec<Note> = Vec::new();
    let note = |app: Option<String>, span: Option<Span>, what: String| Note {
        app,
        line: span.as_ref().map(|span| written.line(span)),
        span,
        what,
    };
    for (span, what) in &written.notes {
        all_notes.push(note(None, Some(span.clone()), what.clone()));
    }
    for draft in drafts {
        let chosen = chosen(&draft);
        let found = draft.fields.problems.into_iter();
        problems.extend(found.filter(|problem| chosen || !problem.machine));
        if !chosen {
            continue;
        }
        let name = draft.name.as_ref().map(|(name, _)| name.to_string());
        let of_keys = notes::of_keys(draft.fields.app)
            .into_iter()
            .map(|(span, what)| (Some(span), what));
        for (span, what) in draft.fields.notes.into_iter().chain(of_keys) {
            all_notes.push(note(name.clone(), span, what));
        }
        apps.extend(draft.app);
    }
    all_notes.sort_by_key(|note| note.span.as_ref().map_or(usize::MAX, |span| span.start));
    problem::sort(&mut problems);
    problems.dedup();
    Checked {
        notes: if problems.is_empty() {
            all_notes
        } else {
            Vec::new()
        },
        model: problems.is_empty().then(|| Model {
            file: written.path.clone(),
            profile: options.profile.clone(),
            apps,
        }),
        problems,
    }
}

/// Everything of one app that needs no other app. Every key is read, whatever is wrong with the others.
fn draft<'a>(
    written: &'a WrittenApp,
    folder: &Path,
    lookup: &Lookup,
    options: &Options,
    torn: bool,
) -> Draft<'a> {
    let mut fields = Fields::new(written);
    let home = options.home.as_deref();
    let cwd = cwd(&mut fields, folder, home, lookup);
    let base = cwd.as_deref().unwrap_or(folder);
    if written.field("script").is_none() && !torn {
        fields.problems.push(
            Problem::at(&written.span, "an app has no `script`")
                .label("write script = \"…\": the file, program or command line to run"),
        );
    }
    let resolved = match cwd {
        Some(_) => command::resolve(&mut fields, lookup, base, home),
        None => None,
    };
    let name = identity::name(&mut fields, options);
    let mut environment = env::read(&mut fields, options.profile.as_deref());
    let instances = cluster::instances(&mut fields, lookup.host.cpus);
    let mode = cluster::mode(
        &mut fields,
        &instances,
        resolved.as_ref().is_some_and(|r| r.javascript),
    );
    let listen_fds = fields.bool("listen_fds").unwrap_or(false);
    let preload = fields.bool("preload").unwrap_or(true);
    let pmx = fields.bool("pmx").unwrap_or(true);
    let increment_var = env::increment(&mut fields, &environment.env);
    let own_ports = increment_var
        .as_ref()
        .is_some_and(|name| name.as_str() == "PORT");
    let listen = cluster::listen(
        &mut fields,
        mode,
        instances.count,
        listen_fds,
        match own_ports {
            true => Port::Own,
            false => Port::of(environment.port.as_ref()),
        },
        resolved.as_ref().map(|r| &r.command),
    );
    let balance = cluster::balance(&mut fields, &listen);
    let instance_var = match fields.env_name("instance_var") {
        Some((name, _)) => name,
        None => crate::model::EnvName::new(defaults::INSTANCE_VAR).expect("a valid name"),
    };
    if let Some(resolved) = &resolved {
        env::complete(
            &mut environment.env,
            &resolved.command.program,
            &resolved.command.interpreter,
            &resolved.folders,
        );
    }
    let user = identity::account(&mut fields, "user", options, lookup);
    let group = identity::account(&mut fields, "group", options, lookup);
    let namespace =
        identity::label(&mut fields, "namespace").unwrap_or(defaults::NAMESPACE.to_owned());
    let depends_on = fields.texts("depends_on");
    let restart = limits::restart(&mut fields);
    let stop = limits::stop(&mut fields);
    let ready = limits::readiness(&mut fields);
    let memory = limits::memory(&mut fields);
    let schedule = limits::schedule(&mut fields);
    let health = health::read(
        &mut fields,
        &health::Ground {
            listen: &listen,
            listen_fds,
            reuseport: balance == Balance::Reuseport,
            command: resolved.as_ref().map(|r| &r.command),
            port: environment.port.as_ref().map(|(port, _)| port.as_str()),
            own_ports,
            instances: instances.count,
        },
    );
    let autostart = fields.bool("autostart").unwrap_or(true);
    let directives = directives::read(&mut fields);
    let mut logs = logs::read(
        &mut fields,
        base,
        home,
        instances.count == 1 && mode == Mode::Fork,
    );
    logs.namespace = logs::namespace(&mut fields, name.as_ref().map(|(name, _)| name), options);
    let watch = watch::read(&mut fields, base, home, lookup, &logs);
    let app = match (&name, resolved, cwd) {
        (Some((name, _)), Some(resolved), Some(cwd)) => Some(App {
            name: name.clone(),
            namespace,
            command: resolved.command,
            cwd,
            instances: instances.count,
            mode,
            listen: listen.iter().map(|(listen, _)| listen.clone()).collect(),
            balance,
            listen_fds,
            preload,
            pmx,
            env: environment.env,
            instance_var,
            increment_var,
            user,
            group,
            restart,
            stop,
            ready,
            memory,
            health,
            autostart,
            depends_on: Vec::new(),
            directives,
            logs,
            watch,
            schedule,
        }),
        _ => None,
    };
    debug_assert!(
        app.as_ref()
            .is_none_or(|app| app.mode == Mode::Cluster || app.listen.is_empty() || listen_fds)
    );
    Draft {
        fields,
        name,
        depends_on,
        listen,
        app,
    }
}

/// `cwd`, else the file's folder; it must be there. A symlink stays one.
fn cwd(
    fields: &mut Fields,
    folder: &Path,
    home: Option<&Path>,
    lookup: &Lookup,
) -> Option<PathBuf> {
    let Some(field) = fields.field("cwd") else {
        return Some(folder.to_path_buf());
    };
    let (text, span) = fields.text("cwd")?;
    if text.is_empty() {
        fields.bad(field, &field.value, "is not a path");
        return None;
    }
    if text.chars().any(char::is_control) {
        fields.problems.push(
            Problem::at(&span, format!("`cwd` {text:?} has a control character"))
                .label("a unit cannot name such a folder: rename it"),
        );
        return None;
    }
    let path = fields.absolute(&text, &span, folder, home)?;
    let why = match lookup.path(&path) {
        Ok(Found::Directory) => return Some(path),
        Err(_) => return Some(path),
        Ok(Found::Missing) => "is not there".to_owned(),
        Ok(Found::File(_)) => "is a file, not a folder".to_owned(),
        Ok(Found::Other(why)) => why.clone(),
    };
    fields.problems.push(
        Problem::at(&span, format!("`cwd` {text:?} {why}"))
            .label(format!("no folder {}", path.display()))
            .on_this_machine(),
    );
    None
}
