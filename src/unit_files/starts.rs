//! What the scripts of an instance (templates/start.sh, asked.sh, backoff.sh) keep in its runtime folder: its restarts and when it began, the count of its
//! failed starts, and the wait before its next one.
//!
//! That folder belongs to the app's user, who may put anything there: no link is followed, nothing but a regular file is read, and little of it.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, Mode, OFlags, openat};

use super::Places;
use crate::model::runtime_folder;

/// What the scripts write is shorter by far.
const LONGEST: u64 = 256;

/// How the last run of an instance ended that waits for its next start, as its scripts were told (systemd.exec(5)): `$SERVICE_RESULT`, `$EXIT_CODE`,
/// `$EXIT_STATUS`. systemd itself has forgotten it by then. None for what the scripts did not write.
pub fn last_end(places: &Places, unit: &str) -> Option<[String; 3]> {
    let folder = places.on_disk(&places.run).join(runtime_folder(unit));
    let text = read(&folder.join("wait"))?;
    let is_word = |word: &&str| {
        word.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-+".contains(&b))
    };
    let mut words = text.split_ascii_whitespace().skip(3);
    let mut word = || words.next().filter(is_word).map(str::to_owned);
    Some([word()?, word()?, word()?])
}

/// A run of an instance, as its start script wrote it down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// How often it was started since it was last stopped, less the starts that were asked for: `NRestarts=`, but that a restart which was asked for does
    /// not end the count.
    pub restarts: u32,
    /// From the machine's boot to its start, in hundredths of a second.
    pub began: Duration,
    /// The number of its main process.
    pub pid: u32,
}

impl Run {
    fn parse(text: &str) -> Option<Run> {
        let mut words = text.split_ascii_whitespace();
        let run = Run {
            restarts: words.next()?.parse().ok()?,
            began: Duration::from_millis(words.next()?.parse::<u64>().ok()?.checked_mul(10)?),
            pid: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(run)
    }
}

/// The folder that has the runtime folders of all instances, kept open.
#[derive(Debug)]
pub struct Folders(OwnedFd);

impl Folders {
    /// None where nothing of ours has run yet.
    pub fn open(places: &Places) -> Option<Folders> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let run = places.on_disk(&places.run);
        openat(CWD, run, flags, Mode::empty()).ok().map(Folders)
    }

    /// The run that goes on; None where no script of this kind wrote it down, or it was told to end. What it says is right while that process is
    /// the instance's: a later run has another.
    pub fn run(&self, instance: &str) -> Option<Run> {
        // Opening a FIFO so does not block, and reading one says that there is nothing.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(
            &self.0,
            format!("{}/run", runtime_folder(instance)),
            flags,
            Mode::empty(),
        )
        .ok()?;
        let mut text = [0; LONGEST as usize];
        let length = rustix::io::read(&file, &mut text).ok()?;
        Run::parse(std::str::from_utf8(&text[..length]).ok()?)
    }
}

/// The program of the main process of the instance with that runtime folder, as far as its start script wrote it down and its user may be looked at.
pub fn program(folder: &Path) -> Option<PathBuf> {
    let run = Run::parse(&read(&folder.join("run"))?)?;
    let path = std::fs::read_link(format!("/proc/{}/exe", run.pid)).ok()?;
    let bytes = path.as_os_str().as_bytes();
    // A newer version of it was installed meanwhile.
    let path = bytes.strip_suffix(b" (deleted)").unwrap_or(bytes);
    Some(OsStr::from_bytes(path).into())
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

/// Ends all of it for instances that were stopped. systemd does it, but for one that was stopped between two automatic restarts: it runs no `ExecStop=`
/// there, and keeps the folder (seen on 252). A link goes itself; a folder in a file's place, which the scripts do not read, stays. For a guest the counts go
/// on. Errors name the file.
pub fn forget<'a>(places: &Places, units: impl IntoIterator<Item = &'a String>) -> io::Result<()> {
    if places.is_guest() {
        return Ok(());
    }
    let run = places.on_disk(&places.run);
    let instances = units.into_iter().filter(|unit| unit.contains('@'));
    for instance in instances.filter(|unit| unit.ends_with(".service")) {
        for file in ["run", "starts", "wait"] {
            let file = run.join(runtime_folder(instance)).join(file);
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

    use rustix::fs::{FileType, mknodat};

    use super::*;

    /// Ended before its wait had even begun by who restarts it by hand, it waits no more; whatever else ends it, the waits go on.
    #[test]
    fn a_stop_before_the_wait_began_ends_the_waits() {
        let folder = tempfile::tempdir().unwrap();
        let wait = folder.path().join("wait");
        let ended = |before: &str, result: &str, code: &str| {
            fs::write(&wait, before).unwrap();
            let mut shell = std::process::Command::new("/bin/sh");
            shell
                .args(["-c", include_str!("../../templates/ended.sh"), "api"])
                .arg(folder.path())
                .env("SERVICE_RESULT", result);
            if !code.is_empty() {
                shell.env("EXIT_CODE", code).env("EXIT_STATUS", "1");
            }
            assert!(shell.status().unwrap().success());
            fs::read_to_string(&wait).ok()
        };
        let waits = "9000 4210 4212 exit-code exited 1\n";
        assert_eq!(ended(waits, "signal", ""), None);
        // As systemd 252 calls the same when it takes SIGTERM for a good end.
        assert_eq!(ended(waits, "success", ""), None);
        for (before, result, code) in [
            (waits, "exit-code", "exited"),
            (waits, "timeout", ""),
            (waits, "success", "exited"),
            ("9000 4210 0 exit-code exited 1\n", "signal", ""),
            ("9000 4210 0 exit-code exited 1\n", "signal", "killed"),
        ] {
            let after = ended(before, result, code).expect("it waits again");
            assert!(after.starts_with("9000 "), "{after}");
        }
    }

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

    #[test]
    fn a_run_is_what_the_start_script_wrote() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::system().below(root.path().into());
        assert!(Folders::open(&places).is_none());
        let file = root.path().join("run/rpmctl/api@0/run");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let folders = Folders::open(&places).unwrap();
        assert_eq!(folders.run("api@0"), None);
        let script = |script: &str, args: &[&str]| {
            let ended = std::process::Command::new("/bin/sh")
                .args(["-c", script, "name"])
                .arg(file.parent().unwrap())
                .args(args)
                .env("MAINPID", "1")
                .output()
                .unwrap();
            let said = String::from_utf8(ended.stdout).unwrap();
            assert!(ended.status.success() && ended.stderr.is_empty(), "{said}");
            said
        };
        let start = || {
            let script_text = include_str!("../../templates/start.sh");
            let pid = script(script_text, &["0", "0", "sh", "-c", "echo $$"]);
            let run = folders.run("api@0").unwrap();
            assert_eq!(pid.trim(), run.pid.to_string());
            let uptime = fs::read_to_string("/proc/uptime").unwrap();
            let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
            let age = uptime - run.began.as_secs_f64();
            assert!((-0.01..60.0).contains(&age), "{age}");
            run.restarts
        };
        assert_eq!([start(), start(), start()], [0, 1, 2]);
        script(include_str!("../../templates/asked.sh"), &[]);
        assert_eq!(folders.run("api@0"), None, "it was told to end");
        assert_eq!([start(), start()], [2, 3]);

        for text in [
            "",
            "1",
            "1 -",
            "-1 2 3",
            "1 2 3 4",
            "1 99999999999999999999 3",
        ] {
            fs::write(&file, text).unwrap();
            assert_eq!(folders.run("api@0"), None, "{text:?}");
        }
        fs::remove_file(&file).unwrap();
        mknodat(CWD, &file, FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert_eq!(folders.run("api@0"), None, "a FIFO");
        fs::remove_file(&file).unwrap();
        symlink("/proc/uptime", &file).unwrap();
        assert_eq!(folders.run("api@0"), None, "a link");
    }
}
