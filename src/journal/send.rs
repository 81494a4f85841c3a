//! Lines of rpmctl's own in the journal, by journald's native protocol (systemd's "Native Journal Protocol"): fields, not only text.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// `SYSLOG_IDENTIFIER=` of them.
pub const TAG: &str = "rpmctl";

/// Where journald takes them.
pub const SOCKET: &str = "/run/systemd/journal/socket";

/// `MESSAGE_ID=` of each kind (sd-id128(1)).
pub const RESTARTING: &str = "741aef7c9a4748ec84ca6cb8e12f864a";
pub const UNHEALTHY: &str = "c389d45e0c8e43bfbc4240addcd504b9";
pub const HEALTHY: &str = "7f86697f183642f5aa117849f2c8c70e";
pub const TROUBLE: &str = "4708853f39fe414ca36116710e492e8d";

/// Longest message: a datagram that does not fit into the socket's buffer would be lost.
const LONGEST: usize = 16 << 10;

/// syslog(3)'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    Error = 3,
    Warning = 4,
    Notice = 5,
}

/// A line to be.
#[derive(Clone, Debug)]
pub struct Line {
    fields: Vec<(&'static str, String)>,
}

impl Line {
    pub fn new(id: &'static str, priority: Priority, message: impl Into<String>) -> Line {
        Line {
            fields: vec![
                ("MESSAGE", message.into()),
                ("MESSAGE_ID", id.to_owned()),
                ("PRIORITY", (priority as u8).to_string()),
                ("SYSLOG_IDENTIFIER", TAG.to_owned()),
            ],
        }
    }

    /// `rpmctl logs` finds it by this.
    pub fn about(self, app: &str, instance: Option<u32>) -> Line {
        let line = self.with("RPMCTL_APP", app);
        match instance {
            Some(instance) => line.with("RPMCTL_INSTANCE", instance),
            None => line,
        }
    }

    /// `field` is of capitals and underscores.
    pub fn with(mut self, field: &'static str, value: impl ToString) -> Line {
        self.fields.push((field, value.to_string()));
        self
    }

    /// As journald reads it: a value with a line's end in it has its length in front.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (field, value) in &self.fields {
            let value = &value.as_bytes()[..value.len().min(LONGEST)];
            bytes.extend_from_slice(field.as_bytes());
            if value.contains(&b'\n') {
                bytes.push(b'\n');
                bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
            } else {
                bytes.push(b'=');
            }
            bytes.extend_from_slice(value);
            bytes.push(b'\n');
        }
        bytes
    }

    /// Sends it. Errors: journald is not there, or takes nothing now; a line is never worth waiting for.
    pub fn send(&self) -> io::Result<()> {
        self.send_to(Path::new(SOCKET))
    }

    fn send_to(&self, socket: &Path) -> io::Result<()> {
        let from = UnixDatagram::unbound()?;
        from.set_nonblocking(true)?;
        from.send_to(&self.bytes(), socket)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_journald_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let journald = UnixDatagram::bind(&path).unwrap();
        let line = Line::new(RESTARTING, Priority::Notice, "two\nlines")
            .about("my api", Some(3))
            .with("RPMCTL_BYTES", 7_u64);
        line.send_to(&path).unwrap();
        let mut buffer = [0; 1024];
        let length = journald.recv(&mut buffer).unwrap();
        let expected = format!(
            "MESSAGE\n\t\0\0\0\0\0\0\0two\nlines\nMESSAGE_ID={RESTARTING}\nPRIORITY=5\nSYSLOG_IDENTIFIER=rpmctl\n\
             RPMCTL_APP=my api\nRPMCTL_INSTANCE=3\nRPMCTL_BYTES=7\n"
        );
        assert_eq!(String::from_utf8_lossy(&buffer[..length]), expected);
    }

    #[test]
    fn without_a_journald_it_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let line = Line::new(TROUBLE, Priority::Warning, "x");
        assert!(line.send_to(&folder.path().join("socket")).is_err());
    }
}
