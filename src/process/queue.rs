//! The listen queues: connections that the kernel has accepted and no instance has taken yet.

/// Of one listener, or of several together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    pub waiting: u32,
    /// How many may wait; the kernel drops or refuses what comes beyond (listen(2)).
    pub limit: u32,
}
