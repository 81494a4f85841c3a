//! Unfinished work: written before the first change of an apply, removed after its last step unless something is left to restart. It lies in /run: after a
//! reboot everything runs with its new settings anyway.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use super::Places;

/// A line of its own beside the units, which all have an ending.
const RELOAD: &str = "daemon-reload";

/// What is left to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unfinished {
    pub restart: BTreeSet<String>,
    /// The manager may not have read the changed units.
    pub reload: bool,
}

fn path(places: &Places) -> PathBuf {
    places.on_disk(&places.run).join("pending")
}

/// None when nothing is left. Errors name the file.
pub fn read(places: &Places) -> io::Result<Option<Unfinished>> {
    let path = path(places);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let mut restart: BTreeSet<String> = text.lines().map(str::to_owned).collect();
            let reload = restart.remove(RELOAD);
            Ok(Some(Unfinished { restart, reload }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("{}: {error}", path.display()),
        )),
    }
}

/// Nothing left is no file.
pub fn write(places: &Places, left: &Unfinished) -> io::Result<()> {
    if *left == Unfinished::default() {
        return clear(places);
    }
    let reload = left.reload.then_some(RELOAD);
    let text: String = left
        .restart
        .iter()
        .map(String::as_str)
        .chain(reload)
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut changes = super::write::Changes::default();
    changes.write(path(places), &text, 0o644);
    changes.commit()
}

/// Those of which `done` holds have been restarted: nothing is owed to them any more, if systemd has read their units. Reloads of several apps may come
/// here at once. What a guest restarts is restarted once more by the next apply.
pub fn paid(places: &Places, done: impl Fn(&str) -> bool) -> io::Result<()> {
    if places.is_guest() {
        return Ok(());
    }
    let alone = super::lock::lock_file(&path(places).with_extension("lock"))?;
    if let Some(mut left) = read(places)?.filter(|left| !left.reload) {
        left.restart.retain(|unit| !done(unit));
        write(places, &left)?;
    }
    drop(alone);
    Ok(())
}

fn clear(places: &Places) -> io::Result<()> {
    match std::fs::remove_file(path(places)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_comes_back() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::system().below(root.path().into());
        assert_eq!(read(&places).unwrap(), None);
        for reload in [true, false] {
            let left = Unfinished {
                restart: ["api@0.service".to_owned()].into(),
                reload,
            };
            write(&places, &left).unwrap();
            assert_eq!(read(&places).unwrap(), Some(left));
        }
        write(&places, &Unfinished::default()).unwrap();
        assert_eq!(read(&places).unwrap(), None);
    }
}
