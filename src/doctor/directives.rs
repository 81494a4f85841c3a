//! Directives that one systemd heeds and another does not.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    From(u32),
    Until(u32),
}

/// Directives by the version that brought them (systemd's NEWS), as far as apps have a use for them.
pub const FROM: [(&str, u32); 29] = [
    ("ExecPaths", 248),
    ("NoExecPaths", 248),
    ("PrivateIPC", 248),
    ("ManagedOOMPreference", 248),
    ("OnSuccess", 249),
    ("PropagatesStopTo", 249),
    ("StopPropagatedFrom", 249),
    ("SocketBindAllow", 249),
    ("SocketBindDeny", 249),
    ("Upholds", 249),
    ("ExecSearchPath", 250),
    ("ExitType", 250),
    ("RestrictFileSystems", 250),
    ("RestrictNetworkInterfaces", 250),
    ("LogFilterPatterns", 253),
    ("MemoryZSwapMax", 253),
    ("OpenFile", 253),
    ("ReloadSignal", 253),
    ("DelegateSubgroup", 254),
    ("FileDescriptorStorePreserve", 254),
    ("ImportCredential", 254),
    ("MemoryPressureWatch", 254),
    ("RestartMaxDelaySec", 254),
    ("RestartMode", 254),
    ("RestartSteps", 254),
    ("PollLimitBurst", 255),
    ("SurviveFinalKillSignal", 255),
    ("PassFileDescriptorsToExec", 256),
    ("PrivatePIDs", 257),
];
/// Directives by the version that no longer has them.
pub const UNTIL: [(&str, u32); 4] = [
    ("BlockIOWeight", 258),
    ("CPUAccounting", 258),
    ("CPUShares", 258),
    ("MemoryLimit", 258),
];

/// Whether this systemd heeds the directive; none: it does.
pub fn unknown(directive: &str, systemd: u32) -> Option<(&'static str, Known)> {
    let from = FROM
        .iter()
        .find(|(name, from)| *name == directive && systemd < *from)
        .map(|(name, from)| (*name, Known::From(*from)));
    let until = || {
        UNTIL
            .iter()
            .find(|(name, until)| *name == directive && systemd >= *until)
            .map(|(name, until)| (*name, Known::Until(*until)))
    };
    from.or_else(until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_by_version() {
        assert_eq!(
            unknown("RestartMode", 252),
            Some(("RestartMode", Known::From(254)))
        );
        assert_eq!(unknown("RestartMode", 254), None);
        assert_eq!(unknown("CPUShares", 257), None);
        assert_eq!(
            unknown("CPUShares", 262),
            Some(("CPUShares", Known::Until(258)))
        );
        assert_eq!(unknown("ExecStart", 247), None);
    }
}
