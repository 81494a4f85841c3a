//! `rpmctl flush`: the log files empty, and `rpmctl logs` from now on.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::args::FlushArgs;
use super::report::{self, Stop};
use super::{control, machine, out};
use crate::apply::observe;
use crate::apply::target::Selected;
use crate::journal::{read, vacuum};
use crate::model::Bytes;
use crate::systemd::{Bus, Job, Manager, Verb};
use crate::unit_files::{Places, flushed};
use crate::units::AppUnits;
use crate::watch::logs::{place, state};

/// Waits for no other rpmctl: a full disk may be what holds that up.
pub async fn run(args: FlushArgs, user: bool) -> anyhow::Result<ExitCode> {
    let places = machine::places(user)?;
    let apps = observe::apps(&places)?.apps();
    let all = ["all".to_owned()];
    let targets = match args.targets.as_slice() {
        [] => &all,
        targets => targets,
    };
    let selected = if apps.is_empty() && args.targets.is_empty() {
        vec![]
    } else {
        control::select(&apps, targets)?
    };
    // What was written up to now is stored before now.
    let namespaces: BTreeSet<&str> = selected
        .iter()
        .filter_map(|one| one.facts.logs.namespace.as_deref())
        .collect();
    if !selected.is_empty() {
        read::sync_all(namespaces).await;
    }
    let now = flushed::now();
    let mark = || {
        selected.iter().try_for_each(|one| {
            let mut marks = flushed::read(&places, &one.facts.app);
            marks.flush(one.instances.as_deref(), now);
            flushed::write(&places, &one.facts.app, &marks)
        })
    };
    // Before the files, or the watcher would still write lines from before; after them where the disk is full.
    let marked = mark();
    let mut files = emptied(&places, &selected)?;
    if marked.is_err() {
        mark()?;
    }
    let mut shown: Vec<Shown> = selected.iter().map(Shown::of).collect();
    for one in &mut shown {
        one.files = files.remove(&one.app).unwrap_or_default();
    }
    let mut failed = shown
        .iter()
        .flat_map(|one| &one.files)
        .any(|file| file.done.is_err());
    for (one, shown) in selected.iter().zip(&mut shown) {
        if one.instances.is_some() && one.facts.logs.any() && own_files(one).is_empty() {
            let app = &one.facts.app;
            shown.notes.push(format!("its files have the lines of all instances and stay: rpmctl flush {app} empties them"));
        }
    }
    if args.vacuum {
        for (one, shown) in selected.iter().zip(&mut shown) {
            let Err(why) = whole_journal(one, &selected, &apps, user) else {
                continue;
            };
            shown.notes.push(format!("--vacuum: {why}"));
        }
        for (namespace, members) in journals(&selected, &apps, user) {
            let done = empty(namespace).await;
            failed |= done.is_err();
            for shown in shown.iter_mut().filter(|one| members.contains(&one.app)) {
                match &done {
                    Ok(()) => shown.vacuumed = Some(namespace.to_owned()),
                    Err(error) => shown.notes.push(format!("--vacuum: {error:#}")),
                }
            }
        }
    }
    if args.json {
        let apps: Vec<_> = shown.iter().map(|one| one.json(now)).collect();
        let all = json!({ "changed": !shown.is_empty(), "apps": apps });
        out::line(&all.to_string())?;
    } else if shown.is_empty() {
        out::line("nothing to do: there are no apps")?;
    } else {
        for one in &shown {
            out::line(&one.text())?;
            for file in &one.files {
                if let Err(why) = &file.done {
                    let path = file.path.display();
                    out::say(&format!("error: {}: {path} is not empty: {why}", one.app));
                }
            }
            for note in &one.notes {
                out::say(&format!("note: {}: {note}", one.app));
            }
        }
    }
    Ok(match failed {
        true => ExitCode::from(report::FAILED),
        false => ExitCode::SUCCESS,
    })
}

/// The files of these instances alone.
fn own_files(one: &Selected<'_>) -> BTreeSet<PathBuf> {
    let of = |index: u32| {
        let files = place::files(&one.facts.logs, index).into_iter();
        files.map(|(_, path)| path)
    };
    let some = one.instances.as_deref().unwrap_or_default();
    let others = (0..one.facts.instances).filter(|index| !some.contains(index));
    let others: BTreeSet<PathBuf> = others.flat_map(of).collect();
    let own = some.iter().copied().flat_map(of);
    own.filter(|path| !others.contains(path)).collect()
}

/// Empties the files that the watcher writes; what became of them, by app. Those that are not there are none.
fn emptied(
    places: &Places,
    selected: &[Selected<'_>],
) -> anyhow::Result<BTreeMap<String, Vec<Emptied>>> {
    let mut files: BTreeMap<String, Vec<Emptied>> = BTreeMap::new();
    if !selected.iter().any(|one| one.facts.logs.any()) {
        return Ok(files);
    }
    let whose: RefCell<BTreeMap<PathBuf, String>> = RefCell::default();
    let wanted = |app: &str, path: &Path| {
        let is_it = |one: &&Selected<'_>| one.facts.app.as_str() == app;
        let wanted = selected
            .iter()
            .find(is_it)
            .is_some_and(|one| one.instances.is_none() || own_files(one).contains(path));
        if wanted {
            whose.borrow_mut().insert(path.to_owned(), app.to_owned());
        }
        wanted
    };
    let done = state::flush(places, wanted)?;
    let mut whose = whose.into_inner();
    for (path, done) in done {
        let gone = matches!(&done, Err(why) if why == "no such file or directory");
        if !gone && let Some(app) = whose.remove(&path) {
            files.entry(app).or_default().push(Emptied { path, done });
        }
    }
    Ok(files)
}

struct Emptied {
    path: PathBuf,
    /// How many bytes it had, or why it has them still.
    done: Result<u64, String>,
}

/// What was done for an app.
struct Shown {
    app: String,
    instances: Option<Vec<u32>>,
    files: Vec<Emptied>,
    /// The journal namespace that is empty now.
    vacuumed: Option<String>,
    notes: Vec<String>,
}

impl Shown {
    fn of(one: &Selected<'_>) -> Shown {
        Shown {
            app: one.facts.app.to_string(),
            instances: one.instances.clone(),
            files: vec![],
            vacuumed: None,
            notes: vec![],
        }
    }

    fn text(&self) -> String {
        let whose = match &self.instances {
            None => self.app.clone(),
            Some(some) => {
                let some: Vec<String> = some
                    .iter()
                    .map(|index| format!("{}@{index}", self.app))
                    .collect();
                some.join(" ")
            }
        };
        let mut done = Vec::new();
        let sizes: Vec<u64> = self
            .files
            .iter()
            .filter_map(|file| file.done.clone().ok())
            .collect();
        let bytes = Bytes(sizes.iter().sum());
        match sizes.len() {
            0 => {}
            1 => done.push(format!("1 file, {bytes}")),
            many => done.push(format!("{many} files, {bytes}")),
        }
        if let Some(namespace) = &self.vacuumed {
            done.push(format!("journal {namespace} emptied"));
        }
        match done.is_empty() {
            true => format!("flushed   {whose}"),
            false => format!("flushed   {whose}: {}", done.join("; ")),
        }
    }

    /// `name`, `instances` (null for all), `since_us` (microseconds since the epoch: `logs` begins after it), `vacuumed` (the journal namespace that was
    /// emptied, or null), `files` (each with `path`, `bytes` that it had, and `error`, else null), `notes`.
    fn json(&self, now: u64) -> serde_json::Value {
        json!({
            "name": self.app,
            "instances": self.instances,
            "since_us": now,
            "vacuumed": self.vacuumed,
            "files": self.files.iter().map(|file| json!({
                "path": file.path,
                "bytes": file.done.as_ref().ok(),
                "error": file.done.as_ref().err(),
            })).collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }
}

/// Errors: why the journal of this app cannot be emptied.
fn whole_journal(
    one: &Selected<'_>,
    selected: &[Selected<'_>],
    apps: &BTreeMap<String, AppUnits>,
    user: bool,
) -> Result<(), String> {
    let Some(namespace) = &one.facts.logs.namespace else {
        return Err(match user {
            true => "its lines are in the machine's journal, which stays: a user's services have no journal of their own".to_owned(),
            false => "its lines are in the machine's journal, which stays: log_namespace = true gives an app its own; SystemMaxUse= in journald.conf(5) limits the machine's".to_owned(),
        });
    };
    let whole = |name: &str| {
        selected
            .iter()
            .any(|one| one.facts.app.as_str() == name && one.instances.is_none())
    };
    let others: Vec<&str> = apps
        .values()
        .filter(|app| app.facts.logs.namespace.as_ref() == Some(namespace))
        .map(|app| app.facts.app.as_str())
        .filter(|name| !whole(name) && *name != one.facts.app.as_str())
        .collect();
    if !others.is_empty() {
        let others = others.join(", ");
        return Err(format!(
            "its journal {namespace} stays, for it is that of {others} as well: flush all of them"
        ));
    }
    match &one.instances {
        None => Ok(()),
        Some(_) => Err(format!(
            "its journal {namespace} stays, for it is that of all instances: flush {}",
            one.facts.app
        )),
    }
}

/// Each namespace that can be emptied, with the names of its apps.
fn journals<'a>(
    selected: &'a [Selected<'a>],
    apps: &BTreeMap<String, AppUnits>,
    user: bool,
) -> BTreeMap<&'a str, Vec<String>> {
    let mut journals: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for one in selected {
        if let Some(namespace) = &one.facts.logs.namespace
            && whole_journal(one, selected, apps, user).is_ok()
        {
            let members = journals.entry(namespace).or_default();
            members.push(one.facts.app.to_string());
        }
    }
    journals
}

/// Only its journald can close the file that it writes, and it ends when nobody has written for a while.
async fn empty(namespace: &str) -> anyhow::Result<()> {
    if !vacuum::is_there(namespace) {
        return Ok(());
    }
    let unit = format!("systemd-journald@{namespace}.service");
    let manager = Manager::connect(Bus::System).await?;
    let start = [Job::new(Verb::Start, unit)];
    let results = manager.run_jobs(&start, vacuum::PATIENCE, |_| {}).await?;
    if let Some(problem) = results.iter().find_map(|result| result.problem()) {
        return Err(Stop::new(problem).into());
    }
    vacuum::all(namespace).await
}
