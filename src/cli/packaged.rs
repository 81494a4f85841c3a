//! `rpmctl __packaged-units`: what a package of rpmctl brings for systemd; called by packaging/build alone.

use std::path::Path;
use std::process::ExitCode;

use super::metrics::LISTEN;
use super::out;
use super::report::Stop;
use crate::model::Listen;
use crate::unit_files::write::Changes;
use crate::units::packaged;

/// Below `folder`, which stands for /usr/lib/systemd. Errors: it cannot be written.
pub fn run(folder: &Path) -> anyhow::Result<ExitCode> {
    let listen = Listen::parse(LISTEN).map_err(anyhow::Error::msg)?;
    let mut changes = Changes::default();
    let mut files = Vec::new();
    for (below, unit) in packaged::units(&listen).map_err(Stop::new)? {
        let file = folder.join(below).join(&unit.name);
        changes.write(file.clone(), &unit.text, 0o644);
        files.push(file);
    }
    changes.commit()?;
    for file in files {
        out::line(&file.display().to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}
