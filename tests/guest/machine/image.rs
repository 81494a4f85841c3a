//! What the guest boots from, made by image/make.sh once and kept in target/tmp/guest (`$RPMCTL_GUEST_CACHE`), in a
//! folder named after its release and everything it was made from. RPMCTL_GUEST_RELEASE=trixie: another release than
//! this machine's.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

const MAKE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guest/image/make.sh");

pub struct Image {
    pub kernel: PathBuf,
    pub initrd: PathBuf,
    pub root: PathBuf,
}

/// Where everything of the guest is kept between runs.
pub fn cache() -> PathBuf {
    let folder = std::env::var_os("RPMCTL_GUEST_CACHE").map_or_else(
        || Path::new(env!("CARGO_TARGET_TMPDIR")).join("guest"),
        PathBuf::from,
    );
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    folder
}

/// # Panics
/// When it cannot be made, with what making it printed.
pub fn image() -> Image {
    require_root_and_programs();
    let cache = cache();
    let release = std::env::var("RPMCTL_GUEST_RELEASE").unwrap_or_else(|_| "own".to_owned());
    let kind = format!("image-{release}-");
    let folder = cache.join(format!("{kind}{}", recipe()));
    let _lock = lock(&cache);
    if !folder.exists() {
        make(&cache, &kind, &folder);
    }
    Image {
        kernel: folder.join("kernel"),
        initrd: folder.join("initrd"),
        root: folder.join("root.img"),
    }
}

fn make(cache: &Path, kind: &str, folder: &Path) {
    // What an earlier recipe or a making that was cut short left.
    for entry in fs::read_dir(cache).expect("the guest's cache").flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(kind) || name == "image-partial" {
            fs::remove_dir_all(entry.path()).expect("an image that is stale");
        }
    }
    let partial = cache.join("image-partial");
    fs::create_dir(&partial).expect("a folder for the image");
    let log = cache.join("image.log");
    let printed = File::create(&log).expect("image.log");
    let status = Command::new("setpriv")
        .args(["--pdeathsig", "TERM", "--", MAKE])
        .arg(&partial)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(printed.try_clone().expect("image.log"))
        .stderr(printed)
        .status()
        .expect("start setpriv (package util-linux)");
    assert!(
        status.success(),
        "the guest's image could not be made (it needs Debian's or Ubuntu's packages from the network):\n{}",
        fs::read_to_string(&log).unwrap_or_default()
    );
    fs::rename(&partial, folder).expect("the image's folder");
}

/// A digest of what the image is made from: how, and of which release.
fn recipe() -> String {
    let mut digest = Sha256::new();
    digest.update(include_bytes!("../image/make.sh"));
    digest.update(include_bytes!("../image/init"));
    digest.update(fs::read("/etc/os-release").expect("/etc/os-release"));
    digest.finalize()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Held while one looks for the image and makes it: another test process waits.
fn lock(cache: &Path) -> File {
    let file = File::create(cache.join("lock")).expect("the lock of the guest's cache");
    file.lock().expect("the lock of the guest's cache");
    file
}

fn require_root_and_programs() {
    assert!(
        rustix::process::geteuid().is_root(),
        "the guest needs root (its image is made with mounts and owners): run tests/run, which uses sudo for these tests"
    );
    assert!(
        std::env::consts::ARCH == "x86_64",
        "the guest is made for x86_64 machines only, this is {}",
        std::env::consts::ARCH
    );
    let needed = [
        ("qemu-system-x86_64", "qemu-system-x86"),
        ("mmdebstrap", "mmdebstrap"),
        ("mke2fs", "e2fsprogs"),
        ("setpriv", "util-linux"),
    ];
    let folders = [
        "/usr/local/sbin",
        "/usr/local/bin",
        "/usr/sbin",
        "/usr/bin",
        "/sbin",
        "/bin",
    ];
    let missing: Vec<&str> = needed
        .iter()
        .filter(|(program, _)| {
            !folders
                .iter()
                .any(|folder| Path::new(folder).join(program).exists())
        })
        .map(|(_, package)| *package)
        .collect();
    assert!(
        missing.is_empty(),
        "the guest needs what is not installed: apt-get install -y --no-install-recommends {}",
        missing.join(" ")
    );
}
