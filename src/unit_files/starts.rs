//! The count of an instance's failed starts and the wait before its next one, which its scripts (templates/start.sh, backoff.sh) keep in its runtime folder.
//!
//! That folder belongs to the app's user, who may put anything there: no link is followed, nothing but a regular file is read, and little of it.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use super::Places;

/// What the scripts write is shorter by far.
const LONGEST: u64 = 256;

/// How the last run of an instance ended that waits for its next start, as its scripts were told (systemd.exec(5)): `$SERVICE_RESULT`, `$EXIT_CODE`,
/// `$EXIT_STATUS`. systemd itself has forgotten it by then. None for what the scripts did not write.
pub fn last_end(places: &Places, unit: &str) -> Option<[String; 3]> {
    let instance = unit.strip_suffix(".service")?;
    let text = read(&places.on_disk(&places.run).join(instance).join("wait"))?;
    let is_word = |word: &&str| {
        word.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-+".contains(&b))
    };
    let mut words = text.split_ascii_whitespace().skip(3);
    let mut word = || words.next().filter(is_word).map(str::to_owned);
    Some([word()?, word()?, word()?])
}

/// The beginning of a file that somebody else may have put there. Never blocks.
fn read(path: &Path) -> Option<String> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Ends both for instances that were stopped. systemd does it, but for one that was stopped between two automatic restarts: it runs no `ExecStop=`
/// there, and keeps the folder (seen on 252). A link goes itself; a folder in a file's place, which the scripts do not read, stays. Errors name the file.
pub fn forget<'a>(places: &Places, units: impl IntoIterator<Item = &'a String>) -> io::Result<()> {
    let run = places.on_disk(&places.run);
    let instances = units.into_iter().filter(|unit| unit.contains('@'));
    for instance in instances.filter_map(|unit| unit.strip_suffix(".service")) {
        for file in ["starts", "wait"] {
            let file = run.join(instance).join(file);
            match std::fs::remove_file(&file) {
                Ok(()) => {}
                Err(error) => match error.kind() {
                    io::ErrorKind::NotFound
                    | io::ErrorKind::IsADirectory
                    | io::ErrorKind::NotADirectory => {}
                    kind => {
                        let words = format!("{}: {error}", file.display());
                        return Err(io::Error::new(kind, words));
                    }
                },
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn read_is_what_the_scripts_wrote_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::system().below(root.path().into());
        let folder = root.path().join("run/rpmctl/api@0");
        let wait = folder.join("wait");
        fs::create_dir_all(&folder).unwrap();
        let unit = "api@0.service".to_owned();
        let read = || last_end(&places, &unit);
        let forget = || forget(&places, [&unit]).unwrap();
        assert_eq!(read(), None);

        let line = "150 4210 4212 exit-code exited 3\n";
        fs::write(&wait, line).unwrap();
        assert_eq!(
            read(),
            Some(["exit-code", "exited", "3"].map(str::to_owned))
        );
        forget();
        assert!(!wait.exists());

        let secret = root.path().join("secret");
        fs::write(&secret, line).unwrap();
        symlink(&secret, &wait).unwrap();
        assert_eq!(read(), None, "a link");
        forget();
        assert!(wait.symlink_metadata().is_err() && secret.exists());

        // Nobody writes into it.
        mknodat(CWD, &wait, FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert_eq!(read(), None, "a FIFO");
        forget();
        assert!(!wait.exists());

        fs::create_dir(&wait).unwrap();
        assert_eq!(read(), None, "a folder");
        forget();
        fs::remove_dir(&wait).unwrap();

        fs::File::create(&wait).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(read(), None, "a terabyte");
        fs::write(&wait, "1 2 3 \x1b[2J exited 3\n").unwrap();
        assert_eq!(read(), None, "what a terminal would obey");
    }
}
