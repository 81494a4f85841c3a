//! What kind of program a file is, by its first bytes and its mode.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::elf::{self, Loader};
use crate::model::host::{Kind, Program};

/// The kernel reads no more of a `#!` line (execve(2)).
const SHEBANG_MAX: usize = 256;

/// Opens the file only where its content decides. Errors: it cannot be read and is not executable either.
pub fn read(path: &Path, metadata: &Metadata) -> io::Result<Program> {
    let executable = metadata.permissions().mode() & 0o111 != 0;
    let program = |kind| Program {
        path: path.to_path_buf(),
        executable,
        kind,
    };
    if executable && privileged(path, metadata) {
        return Ok(program(Kind::Privileged));
    }
    let mut head = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(elf::HEAD as u64).read_to_end(&mut head)?,
        // Executable and not readable: it runs, and no more can be told of it.
        Err(_) if executable => return Ok(program(Kind::Static)),
        Err(error) => return Err(error),
    };
    Ok(program(kind(&head)))
}

fn kind(head: &[u8]) -> Kind {
    if head.starts_with(b"#!") {
        let line = head[2..].split(|b| *b == b'\n').next().unwrap_or_default();
        let line = &line[..line.len().min(SHEBANG_MAX)];
        let words = String::from_utf8_lossy(line);
        return Kind::Script(words.split_ascii_whitespace().map(str::to_owned).collect());
    }
    match elf::loader(head) {
        Loader::Dynamic => Kind::Dynamic,
        // Go's runtime makes its system calls itself, so what is preloaded is never called.
        Loader::Static | Loader::Go => Kind::Static,
        Loader::NotElf => Kind::Plain,
    }
}

/// Set-user-ID or set-group-ID to another, or file capabilities: ld.so(8) ignores LD_PRELOAD then.
fn privileged(path: &Path, metadata: &Metadata) -> bool {
    let mode = metadata.mode();
    if mode & 0o6000 != 0 {
        return true;
    }
    let mut value = [0u8; 64];
    rustix::fs::getxattr(path, "security.capability", &mut value[..]).is_ok_and(|length| length > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        assert_eq!(kind(b""), Kind::Plain);
        assert_eq!(kind(b"console.log(1)"), Kind::Plain);
        assert_eq!(
            kind(b"#! /bin/sh -e\nx"),
            Kind::Script(vec!["/bin/sh".into(), "-e".into()])
        );
        assert_eq!(kind(b"\x7fELF"), Kind::Plain);
        let mut elf = vec![0u8; 128];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[0x20] = 64;
        elf[0x36] = 56;
        elf[0x38] = 1;
        elf[64] = 1;
        assert_eq!(kind(&elf), Kind::Static);
        elf[64] = 3;
        assert_eq!(kind(&elf), Kind::Dynamic);
    }
}
