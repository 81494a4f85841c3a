//! Reloads for changed files that are not over yet: `asked/STEM` beside the lock, so that a watcher that was killed or updated meanwhile goes on with them.
//! They lie in /run: after a boot everything runs with its new files anyway.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::Places;
use super::write::Changes;
use crate::model::Name;

/// Instances of this app that were started before `at` are to be restarted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub app: Name,
    pub at: SystemTime,
    /// The first file that changed, and how many did.
    pub path: PathBuf,
    pub count: u32,
}

#[derive(Serialize, Deserialize)]
struct Written {
    app: String,
    /// Microseconds since the epoch.
    at: u64,
    path: String,
    count: u32,
}

fn folder(places: &Places) -> PathBuf {
    places.on_disk(&places.run).join("asked")
}

/// In the place of an earlier one, whole or not at all. Errors name the file.
pub fn note(places: &Places, asked: &Asked) -> io::Result<()> {
    let since = asked.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let written = Written {
        app: asked.app.to_string(),
        at: u64::try_from(since.as_micros()).unwrap_or(u64::MAX),
        path: asked.path.to_string_lossy().into_owned(),
        count: asked.count,
    };
    let mut changes = Changes::default();
    let text = serde_json::to_string(&written)? + "\n";
    changes.write(folder(places).join(asked.app.stem()), &text, 0o600);
    changes.commit()
}

/// Those that are not over. What is no such file is passed over.
pub fn read(places: &Places) -> Vec<Asked> {
    let entries = std::fs::read_dir(folder(places)).into_iter().flatten();
    let read = |path: PathBuf| {
        let written: Written = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        Some(Asked {
            app: Name::new(&written.app).ok()?,
            at: UNIX_EPOCH + Duration::from_micros(written.at),
            path: written.path.into(),
            count: written.count,
        })
    };
    let is_staged = |path: &PathBuf| {
        path.file_name()
            .is_none_or(|name| name.to_string_lossy().starts_with('.'))
    };
    let paths = entries.flatten().map(|entry| entry.path());
    paths
        .filter(|path| !is_staged(path))
        .filter_map(read)
        .collect()
}

/// It is over. Errors name the file.
pub fn forget(places: &Places, app: &Name) -> io::Result<()> {
    let path = folder(places).join(app.stem());
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let words = format!("{}: {error}", path.display());
            Err(io::Error::new(error.kind(), words))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noted_until_it_is_over() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::system().below(root.path().into());
        assert_eq!(read(&places), []);
        let mut asked = Asked {
            app: Name::new("my api").unwrap(),
            at: UNIX_EPOCH + Duration::from_micros(1_700_000_000_000_001),
            path: "/srv/a.js".into(),
            count: 1,
        };
        note(&places, &asked).unwrap();
        asked.count = 3;
        note(&places, &asked).unwrap();
        std::fs::write(folder(&places).join("other"), "{").unwrap();
        std::fs::write(folder(&places).join(".rpmctl-x"), "{}").unwrap();
        assert_eq!(read(&places), [asked.clone()]);
        for _ in 0..2 {
            forget(&places, &asked.app).unwrap();
        }
        assert_eq!(read(&places), []);
    }
}
