//! `health`: how an instance is asked whether it is well, and what follows from its answers.

use std::fmt;
use std::time::Duration;

use super::Listen;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Health {
    pub probe: Probe,
    /// From one question to the next.
    pub interval: Duration,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// Failures in a row after which an instance is unhealthy; at least 1.
    pub threshold: u32,
    /// An unhealthy instance is restarted.
    pub restart: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Probe {
    /// GET of a path; the answer has one of these statuses, or 200 to 399 where there are none.
    Http {
        path: String,
        statuses: Vec<u16>,
        at: Door,
    },
    /// A connection is accepted.
    Tcp { at: Door },
    /// A shell's command ends with 0.
    Exec { command: String },
}

/// Where an instance is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Door {
    /// All instances accept from this address together; the listen shim takes a connection for one of them.
    Shared(Listen),
    /// Whoever is there answers: one instance, or any of several.
    Address(Listen),
    /// Each on a port of its own: this one plus its number.
    Ports(u16),
}

impl Health {
    /// Whether each instance can be asked by itself. The shim may find at run time that it cannot: see `probe`.
    pub fn tells_apart(&self, instances: u32) -> bool {
        match self.door() {
            Some(Door::Address(_)) => instances < 2,
            _ => true,
        }
    }

    /// None where a command is the probe.
    pub fn door(&self) -> Option<&Door> {
        match &self.probe {
            Probe::Http { at, .. } | Probe::Tcp { at } => Some(at),
            Probe::Exec { .. } => None,
        }
    }
}

/// What is asked: `GET /healthz`, `a connection`, the command.
impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Probe::Http { path, .. } => write!(f, "GET {path}"),
            Probe::Tcp { .. } => f.write_str("a connection"),
            Probe::Exec { command } => f.write_str(command),
        }
    }
}
