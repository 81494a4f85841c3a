//! The count of an instance's failed starts, which its start script (templates/start.sh) keeps in its runtime folder.

use std::io;

use super::Places;

/// Ends the counts of instances that were stopped. systemd does it, but for one that was stopped between two automatic restarts: it runs no `ExecStop=`
/// there, and keeps the folder (seen on 252). Errors name the file.
pub fn forget<'a>(places: &Places, units: impl IntoIterator<Item = &'a String>) -> io::Result<()> {
    let run = places.on_disk(&places.run);
    let instances = units.into_iter().filter(|unit| unit.contains('@'));
    for instance in instances.filter_map(|unit| unit.strip_suffix(".service")) {
        let file = run.join(instance).join("starts");
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let words = format!("{}: {error}", file.display());
                return Err(io::Error::new(error.kind(), words));
            }
            _ => {}
        }
    }
    Ok(())
}
