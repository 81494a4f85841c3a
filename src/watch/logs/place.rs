//! Which files an app's lines go to.

use std::path::{Path, PathBuf};

use crate::model::LogFiles;

/// What a file takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Takes {
    Out,
    Err,
    Both,
}

impl Takes {
    pub fn takes(self, err: bool) -> bool {
        match self {
            Takes::Out => !err,
            Takes::Err => err,
            Takes::Both => true,
        }
    }
}

/// The files of one instance. Unless they are merged each name has the number before its ending: PM2 puts its id there.
pub fn files(logs: &LogFiles, instance: u32) -> Vec<(Takes, PathBuf)> {
    if !logs.any() {
        return vec![];
    }
    let named = |path: &Option<PathBuf>| {
        let path = path.as_ref()?;
        Some(if logs.merge {
            path.clone()
        } else {
            numbered(path, instance)
        })
    };
    [
        (Takes::Out, named(&logs.out)),
        (Takes::Err, named(&logs.error)),
        (Takes::Both, named(&logs.combined)),
    ]
    .into_iter()
    .filter_map(|(takes, path)| Some((takes, path?)))
    .collect()
}

/// `out.log` → `out-2.log`, `out` → `out-2`.
fn numbered(path: &Path, instance: u32) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default();
    let mut name = stem.to_owned();
    name.push(format!("-{instance}"));
    if let Some(ending) = path.extension() {
        name.push(".");
        name.push(ending);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_before_the_ending() {
        for (path, expected) in [
            ("/l/out.log", "/l/out-2.log"),
            ("/l/out", "/l/out-2"),
            ("/l/a.b.txt", "/l/a.b-2.txt"),
            ("/l.d/.out", "/l.d/.out-2"),
        ] {
            assert_eq!(numbered(Path::new(path), 2), Path::new(expected));
        }
    }

    #[test]
    fn each_stream_has_its_files() {
        let logs = LogFiles {
            out: Some("/l/out.log".into()),
            combined: Some("/l/all.log".into()),
            ..LogFiles::default()
        };
        assert_eq!(
            files(&logs, 0),
            [
                (Takes::Out, "/l/out-0.log".into()),
                (Takes::Both, "/l/all-0.log".into())
            ]
        );
        let merged = LogFiles {
            merge: true,
            ..logs.clone()
        };
        assert_eq!(files(&merged, 3)[0], (Takes::Out, "/l/out.log".into()));
        let off = LogFiles {
            disabled: true,
            ..logs
        };
        assert_eq!(files(&off, 0), []);
        assert!(Takes::Both.takes(true) && Takes::Out.takes(false) && !Takes::Err.takes(false));
    }
}
