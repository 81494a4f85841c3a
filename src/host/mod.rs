//! What this machine has: files, programs on PATH, users, processors.

pub mod accounts;
pub mod elf;
pub mod owner;
mod program;

use std::ffi::OsStr;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use crate::model::host::{Found, Host, Program, Questions};

/// What is known before any question: processors as affinity and the cgroup's quota leave them, and whether this runs as root.
pub fn this_machine() -> Host {
    Host {
        cpus: std::thread::available_parallelism().map_or(1, NonZero::get) as u32,
        root: rustix::process::geteuid().is_root(),
        ..Host::default()
    }
}

/// Looks the questions up and adds the answers; `path` is the PATH to look for programs on. Files are only looked at, nothing is run but getent(1),
/// once for all users and once for all groups. Errors: getent(1) is missing or fails.
pub fn answer(questions: &Questions, path: &OsStr, host: &mut Host) -> anyhow::Result<()> {
    for asked in &questions.paths {
        host.paths.insert(asked.clone(), look(asked));
    }
    for name in &questions.programs {
        host.programs.insert(name.clone(), on_path(name, path));
    }
    host.users
        .extend(accounts::known("passwd", &questions.users)?);
    host.groups
        .extend(accounts::known("group", &questions.groups)?);
    Ok(())
}

fn look(path: &Path) -> Found {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => {
            use std::io::ErrorKind::{NotADirectory, NotFound};
            return match error.kind() {
                NotFound | NotADirectory if path.symlink_metadata().is_ok() => {
                    Found::Other("is a symlink to nothing".into())
                }
                NotFound | NotADirectory => Found::Missing,
                _ => Found::Other(format!("cannot be looked at ({})", error.kind())),
            };
        }
    };
    if metadata.is_dir() {
        return Found::Directory;
    }
    if !metadata.is_file() {
        return Found::Other("is neither a file nor a folder".into());
    }
    match program::read(path, &metadata) {
        Ok(program) => Found::File(program),
        Err(error) => Found::Other(format!("cannot be read ({})", error.kind())),
    }
}

/// The first executable file of that name, as a shell finds it; relative parts of PATH are passed over, because services run elsewhere.
fn on_path(name: &str, path: &OsStr) -> Option<Program> {
    if name.is_empty() || name.contains(['/', '\0']) {
        return None;
    }
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder: PathBuf| folder.join(name))
        .find_map(|candidate| match look(&candidate) {
            Found::File(program) if program.executable => Some(program),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::host::Kind;

    #[test]
    fn programs_and_accounts_of_this_machine() {
        let mut host = this_machine();
        assert!(host.cpus >= 1);
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("run");
        std::fs::write(&script, "#!/usr/bin/env  -S node --x\nhello\n").unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("dangling")).unwrap();
        let questions = Questions {
            paths: vec![
                script.clone(),
                folder.path().join("none"),
                folder.path().to_path_buf(),
                folder.path().join("dangling"),
                "/dev/null".into(),
            ],
            programs: vec!["sh".into(), "no-such-program".into(), "run".into()],
            users: vec!["root".into(), "0".into(), "no-such-user".into()],
            groups: vec!["root".into(), "no-such-group".into()],
        };
        let mut path = folder.path().as_os_str().to_owned();
        path.push(":bin:/usr/bin:/bin");
        answer(&questions, &path, &mut host).unwrap();
        let Found::File(program) = &host.paths[&script] else {
            panic!("{:?}", host.paths[&script])
        };
        assert!(!program.executable);
        assert_eq!(
            program.kind,
            Kind::Script(
                ["/usr/bin/env", "-S", "node", "--x"]
                    .map(String::from)
                    .to_vec()
            )
        );
        assert_eq!(host.paths[&folder.path().join("none")], Found::Missing);
        assert_eq!(host.paths[folder.path()], Found::Directory);
        assert!(matches!(
            host.paths[&folder.path().join("dangling")],
            Found::Other(_)
        ));
        assert!(matches!(
            host.paths[Path::new("/dev/null")],
            Found::Other(_)
        ));
        let sh = host.programs["sh"].as_ref().unwrap();
        assert_eq!((sh.executable, &sh.kind), (true, &Kind::Dynamic));
        assert_eq!(host.programs["no-such-program"], None);
        assert_eq!(host.programs["run"], None);
        assert!(host.users["root"] && host.users["0"] && !host.users["no-such-user"]);
        assert!(host.groups["root"] && !host.groups["no-such-group"]);
    }
}
