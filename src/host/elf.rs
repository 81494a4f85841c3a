//! Whether a library can be preloaded into a program: what its file says before it is started.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Who starts the program's code, as far as `LD_PRELOAD` is concerned; ld.so(8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loader {
    /// The dynamic loader (there is a `PT_INTERP`): preloading works.
    Dynamic,
    /// The kernel alone: nothing can be preloaded.
    Static,
    /// Go's runtime, which calls the kernel itself even when it is loaded dynamically: what is
    /// preloaded is never called.
    Go,
    /// Not an ELF program: a script, to be judged by its interpreter.
    NotElf,
}

/// Bytes of a file's head that `loader` needs: the program headers follow the ELF header, and the
/// notes come soon after.
pub const HEAD: usize = 16 * 1024;

const PT_INTERP: u32 = 3;
const PT_NOTE: u32 = 4;
/// Owner and type of the note that every Go binary has, `.note.go.buildid`.
const GO_BUILD_ID: (&[u8], u32) = (b"Go\0\0", 4);

/// Reads the program headers, elf(5), of either class and byte order. `head` is the start of the
/// file, `HEAD` bytes or all of it; what is cut off counts as not there.
pub fn loader(head: &[u8]) -> Loader {
    parse(head).unwrap_or(Loader::NotElf)
}

fn parse(head: &[u8]) -> Option<Loader> {
    if !head.starts_with(b"\x7fELF") {
        return None;
    }
    let wide = *head.get(4)? == 2;
    let elf = Elf {
        bytes: head,
        big_endian: *head.get(5)? == 2,
    };
    let (table, size, count) = if wide {
        (elf.wide(0x20)?, elf.half(0x36)?, elf.half(0x38)?)
    } else {
        (elf.word(0x1c)? as usize, elf.half(0x2a)?, elf.half(0x2c)?)
    };
    let mut found = Loader::Static;
    for index in 0..usize::from(count) {
        let Some(at) = table.checked_add(index * usize::from(size)) else {
            break;
        };
        match elf.word(at) {
            Some(PT_INTERP) => found = Loader::Dynamic,
            Some(PT_NOTE) => {
                let (offset, length) = if wide {
                    (elf.wide(at.checked_add(8)?), elf.wide(at.checked_add(32)?))
                } else {
                    let narrow = |at| elf.word(at).map(|v| v as usize);
                    (narrow(at.checked_add(4)?), narrow(at.checked_add(16)?))
                };
                if let (Some(offset), Some(length)) = (offset, length)
                    && elf.has_note(offset, length, GO_BUILD_ID)
                {
                    return Some(Loader::Go);
                }
            }
            _ => {}
        }
    }
    Some(found)
}

struct Elf<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl Elf<'_> {
    fn at<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.bytes.get(offset..)?.first_chunk().copied()
    }

    fn half(&self, offset: usize) -> Option<u16> {
        let bytes = self.at(offset)?;
        Some(match self.big_endian {
            true => u16::from_be_bytes(bytes),
            false => u16::from_le_bytes(bytes),
        })
    }

    fn word(&self, offset: usize) -> Option<u32> {
        let bytes = self.at(offset)?;
        Some(match self.big_endian {
            true => u32::from_be_bytes(bytes),
            false => u32::from_le_bytes(bytes),
        })
    }

    fn wide(&self, offset: usize) -> Option<usize> {
        let bytes = self.at(offset)?;
        let value = match self.big_endian {
            true => u64::from_be_bytes(bytes),
            false => u64::from_le_bytes(bytes),
        };
        usize::try_from(value).ok()
    }

    /// Whether the note segment holds one of this owner and type. Each note is three words (sizes
    /// of owner and content, type), the owner and the content, both padded to four bytes.
    fn has_note(&self, offset: usize, length: usize, wanted: (&[u8], u32)) -> bool {
        let end = offset.saturating_add(length).min(self.bytes.len());
        let mut at = offset;
        while at < end {
            let (Some(owner), Some(content), Some(kind)) =
                (self.word(at), self.word(at + 4), self.word(at + 8))
            else {
                return false;
            };
            let name = at + 12;
            let (owner, content) = (owner as usize, content as usize);
            if kind == wanted.1
                && self.bytes.get(name..name.saturating_add(owner)) == Some(wanted.0)
            {
                return true;
            }
            let padded = |size: usize| size.saturating_add(3) & !3;
            at = name
                .saturating_add(padded(owner))
                .saturating_add(padded(content));
        }
        false
    }
}

/// What a program's file says about preloading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    pub loader: Loader,
    /// The user it switches to by its set-user-ID bit.
    pub setuid: Option<u32>,
    /// The group it switches to by its set-group-ID bit.
    pub setgid: Option<u32>,
    /// It has file capabilities, capabilities(7) (`setcap cap_net_bind_service=+ep node`).
    pub capabilities: bool,
}

impl Program {
    /// Whether the loader ignores `LD_PRELOAD` because the program gains rights when `uid` and `gid`
    /// start it (secure-execution mode, ld.so(8)). With `NoNewPrivileges=yes` it gains none.
    pub fn gains_rights(&self, uid: u32, gid: u32) -> bool {
        self.setuid.is_some_and(|owner| owner != uid)
            || self.setgid.is_some_and(|group| group != gid)
            || (self.capabilities && uid != 0)
    }
}

/// Reads what preloading depends on; symbolic links are followed.
///
/// # Errors
/// As of opening and reading the file.
pub fn read(path: &Path) -> io::Result<Program> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let mut value = [0u8; 64];
    let capabilities = rustix::fs::fgetxattr(&file, "security.capability", &mut value[..]).is_ok();
    let mut head = Vec::new();
    file.take(HEAD as u64).read_to_end(&mut head)?;
    let bit = |bit, id| (metadata.mode() & bit != 0).then_some(id);
    Ok(Program {
        loader: loader(&head),
        setuid: bit(0o4000, metadata.uid()),
        setgid: bit(0o2000, metadata.gid()),
        capabilities,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    fn compile(flags: &[&str]) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let (source, program) = (dir.path().join("a.c"), dir.path().join("a"));
        fs::write(&source, "int main(void) { return 0; }\n").unwrap();
        let mut cc = Command::new("cc");
        cc.args(flags).arg("-o").arg(&program).arg(&source);
        assert!(cc.status().unwrap().success(), "{cc:?}");
        (dir, program)
    }

    #[test]
    fn programs_of_this_machine() {
        assert_eq!(read(Path::new("/bin/sh")).unwrap().loader, Loader::Dynamic);
        let (_dir, program) = compile(&[]);
        assert_eq!(read(&program).unwrap().loader, Loader::Dynamic);
        for flags in [&["-static"][..], &["-static-pie"]] {
            let (_dir, program) = compile(flags);
            assert_eq!(read(&program).unwrap().loader, Loader::Static, "{flags:?}");
        }
    }

    #[test]
    fn what_is_no_program() {
        for head in [
            &b"#!/bin/sh\n"[..],
            b"",
            b"\x7fELF",
            b"\x7fELF\x02\x01\x01",
            b"MZ",
        ] {
            assert_eq!(loader(head), Loader::NotElf, "{head:?}");
        }
    }

    /// A header of the class and byte order with one PT_INTERP and, wanted or not, Go's note.
    fn made(wide: bool, big: bool, note: bool) -> Vec<u8> {
        let number = |value: u64, size: usize| -> Vec<u8> {
            let bytes = value.to_le_bytes()[..size].to_vec();
            if big {
                bytes.into_iter().rev().collect()
            } else {
                bytes
            }
        };
        let mut bytes = vec![0u8; 0x200];
        let mut put = |at: usize, value: u64, size: usize| {
            bytes[at..at + size].copy_from_slice(&number(value, size));
        };
        let class = if wide { 2 } else { 1 };
        put(0, if big { 0x7f45_4c46 } else { 0x464c_457f }, 4);
        put(4, class, 1);
        put(5, if big { 2 } else { 1 }, 1);
        let table = 0x40;
        let size = if wide { 56 } else { 32 };
        if wide {
            put(0x20, table, 8);
            put(0x36, size, 2);
            put(0x38, 2, 2);
        } else {
            put(0x1c, table, 4);
            put(0x2a, size, 2);
            put(0x2c, 2, 2);
        }
        put(table as usize, 3, 4);
        let second = (table + size) as usize;
        put(second, 4, 4);
        let width = if wide { 8 } else { 4 };
        put(second + width, 0x100, width);
        put(second + 4 * width, 0x40, width);
        // A note of another owner first, its content padded.
        put(0x100, 4, 4);
        put(0x104, 5, 4);
        put(0x108, 4, 4);
        let at = 0x100 + 12 + 4 + 8;
        put(at, 4, 4);
        put(at + 4, 4, 4);
        put(at + 8, 4, 4);
        if note {
            bytes[at + 12..at + 16].copy_from_slice(b"Go\0\0");
        }
        bytes
    }

    #[test]
    fn both_classes_and_byte_orders() {
        for (wide, big) in [(true, false), (true, true), (false, false), (false, true)] {
            assert_eq!(
                loader(&made(wide, big, false)),
                Loader::Dynamic,
                "{wide} {big}"
            );
            assert_eq!(loader(&made(wide, big, true)), Loader::Go, "{wide} {big}");
        }
    }

    #[test]
    fn rights_gained() {
        let (_dir, program) = compile(&[]);
        let plain = read(&program).unwrap();
        assert!(!plain.gains_rights(1000, 1000));
        let owner = fs::metadata(&program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
        let setuid = read(&program).unwrap();
        assert_eq!(setuid.setuid, Some(owner.uid()));
        assert!(!setuid.gains_rights(owner.uid(), owner.gid()));
        assert!(setuid.gains_rights(owner.uid() + 1, owner.gid()));
        fs::set_permissions(&program, fs::Permissions::from_mode(0o2755)).unwrap();
        assert!(
            read(&program)
                .unwrap()
                .gains_rights(owner.uid(), owner.gid() + 1)
        );
        let capable = Program {
            capabilities: true,
            ..plain
        };
        assert!(capable.gains_rights(1000, 1000) && !capable.gains_rights(0, 0));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(
            wide: bool, big: bool, at in 4usize..0x200, junk: [u8; 8], cut in 0usize..0x200,
        ) {
            let mut bytes = made(wide, big, true);
            let end = (at + 8).min(bytes.len());
            bytes[at..end].copy_from_slice(&junk[..end - at]);
            loader(&bytes);
            bytes.truncate(cut);
            loader(&bytes);
        }
    }
}
