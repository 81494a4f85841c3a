//! Whose a program is.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The program, or the folder above it, that others than root may write to (a group counts as root's own, as Debian's `staff` of /usr/local does); `None`
/// when there is none, or the program cannot be looked at.
pub fn others_may_replace(program: &Path) -> Option<PathBuf> {
    let program = program.canonicalize().ok()?;
    program
        .ancestors()
        .find(|path| {
            path.metadata().is_ok_and(|of| {
                // Who may write to a folder with the sticky bit may not replace another's file.
                let open_to_all = of.mode() & 0o002 != 0 && of.mode() & 0o1000 == 0;
                of.uid() != 0 || open_to_all
            })
        })
        .map(Path::to_owned)
}

/// The program, or the folder above it, that keeps users who are neither its owner nor of its group from running it.
pub fn others_may_not_run(program: &Path) -> Option<PathBuf> {
    let program = program.canonicalize().ok()?;
    let closed = |path: &&Path| path.metadata().is_ok_and(|of| of.mode() & 0o001 == 0);
    program.ancestors().find(closed).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn of_root_and_of_others() {
        assert_eq!(others_may_replace(Path::new("/usr/bin/env")), None);
        assert_eq!(others_may_replace(Path::new("/is/not/there")), None);
        assert_eq!(others_may_not_run(Path::new("/usr/bin/env")), None);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rpmctl");
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o777)).unwrap();
        let real = file.canonicalize().unwrap();
        assert_eq!(others_may_replace(&file), Some(real.clone()));
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o700)).unwrap();
        assert_eq!(others_may_not_run(&file).as_deref(), real.parent());
    }
}
