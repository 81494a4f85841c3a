//! What is still to be restarted, while an apply is under way: written before the first change, removed after the last step. It lies in /run: after a
//! reboot everything runs with its new settings anyway.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use super::Places;

fn path(places: &Places) -> PathBuf {
    places.on_disk(&places.run).join("pending")
}

/// None when no apply was interrupted.
pub fn read(places: &Places) -> io::Result<Option<BTreeSet<String>>> {
    match std::fs::read_to_string(path(places)) {
        Ok(text) => Ok(Some(text.lines().map(str::to_owned).collect())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let path = path(places);
            Err(io::Error::new(
                error.kind(),
                format!("{}: {error}", path.display()),
            ))
        }
    }
}

pub fn write<'a>(places: &Places, restart: impl Iterator<Item = &'a String>) -> io::Result<()> {
    let text: String = restart.flat_map(|unit| [unit.as_str(), "\n"]).collect();
    let mut changes = super::write::Changes::default();
    changes.write(path(places), &text, 0o644);
    changes.commit()
}

pub fn clear(places: &Places) -> io::Result<()> {
    match std::fs::remove_file(path(places)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
