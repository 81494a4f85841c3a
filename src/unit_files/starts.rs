//! The count of an instance's failed starts and the wait before its next one, which its scripts (templates/start.sh, backoff.sh) keep in its runtime folder.

use std::io;

use super::Places;

/// How the last run of an instance ended that waits for its next start, as its scripts were told (systemd.exec(5)): `$SERVICE_RESULT`, `$EXIT_CODE`,
/// `$EXIT_STATUS`. systemd itself has forgotten it by then.
pub fn last_end(places: &Places, unit: &str) -> Option<[String; 3]> {
    let instance = unit.strip_suffix(".service")?;
    let file = places.on_disk(&places.run).join(instance).join("wait");
    let text = std::fs::read_to_string(file).ok()?;
    let mut words = text.split_ascii_whitespace().skip(3).map(str::to_owned);
    Some([words.next()?, words.next()?, words.next()?])
}

/// Ends both for instances that were stopped. systemd does it, but for one that was stopped between two automatic restarts: it runs no `ExecStop=`
/// there, and keeps the folder (seen on 252). Errors name the file.
pub fn forget<'a>(places: &Places, units: impl IntoIterator<Item = &'a String>) -> io::Result<()> {
    let run = places.on_disk(&places.run);
    let instances = units.into_iter().filter(|unit| unit.contains('@'));
    for instance in instances.filter_map(|unit| unit.strip_suffix(".service")) {
        for file in ["starts", "wait"] {
            let file = run.join(instance).join(file);
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    let words = format!("{}: {error}", file.display());
                    return Err(io::Error::new(error.kind(), words));
                }
                _ => {}
            }
        }
    }
    Ok(())
}
