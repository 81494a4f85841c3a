//! What is on disk: units of ours, units of others that carry a wanted name, environment files, links.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::Places;

/// Units in our folder that are ours by name and text (`is_ours`), by name.
pub fn units(
    places: &Places,
    is_ours: impl Fn(&str, &str) -> bool,
) -> io::Result<BTreeMap<String, String>> {
    let folder = places.on_disk(&places.units);
    let mut found = BTreeMap::new();
    for entry in entries(&folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let unit = [".service", ".socket", ".target", ".timer"]
            .iter()
            .any(|ending| name.ends_with(ending));
        if !unit || !entry.file_type()?.is_file() {
            continue;
        }
        // A file that vanishes or is not text is not ours.
        if let Ok(text) = std::fs::read_to_string(entry.path())
            && is_ours(&name, &text)
        {
            found.insert(name, text);
        }
    }
    Ok(found)
}

/// Gives each target in our folder to `look`, with its name; one that vanishes or is not text is left out.
pub fn targets(places: &Places, mut look: impl FnMut(&str, &str)) -> io::Result<()> {
    let mut text = String::new();
    for entry in entries(&places.on_disk(&places.units))? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if !name.ends_with(".target") || !entry.file_type()?.is_file() {
            continue;
        }
        text.clear();
        let read = std::fs::File::open(entry.path())
            .and_then(|mut file| io::Read::read_to_string(&mut file, &mut text));
        if read.is_ok() {
            look(&name, &text);
        }
    }
    Ok(())
}

/// Environment files by name. A folder that is not there has none.
pub fn env(places: &Places) -> io::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for entry in entries(&places.on_disk(&places.env))? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && name.ends_with(".env")
            && !name.starts_with('.')
        {
            let text = text_of(&entry.path())?;
            found.insert(name, text);
        }
    }
    Ok(found)
}

/// Links in `*.wants` and `*.requires` folders to units of ours: folder and unit.
pub fn links(
    places: &Places,
    ours: &BTreeMap<String, String>,
) -> io::Result<BTreeSet<(String, String)>> {
    let mut found = BTreeSet::new();
    for entry in entries(&places.on_disk(&places.units))? {
        let entry = entry?;
        let Ok(folder) = entry.file_name().into_string() else {
            continue;
        };
        if !(folder.ends_with(".wants") || folder.ends_with(".requires")) {
            continue;
        }
        for link in entries(&entry.path())? {
            if let Ok(unit) = link?.file_name().into_string()
                && ours.contains_key(&unit)
            {
                found.insert((folder.clone(), unit));
            }
        }
    }
    Ok(found)
}

/// Of the wanted names, and of the instances of templates of ours, those that another's file holds, with that file.
pub fn foreign(
    places: &Places,
    wanted: &BTreeSet<String>,
    ours: &BTreeMap<String, String>,
) -> io::Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let own = places.units.clone();
    for folder in std::iter::once(&own).chain(&places.search) {
        let folder = places.on_disk(folder);
        for entry in entries(&folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let mine = folder == places.on_disk(&own) && ours.contains_key(&name);
            if !mine && (wanted.contains(&name) || of_template(&name, ours)) {
                found.entry(name).or_insert_with(|| entry.path());
            }
        }
    }
    Ok(found)
}

/// The unit of this name, which may be there in several folders of the manager's.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Ours, in our folder.
    pub own: Option<String>,
    /// Ours, in another folder: the one that wins, by the path that the manager has for it.
    pub elsewhere: Option<(PathBuf, String)>,
    /// Not ours, in any.
    pub foreign: Option<PathBuf>,
}

/// Looks for it in every folder; `is_ours` by its text.
pub fn named(places: &Places, name: &str, is_ours: impl Fn(&str) -> bool) -> Named {
    let mut found = Named::default();
    let mut seen: Vec<PathBuf> = Vec::new();
    for folder in std::iter::once(&places.units).chain(&places.search) {
        let path = folder.join(name);
        let on_disk = places.on_disk(&path);
        // Where /lib is a link to /usr/lib, both have it.
        let Ok(real) = on_disk.canonicalize() else {
            continue;
        };
        if seen.contains(&real) {
            continue;
        }
        seen.push(real);
        match std::fs::read_to_string(&on_disk) {
            Ok(text) if !is_ours(&text) => {
                found.foreign.get_or_insert(path);
            }
            Ok(text) if *folder == places.units => found.own = Some(text),
            Ok(text) => {
                found.elsewhere.get_or_insert((path, text));
            }
            Err(_) => {
                found.foreign.get_or_insert(path);
            }
        }
    }
    found
}

/// Whether without its file it would be an instance of one of these: `api@x.service` of `api@.service`.
fn of_template(name: &str, units: &BTreeMap<String, String>) -> bool {
    name.split_once('@').is_some_and(|(stem, instance)| {
        instance.ends_with(".service") && units.contains_key(&format!("{stem}@.service"))
    })
}

/// Templates of the site by name; hidden files and what editors leave beside them (`app.target~`) are none. Errors name the file.
pub fn templates(places: &Places) -> io::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for entry in entries(&places.on_disk(&places.templates))? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        let text = text_of(&entry.path())?;
        found.insert(name, text);
    }
    Ok(found)
}

fn text_of(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// The entries of a folder; none when it is not there.
fn entries(folder: &Path) -> io::Result<Box<dyn Iterator<Item = io::Result<std::fs::DirEntry>>>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => Ok(Box::new(entries)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(Box::new(std::iter::empty()))
        }
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("{}: {error}", folder.display()),
        )),
    }
}
