use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::*;

fn rule(text: &str) -> Rotation {
    text.parse().unwrap()
}

/// Microseconds of this local time in UTC.
fn us(time: &str) -> u64 {
    let at: DateTime = time.parse().unwrap();
    at.to_zoned(TimeZone::UTC)
        .unwrap()
        .timestamp()
        .as_microsecond() as u64
}

fn is_due(rule_text: &str, size: u64, begun: &str, now: &str) -> bool {
    let begun = (!begun.is_empty()).then(|| us(begun));
    due(
        &rule(rule_text),
        &Current { size, begun },
        us(now),
        &TimeZone::UTC,
    )
}

#[test]
fn by_size() {
    let now = "2026-11-23T12:00:00";
    assert!(!is_due("size=100", 99, "", now));
    assert!(is_due("size=100", 100, "", now));
    assert!(!is_due("every=60", 99, "", now), "its age is not known");
}

#[test]
fn by_time() {
    let daily = |begun, now| is_due("every=86400", 1, begun, now);
    assert!(!daily("2026-11-23T00:00:00", "2026-11-23T23:59:59"));
    assert!(daily("2026-11-23T23:59:59", "2026-11-24T00:00:00"));
    assert!(
        !daily("2026-11-24T00:00:00", "2026-11-23T00:00:00"),
        "a clock set back"
    );
    // 2026-11-23 is a Monday.
    let weekly = |begun, now| is_due("every=604800", 1, begun, now);
    assert!(weekly("2026-11-22T23:59:00", "2026-11-23T00:00:00"));
    assert!(!weekly("2026-11-23T00:00:00", "2026-11-29T23:59:59"));
    assert!(is_due(
        "every=3600",
        1,
        "2026-11-23T10:59:59",
        "2026-11-23T11:00:00"
    ));
    assert!(
        !is_due(
            "every=3600 size=5",
            0,
            "2026-11-23T10:59:59",
            "2026-11-23T11:00:00"
        ),
        "an empty file stays"
    );
}

#[test]
fn a_day_ends_at_local_midnight() {
    let zone = TimeZone::fixed(jiff::tz::offset(9));
    let file = Current {
        size: 1,
        begun: Some(us("2026-11-23T14:59:59")),
    };
    assert!(due(
        &rule("every=86400"),
        &file,
        us("2026-11-23T15:00:00"),
        &zone
    ));
}

#[test]
fn names() {
    let of = |name: &str| Old::of("out.log".as_ref(), name.as_ref());
    let old = of("out.log-20261123-000001.gz").unwrap();
    assert!(old.packed && old.at == date(2026, 11, 23).at(0, 0, 1, 0));
    assert!(!of("out.log-20261123-000001").unwrap().packed);
    for other in [
        "out.log",
        "out.log-",
        "out.log-20261123",
        "out.log-20261323-000000",
        "out.log-20261123-00000",
        "out.log-20261123-000000.gz.gz",
        "out.log-20261123-000000.bz2",
        "out.log.1",
        "error.log-20261123-000000",
        "xout.log-20261123-000000",
    ] {
        assert_eq!(of(other), None, "{other}");
    }
}

#[test]
fn the_old_that_go() {
    let old: Vec<Old> = [
        "l-20261120-000000.gz",
        "l-20261121-000000.gz",
        "l-20261122-000000.gz",
        "l-20261122-000000",
        "l-20261123-000000",
    ]
    .iter()
    .map(|name| Old::of("l".as_ref(), name.as_ref()).unwrap())
    .collect();
    let gone = |rule_text: &str| -> Vec<String> {
        let gone = expired(
            &rule(rule_text),
            &old,
            us("2026-11-23T12:00:00"),
            &TimeZone::UTC,
        );
        gone.iter()
            .map(|old| old.name.to_string_lossy()[8..].to_owned())
            .collect()
    };
    assert_eq!(gone("size=1"), [""; 0]);
    assert_eq!(gone("size=1 keep=9"), [""; 0]);
    assert_eq!(
        gone("size=1 keep=2"),
        ["20-000000.gz", "21-000000.gz"].map(|s| s[0..].to_owned())
    );
    assert_eq!(gone("size=1 keep=0").len(), 5);
    assert_eq!(gone("size=1 keep=9 max_age=172800").len(), 2);
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, &[u8])]) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn fd(&self) -> File {
        File::open(self.path()).unwrap()
    }

    fn tidy(&self, rule_text: &str, now: &str) -> io::Result<()> {
        let folder = self.fd();
        tidy(
            folder.as_fd(),
            "out.log".as_ref(),
            &rule(rule_text),
            us(now),
            &TimeZone::UTC,
        )
    }

    fn set_aside(&self, now: &str) -> Option<OsString> {
        let stat = fs::metadata(self.path().join("out.log")).unwrap();
        let inode = (stat.dev(), stat.ino());
        let folder = self.fd();
        let name = "out.log".as_ref();
        set_aside(folder.as_fd(), name, inode, us(now), &TimeZone::UTC).unwrap()
    }

    /// Each file's content, packed ones unpacked.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(self.path()).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let mut content = fs::read(entry.path()).unwrap();
            if name.ends_with(".gz") {
                let packed = std::mem::take(&mut content);
                flate2::read::GzDecoder::new(packed.as_slice())
                    .read_to_end(&mut content)
                    .unwrap();
            }
            files.insert(name, content);
        }
        files
    }

    fn names(&self) -> Vec<String> {
        self.files().into_keys().collect()
    }
}

#[test]
fn set_aside_and_packed() {
    let folder = Folder::with(&[("out.log", b"one\n"), ("other", b"")]);
    let path = folder.path().join("out.log");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let written = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    File::open(&path).unwrap().set_modified(written).unwrap();
    let now = "2026-11-23T00:00:00";
    assert_eq!(folder.set_aside(now).unwrap(), "out.log-20261123-000000");
    fs::write(&path, "two\n").unwrap();
    // Within the same second.
    assert_eq!(folder.set_aside(now).unwrap(), "out.log-20261123-000001");
    folder.tidy("size=1 keep=9 compress", now).unwrap();
    let expected: BTreeMap<String, Vec<u8>> = [
        ("other", &b""[..]),
        ("out.log-20261123-000000.gz", b"one\n"),
        ("out.log-20261123-000001.gz", b"two\n"),
    ]
    .map(|(name, content)| (name.to_owned(), content.to_vec()))
    .into();
    assert_eq!(folder.files(), expected);
    let packed = fs::metadata(folder.path().join("out.log-20261123-000000.gz")).unwrap();
    assert_eq!(packed.mode() & 0o7777, 0o640);
    assert_eq!(packed.modified().unwrap(), written);
    // A third in the same second finds the packed ones.
    fs::write(&path, "three\n").unwrap();
    assert_eq!(folder.set_aside(now).unwrap(), "out.log-20261123-000002");
    // Those that went leave no gap that a new one could fall into.
    folder.tidy("size=1 keep=1 compress", now).unwrap();
    fs::write(&path, "four\n").unwrap();
    assert_eq!(folder.set_aside(now).unwrap(), "out.log-20261123-000003");
}

#[test]
fn names_from_a_time_to_come_stand_in_nobodys_way() {
    let now = "2026-11-23T12:00:00.5";
    let folder = Folder::with(&[("out.log", b"")]);
    for old in ["99991231-235959", "20261123-130000"] {
        fs::write(folder.path().join(format!("out.log-{old}")), "").unwrap();
    }
    assert_eq!(folder.set_aside(now).unwrap(), "out.log-20261123-130001");
    folder.tidy("size=1 keep=1", now).unwrap();
    assert_eq!(folder.names(), ["out.log-20261123-130001"]);
}

#[test]
fn what_somebody_else_moved_is_left() {
    let folder = Folder::with(&[("out.log", b"one\n")]);
    let dir = folder.fd();
    let name = "out.log".as_ref();
    let aside = |inode| set_aside(dir.as_fd(), name, inode, 0, &TimeZone::UTC).unwrap();
    assert_eq!(aside((0, 0)), None);
    assert_eq!(folder.names(), ["out.log"]);
    fs::remove_file(folder.path().join("out.log")).unwrap();
    assert_eq!(aside((0, 0)), None);
}

#[test]
fn a_kill_at_any_point_is_made_up_for() {
    let whole = {
        let folder = Folder::with(&[("out.log-20261122-000000", b"old\n")]);
        folder
            .tidy("size=1 compress", "2026-11-23T00:00:00")
            .unwrap();
        fs::read(folder.path().join("out.log-20261122-000000.gz")).unwrap()
    };
    let plain = ("out.log-20261122-000000", &b"old\n"[..]);
    let half = (".out.log-20261122-000000.gz.tmp", &whole[..7]);
    let packed = ("out.log-20261122-000000.gz", &whole[..]);
    let kept = (".out.log.tmp", &b"another's"[..]);
    for left in [
        vec![plain],
        vec![plain, half],
        vec![plain, packed],
        vec![plain, half, packed],
        vec![packed],
        vec![packed, half],
    ] {
        let folder = Folder::with(&left);
        fs::write(folder.path().join(kept.0), kept.1).unwrap();
        folder
            .tidy("size=1 compress", "2026-11-23T00:00:00")
            .unwrap();
        assert_eq!(folder.names(), [kept.0, packed.0], "{left:?}");
        assert_eq!(folder.files()[packed.0], b"old\n");
    }
}

#[test]
fn links_and_folders_are_not_packed() {
    let folder = Folder::with(&[("secret", b"s")]);
    let link = folder.path().join("out.log-20261122-000000");
    std::os::unix::fs::symlink(folder.path().join("secret"), &link).unwrap();
    fs::create_dir(folder.path().join("out.log-20261121-000000")).unwrap();
    let error = folder
        .tidy("size=1 compress", "2026-11-23T00:00:00")
        .unwrap_err();
    assert!(
        error.to_string().starts_with("out.log-20261122-000000: "),
        "{error}"
    );
    assert_eq!(
        folder.names_without_folders(),
        ["out.log-20261122-000000", "secret"]
    );
    // The link itself goes when its time has come, what it points to stays.
    fs::remove_dir(folder.path().join("out.log-20261121-000000")).unwrap();
    folder.tidy("size=1 keep=0", "2026-11-23T00:00:00").unwrap();
    assert_eq!(folder.names(), ["secret"]);
}

impl Folder {
    fn names_without_folders(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path())
            .unwrap()
            .map(Result::unwrap)
            .filter(|entry| !entry.file_type().unwrap().is_dir())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// Writes numbered lines from `from` on and rotates every few hundred, until it is killed.
fn write_and_rotate(folder: &Path, from: u64) {
    let path = folder.join("out.log");
    let open = || File::options().create(true).append(true).open(&path);
    let mut file = open().unwrap();
    for number in from.. {
        file.write_all(format!("{number}\n").as_bytes()).unwrap();
        if number % 300 == 0 {
            let stat = file.metadata().unwrap();
            let dir = File::open(folder).unwrap();
            let name = OsStr::new("out.log");
            let now = us("2026-11-23T00:00:00");
            let rule = rule("size=1 compress");
            let inode = (stat.dev(), stat.ino());
            set_aside(dir.as_fd(), name, inode, now, &TimeZone::UTC).unwrap();
            file = open().unwrap();
            tidy(dir.as_fd(), name, &rule, now, &TimeZone::UTC).unwrap();
        }
    }
}

#[test]
fn killed_at_any_moment_it_loses_and_doubles_no_line() {
    const CHILD: &str = "RPMCTL_TEST_ROTATES";
    if let Some(job) = std::env::var_os(CHILD) {
        let job = job.into_string().unwrap();
        let (from, folder) = job.split_once(' ').unwrap();
        return write_and_rotate(folder.as_ref(), from.parse().unwrap());
    }
    let folder = Folder::with(&[]);
    let mut next = 1;
    for round in 0..12 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "watch::logs::rotate::tests::killed_at_any_moment_it_loses_and_doubles_no_line",
            ])
            .env(CHILD, format!("{next} {}", folder.path().display()))
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Until it has begun, and then for a time that differs.
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        let files = fs::read_dir(folder.path()).unwrap().count();
        while fs::read_dir(folder.path()).unwrap().count() < files + 2 {
            assert!(std::time::Instant::now() < deadline, "it never rotates");
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_micros(round * 377));
        child.kill().unwrap();
        child.wait().unwrap();
        folder
            .tidy("size=1 compress", "2026-11-23T00:00:00")
            .unwrap();
        let files = folder.files();
        let old = files.keys().filter(|name| *name != "out.log");
        assert!(old.clone().all(|name| name.ends_with(".gz")), "{old:?}");
        // The current one's name is the first in order, and its lines the last.
        let whole: Vec<u8> = old
            .map(|name| &files[name])
            .chain(files.get("out.log"))
            .flatten()
            .copied()
            .collect();
        let lines = String::from_utf8(whole).unwrap();
        for line in lines.lines().skip(next as usize - 1) {
            assert_eq!(line, next.to_string(), "round {round}");
            next += 1;
        }
    }
    assert!(next > 3000);
}
