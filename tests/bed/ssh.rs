//! A bed that others reach through ssh: an sshd in it, and a network of its own towards those who do.

use std::path::Path;
use std::process::Command;

use super::{Bed, Options, Spawned};

/// 10.99.N.2, seen from 10.99.N.1.
pub struct Reached {
    pub bed: Bed,
    pub sshd: Spawned,
    pub address: String,
}

impl Reached {
    /// Boots a bed. `from`: a process in whose network namespace the other end of its network is to be, as the interface mN. `key`: the public key that
    /// opens every account.
    pub fn boot(from: i32, number: u32, key: &str) -> Reached {
        let bed = Bed::boot(Options::default());
        let link = format!("m{number}");
        let there = bed.leader().to_string();
        let from = from.to_string();
        // Between the two namespaces; it goes with them.
        done(&[
            "ip", "link", "add", &link, "netns", &from, "type", "veth", "peer", "name", "up0",
            "netns", &there,
        ]);
        let address = format!("10.99.{number}.2");
        for (process, interface, own) in [
            (&from, link.as_str(), format!("10.99.{number}.1/24")),
            (&there, "up0", format!("{address}/24")),
        ] {
            let ip = ["nsenter", "--net", "--target", process, "ip"];
            done(&[&ip[..], &["address", "add", &own, "dev", interface]].concat());
            done(&[&ip[..], &["link", "set", interface, "up"]].concat());
        }
        let sshd = sshd(&bed, &address, key);
        Reached { bed, sshd, address }
    }

    /// Its line of known_hosts.
    pub fn known(&self) -> String {
        let key = self.bed.read("/srv/hosts/hostkey.pub");
        format!("{} {key}", self.address)
    }
}

fn done(command: &[&str]) {
    let ran = Command::new(command[0])
        .args(&command[1..])
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error} (packages iproute2, util-linux)"));
    assert!(ran.status.success(), "{command:?}: {ran:?}");
}

fn sshd(bed: &Bed, address: &str, key: &str) -> Spawned {
    let mut program = "/usr/sbin/sshd";
    if !bed.exists(program) {
        let unpacked = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sshd/root");
        assert!(
            unpacked.join("usr/sbin/sshd").exists(),
            "there is no sshd: run tests/run, which unpacks it to {}",
            unpacked.display()
        );
        bed.copy_in(&unpacked, "/srv/sshd");
        // Newer ones start programs of their own from there.
        bed.sh_ok(
            "mkdir -p /usr/lib/openssh && cp -a /srv/sshd/usr/lib/openssh/. /usr/lib/openssh/",
        );
        program = "/srv/sshd/usr/sbin/sshd";
    }
    bed.sh_ok(
        "mkdir -p /srv/hosts /run/sshd
         getent passwd sshd || useradd --system --no-create-home --home-dir /run/sshd sshd
         usermod -p '*' root
         usermod -p '*' app
         ssh-keygen -q -t ed25519 -N '' -f /srv/hosts/hostkey",
    );
    bed.write("/srv/hosts/keys", 0o644, key);
    bed.write(
        "/srv/hosts/sshd.conf",
        0o644,
        format!(
            "ListenAddress {address}\nHostKey /srv/hosts/hostkey\nAuthorizedKeysFile /srv/hosts/keys\nPidFile none\nUsePAM no\nStrictModes no\nSubsystem sftp internal-sftp\n"
        ),
    );
    let libraries =
        bed.sh_ok("[ ! -d /srv/sshd ] || find /srv/sshd -name '*.so.*' -printf '%h:' | sort -u");
    bed.cmd(&[program, "-D", "-e", "-f", "/srv/hosts/sshd.conf"])
        .env("LD_LIBRARY_PATH", &libraries)
        .spawn()
}
