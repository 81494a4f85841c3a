//! Paths as written → absolute paths, by the text alone.

use std::path::{Component, Path, PathBuf};

/// `~/` is the home folder, anything relative is below `base`; `.` and `..` are taken out by the text, because a unit's paths must not have them
/// (systemd.exec(5)). Symlinks stay. None when `~/` is used and no home is known.
pub fn absolute(written: &str, base: &Path, home: Option<&Path>) -> Option<PathBuf> {
    let joined = match written.strip_prefix('~') {
        Some("") => home?.to_path_buf(),
        Some(rest) if rest.starts_with('/') => home?.join(rest.trim_start_matches('/')),
        _ => base.join(written),
    };
    Some(normal(&joined))
}

/// Without `.` and `..`.
pub fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_the_text() {
        let base = Path::new("/srv/current");
        for (written, wanted) in [
            (".", "/srv/current"),
            ("./", "/srv/current"),
            ("app.js", "/srv/current/app.js"),
            ("../x/./y", "/srv/x/y"),
            ("/a/../../b", "/b"),
            ("~/x", "/home/me/x"),
            ("~", "/home/me"),
            ("~x", "/srv/current/~x"),
        ] {
            assert_eq!(
                absolute(written, base, Some(Path::new("/home/me"))).unwrap(),
                Path::new(wanted),
                "{written}"
            );
        }
        assert_eq!(absolute("~/x", base, None), None);
    }
}
