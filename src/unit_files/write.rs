//! Files change all together or not at all: everything is written beside its place first, then renamed; a rename that fails takes the earlier ones
//! back.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tempfile::NamedTempFile;

/// Prefix of files that are not in their place yet; neither systemd nor we read them.
const STAGED: &str = ".rpmctl-";

/// Changes to files and links, carried out by [`Changes::commit`], or in two steps by [`Changes::stage`] and [`Staged::commit`].
#[derive(Default)]
pub struct Changes {
    writes: Vec<NewFile>,
    removes: Vec<PathBuf>,
    links: Vec<(PathBuf, PathBuf)>,
}

struct NewFile {
    path: PathBuf,
    text: String,
    mode: u32,
}

impl Changes {
    pub fn write(&mut self, path: PathBuf, text: &str, mode: u32) {
        self.writes.push(NewFile {
            path,
            text: text.to_owned(),
            mode,
        });
    }

    /// Removals follow each other in the order of these calls.
    pub fn remove(&mut self, path: PathBuf) {
        self.removes.push(path);
    }

    /// Removes a link, before any file goes.
    pub fn unlink(&mut self, path: PathBuf) {
        self.removes.insert(0, path);
    }

    /// A symbolic link at `path`.
    pub fn link(&mut self, path: PathBuf, to: PathBuf) {
        self.links.push((path, to));
    }

    /// Errors name the file; then nothing has changed.
    pub fn commit(self) -> io::Result<()> {
        self.stage()?.commit()
    }

    /// Writes everything beside its place, and finds out whether links and removals are possible: what is left to do hardly fails. Nothing has changed
    /// yet. Errors name the file.
    pub fn stage(self) -> io::Result<Staged> {
        let mut files = Vec::new();
        for write in &self.writes {
            files.push(stage(write).map_err(|error| named(&write.path, error))?);
        }
        for path in self
            .removes
            .iter()
            .chain(self.links.iter().map(|(path, _)| path))
        {
            if let Some(folder) = path.parent().filter(|folder| folder.is_dir()) {
                writable(folder)?;
            }
        }
        // One call for all: a machine that loses power must not find a renamed file without its text.
        if let Some((file, _)) = files.first() {
            rustix::fs::syncfs(file.as_file())?;
        }
        Ok(Staged {
            files,
            changes: self,
        })
    }

    fn rename(
        &self,
        staged: Vec<(NamedTempFile, PathBuf)>,
        undo: &mut Vec<Undo>,
    ) -> io::Result<()> {
        for (file, path) in staged {
            let before = fs::read(&path).ok().map(|text| (text, mode_of(&path)));
            file.persist(&path)
                .map_err(|error| named(&path, error.error))?;
            undo.push(Undo::File(path, before));
        }
        for (path, to) in &self.links {
            make_folder(path, 0o755)?;
            let before = fs::read_link(path).ok();
            if before.is_some() {
                fs::remove_file(path).map_err(|error| named(path, error))?;
            }
            std::os::unix::fs::symlink(to, path).map_err(|error| named(path, error))?;
            undo.push(Undo::Link(path.clone(), before));
        }
        for path in &self.removes {
            let link = fs::read_link(path).ok();
            let before = fs::read(path).ok().map(|text| (text, mode_of(path)));
            match fs::remove_file(path) {
                Ok(()) => undo.push(match link {
                    Some(to) => Undo::Link(path.clone(), Some(to)),
                    None => Undo::File(path.clone(), before),
                }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(named(path, error)),
            }
            // The `.wants` folder of a unit that nothing wants any more; not empty is fine.
            if path.parent().is_some_and(|folder| {
                folder
                    .extension()
                    .is_some_and(|ending| ending == "wants" || ending == "requires")
            }) && let Some(folder) = path.parent()
            {
                let _ = fs::remove_dir(folder);
            }
        }
        Ok(())
    }
}

/// Changes of which nothing is to be seen yet; dropped, they leave nothing.
pub struct Staged {
    files: Vec<(NamedTempFile, PathBuf)>,
    changes: Changes,
}

impl Staged {
    /// Errors name the file; then nothing has changed.
    pub fn commit(self) -> io::Result<()> {
        let mut undo = Vec::new();
        let result = self.changes.rename(self.files, &mut undo);
        if result.is_err() {
            for step in undo.into_iter().rev() {
                step.take_back();
            }
        }
        result
    }
}

/// Without a name where the file system can, so that nothing stays when this process is killed. Errors name the folder: read-only, full, not ours.
pub fn writable(folder: &Path) -> io::Result<()> {
    let probe = tempfile::tempfile_in(folder);
    probe.map(drop).map_err(|error| named(folder, error))
}

enum Undo {
    /// What was there before, and its mode.
    File(PathBuf, Option<(Vec<u8>, u32)>),
    Link(PathBuf, Option<PathBuf>),
}

impl Undo {
    /// Best effort: the error that made it necessary is what the user hears of.
    fn take_back(self) {
        match self {
            Undo::File(path, Some((text, mode))) => {
                if fs::write(&path, text).is_ok() {
                    let _ = fs::set_permissions(&path, Permissions::from_mode(mode));
                }
            }
            Undo::Link(path, Some(to)) => {
                let _ = fs::remove_file(&path);
                let _ = std::os::unix::fs::symlink(to, &path);
            }
            Undo::File(path, None) | Undo::Link(path, None) => {
                let _ = fs::remove_file(path);
            }
        }
    }
}

fn stage(write: &NewFile) -> io::Result<(NamedTempFile, PathBuf)> {
    make_folder(
        &write.path,
        if write.mode & 0o077 == 0 {
            0o700
        } else {
            0o755
        },
    )?;
    let folder = write.path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::Builder::new()
        .prefix(STAGED)
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(folder)?;
    // Held until it is renamed, or this process is gone.
    flock(file.as_file(), FlockOperation::LockExclusive)?;
    file.write_all(write.text.as_bytes())?;
    file.as_file()
        .set_permissions(Permissions::from_mode(write.mode))?;
    Ok((file, write.path.clone()))
}

fn make_folder(file: &Path, mode: u32) -> io::Result<()> {
    let Some(folder) = file.parent() else {
        return Ok(());
    };
    if folder.is_dir() {
        return Ok(());
    }
    // Only the last folder is private; the way to it is as usual.
    if let Some(above) = folder.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(above)?;
    }
    match fs::DirBuilder::new().mode(mode).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(named(folder, error)),
        _ => Ok(()),
    }
}

/// Removes what a killed apply left beside its place; not what another rpmctl is about to rename, which holds a lock on it: foreground runs share a folder.
pub fn clean(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(STAGED.as_bytes()) && is_abandoned(&entry.path()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// What [`clean`] would remove, of the folder alone; where this user may not tell, nothing.
pub fn abandoned(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_staged = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        name.starts_with(STAGED.as_bytes()) && is_abandoned(path)
    };
    entries
        .map(|entry| entry.path())
        .filter(is_staged)
        .collect()
}

fn is_abandoned(path: &Path) -> bool {
    fs::File::open(path)
        .is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok())
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).map_or(0o600, |meta| meta.permissions().mode() & 0o7777)
}

fn named(path: &Path, error: io::Error) -> io::Error {
    // Without the name of the temporary file, which says nothing to anyone.
    let words = error.to_string();
    let words = words.split(" at path \"").next().unwrap_or_default();
    io::Error::new(error.kind(), format!("{}: {words}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn modes_links_and_removal() {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        let mut changes = Changes::default();
        changes.write(at("units/a.target"), "x", 0o644);
        changes.write(at("env/a.env"), "S=1", 0o600);
        changes.link(at("units/m.wants/a.target"), at("units/a.target"));
        changes.commit().unwrap();
        assert_eq!(mode_of(&at("units/a.target")), 0o644);
        assert_eq!(mode_of(&at("env/a.env")), 0o600);
        assert_eq!(mode_of(&at("env")), 0o700);
        assert_eq!(
            fs::read_to_string(at("units/m.wants/a.target")).unwrap(),
            "x"
        );

        let mut changes = Changes::default();
        changes.remove(at("units/m.wants/a.target"));
        changes.remove(at("env/a.env"));
        changes.commit().unwrap();
        assert!(!at("units/m.wants").exists() && !at("env/a.env").exists());
        assert!(at("units/a.target").exists());
    }

    #[test]
    fn a_failure_takes_everything_back() {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a"), "old").unwrap();
        fs::create_dir(at("c")).unwrap();
        let mut changes = Changes::default();
        changes.write(at("a"), "new", 0o644);
        changes.write(at("b"), "new", 0o644);
        changes.write(at("c"), "a folder is in the way", 0o644);
        let error = changes.commit().unwrap_err().to_string();
        assert!(error.starts_with(&at("c").display().to_string()), "{error}");
        assert_eq!(fs::read_to_string(at("a")).unwrap(), "old");
        assert!(!at("b").exists());
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }

    #[test]
    fn what_a_dead_process_staged_is_swept_and_what_a_living_one_staged_stays() {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        fs::write(at(".rpmctl-dead"), "").unwrap();
        let mut changes = Changes::default();
        changes.write(at("a"), "new", 0o644);
        let staged = changes.stage().unwrap();
        clean(folder.path());
        assert!(!at(".rpmctl-dead").exists());
        staged.commit().unwrap();
        assert_eq!(fs::read_to_string(at("a")).unwrap(), "new");
    }
}
