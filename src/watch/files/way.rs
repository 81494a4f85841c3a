//! Where a path leads, and which folders to listen to in order to learn that it leads elsewhere: a release is switched by a link (`current`), a build
//! folder is removed and made again.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// As many links one after another as the kernel follows (path_resolution(7)).
const MOST_LINKS: u32 = 40;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Folder, and the name in it that the way hangs on: each link, the end itself, or the first that is missing. Folders are free of links.
    pub turns: Vec<(PathBuf, OsString)>,
    pub end: Option<End>,
}

/// What is there, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    pub device: u64,
    pub inode: u64,
    pub is_folder: bool,
}

pub fn follow(path: &Path) -> Way {
    let mut turns = Vec::new();
    let mut left: VecDeque<OsString> = names(path).collect();
    let mut at = PathBuf::from("/");
    let mut links = 0;
    while let Some(name) = left.pop_front() {
        if name == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&name);
        let Ok(found) = fs::symlink_metadata(&next) else {
            turns.push((at, name));
            return Way { turns, end: None };
        };
        if !found.is_symlink() {
            if left.is_empty() {
                turns.push((at, name));
            }
            at = next;
            continue;
        }
        links += 1;
        turns.push((at.clone(), name));
        let Some(target) = fs::read_link(&next).ok().filter(|_| links <= MOST_LINKS) else {
            return Way { turns, end: None };
        };
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        for name in names(&target).rev() {
            left.push_front(name);
        }
    }
    let end = fs::metadata(&at).ok().map(|found| End {
        device: found.dev(),
        inode: found.ino(),
        is_folder: found.is_dir(),
    });
    Way { turns, end }
}

fn names(path: &Path) -> impl DoubleEndedIterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_and_what_is_missing() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("releases/42/src")).unwrap();
        symlink("releases/42", root.join("current")).unwrap();
        let turn = |folder: &str, name: &str| (root.join(folder), OsString::from(name));

        let way = follow(&root.join("current/src"));
        assert_eq!(way.turns, [turn("", "current"), turn("releases/42", "src")]);
        assert!(way.end.unwrap().is_folder);
        let direct = follow(&root.join("releases/42/src"));
        assert_eq!(
            (direct.turns, direct.end),
            (vec![turn("releases/42", "src")], way.end)
        );

        let missing = follow(&root.join("current/lib/x"));
        assert_eq!(
            missing.turns,
            [turn("", "current"), turn("releases/42", "lib")]
        );
        assert_eq!(missing.end, None);

        symlink(root.join("current/../42"), root.join("far")).unwrap();
        assert_eq!(follow(&root.join("far/src")).end, way.end);
        symlink("loop", root.join("loop")).unwrap();
        assert_eq!(follow(&root.join("loop")).end, None);
        assert_eq!(follow(Path::new("/")).turns, []);
    }
}
