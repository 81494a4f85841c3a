//! How an instance ended, in words, from what systemd knows: `Result`, `ExecMainCode`, `ExecMainStatus` of org.freedesktop.systemd1.Service.

/// The exit code of our start-up script for: max_restarts reached, not started again.
pub const GAVE_UP: i32 = 199;

/// `result`: systemd's Result (`success`, `exit-code`, `oom-kill`…). `code`: waitid(2)'s si_code: 1 exited, 2 killed, 3 dumped core, 0 never ran.
/// `status`: the exit code, or the number of the signal. `max_restarts`: the app's, for the words when it gave up.
pub fn in_words(result: &str, code: i32, status: i32, max_restarts: Option<u32>) -> String {
    let gave_up = code == 1 && status == GAVE_UP;
    match result {
        _ if gave_up => match max_restarts {
            Some(max) => format!(
                "gave up after {max} starts in a row shorter than min_uptime (max_restarts)"
            ),
            None => "gave up after too many starts in a row shorter than min_uptime (max_restarts)"
                .to_owned(),
        },
        "oom-kill" => "out of memory: killed by the kernel (oom-kill)".to_owned(),
        "timeout" => match code {
            0 => "not ready in time (timeout)".to_owned(),
            _ => format!(
                "too slow to start or stop (timeout), {}",
                process(code, status)
            ),
        },
        "watchdog" => format!(
            "stopped answering its watchdog (WatchdogSec), {}",
            process(code, status)
        ),
        "start-limit-hit" => format!(
            "started too often (start-limit-hit), {}",
            process(code, status)
        ),
        "protocol" => format!(
            "did not report ready as its unit asks (protocol), {}",
            process(code, status)
        ),
        "resources" => {
            "systemd could not start it: a file, directory or other resource is missing (resources)"
                .to_owned()
        }
        "dependency" => "something it depends on failed (dependency)".to_owned(),
        "exec-condition" => "its ExecCondition= said no (exec-condition)".to_owned(),
        "condition" => "a condition of its unit is not met (condition)".to_owned(),
        "assert" => "an assertion of its unit is not met (assert)".to_owned(),
        "success" | "exit-code" | "signal" | "core-dump" | "" => process(code, status),
        other => format!("{other}, {}", process(code, status)),
    }
}

/// `$EXIT_CODE` and `$EXIT_STATUS` of systemd.exec(5), `exited 3` or `killed KILL`, as waitid(2)'s numbers; 0 for what did not run.
pub fn numbers(code: &str, status: &str) -> (i32, i32) {
    let signal = || {
        let index = SIGNALS.iter().position(|name| *name == status);
        index.map_or_else(|| status.parse().unwrap_or(0), |index| index as i32 + 1)
    };
    match code {
        "exited" => (1, status.parse().unwrap_or(0)),
        "killed" => (2, signal()),
        "dumped" => (3, signal()),
        _ => (0, 0),
    }
}

/// What the main process did.
fn process(code: i32, status: i32) -> String {
    match code {
        0 => "did not run".to_owned(),
        1 => exited(status),
        2 => format!("killed by {}", signal(status)),
        3 => format!("killed by {}, core dumped", signal(status)),
        _ => format!("ended with status {status}"),
    }
}

fn exited(status: i32) -> String {
    if let Some((name, words)) = systemd_step(status) {
        return format!("{words} ({status}/{name})");
    }
    match status {
        126 => "exited with code 126 (a shell found the program but could not run it)".to_owned(),
        127 => "exited with code 127 (a shell did not find the program)".to_owned(),
        129..=159 => format!(
            "exited with code {status} (128 + {}: as a shell reports it)",
            signal(status - 128)
        ),
        _ => format!("exited with code {status}"),
    }
}

/// The exit codes that mean systemd's own step before the program ran: systemd.exec(5), "Process Exit Codes".
fn systemd_step(status: i32) -> Option<(&'static str, &'static str)> {
    Some(match status {
        200 => ("CHDIR", "working directory missing or not accessible"),
        201 => ("NICE", "could not set its scheduling priority"),
        202 => ("FDS", "could not set up its file descriptors"),
        203 => ("EXEC", "program could not be executed"),
        204 => ("MEMORY", "out of memory before the program ran"),
        205 => ("LIMITS", "could not set its resource limits"),
        206 => ("OOM_ADJUST", "could not set its OOMScoreAdjust="),
        207 => ("SIGNAL_MASK", "could not set its signal mask"),
        208 => ("STDIN", "could not set up its standard input"),
        209 => ("STDOUT", "could not set up its standard output"),
        210 => ("CHROOT", "could not change its root directory"),
        211 => ("IOPRIO", "could not set its I/O priority"),
        212 => ("TIMERSLACK", "could not set its timer slack"),
        213 => ("SECUREBITS", "could not set its secure bits"),
        214 => ("SETSCHEDULER", "could not set its CPU scheduling"),
        215 => ("CPUAFFINITY", "could not set its CPU affinity"),
        216 => ("GROUP", "group unknown, or not to be taken"),
        217 => ("USER", "user unknown, or not to be taken"),
        218 => ("CAPABILITIES", "could not set its capabilities"),
        219 => ("CGROUP", "could not set up its control group"),
        220 => ("SETSID", "could not start a session"),
        221 => ("CONFIRM", "its start was declined on the console"),
        222 => ("STDERR", "could not set up its standard error"),
        224 => ("PAM", "could not open its PAM session"),
        225 => ("NETWORK", "could not set up its network namespace"),
        226 => (
            "NAMESPACE",
            "could not set up its mount namespace: a path of its sandbox is missing",
        ),
        227 => ("NO_NEW_PRIVILEGES", "could not disable new privileges"),
        228 => ("SECCOMP", "could not apply its system call filter"),
        229 => ("SELINUX_CONTEXT", "could not set its SELinux context"),
        230 => ("PERSONALITY", "could not set its execution domain"),
        231 => ("APPARMOR_PROFILE", "could not set its AppArmor profile"),
        232 => (
            "ADDRESS_FAMILIES",
            "could not restrict its address families",
        ),
        233 => ("RUNTIME_DIRECTORY", "could not make its runtime directory"),
        235 => ("CHOWN", "could not change the owner of its socket"),
        236 => ("SMACK_PROCESS_LABEL", "could not set its SMACK label"),
        237 => ("KEYRING", "could not set up its kernel keyring"),
        238 => ("STATE_DIRECTORY", "could not make its state directory"),
        239 => ("CACHE_DIRECTORY", "could not make its cache directory"),
        240 => ("LOGS_DIRECTORY", "could not make its log directory"),
        241 => (
            "CONFIGURATION_DIRECTORY",
            "could not make its configuration directory",
        ),
        242 => ("NUMA_POLICY", "could not set its NUMA policy"),
        243 => ("CREDENTIALS", "could not set up its credentials"),
        245 => ("BPF", "could not apply its BPF restrictions"),
        _ => return None,
    })
}

/// From 1, as x86 and ARM number them (signal(7)).
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// By its name.
fn signal(number: i32) -> String {
    match usize::try_from(number - 1)
        .ok()
        .and_then(|index| SIGNALS.get(index))
    {
        Some(name) => format!("SIG{name}"),
        None => format!("signal {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_and_signals() {
        assert_eq!(in_words("exit-code", 1, 1, Some(16)), "exited with code 1");
        assert_eq!(in_words("success", 1, 0, None), "exited with code 0");
        assert_eq!(in_words("signal", 2, 9, None), "killed by SIGKILL");
        assert_eq!(in_words("signal", 2, 15, None), "killed by SIGTERM");
        assert_eq!(in_words("signal", 2, 34, None), "killed by signal 34");
        assert_eq!(
            in_words("core-dump", 3, 11, None),
            "killed by SIGSEGV, core dumped"
        );
        assert_eq!(
            in_words("exit-code", 1, 137, None),
            "exited with code 137 (128 + SIGKILL: as a shell reports it)"
        );
    }

    #[test]
    fn systemd_never_got_to_the_program() {
        assert_eq!(
            in_words("exit-code", 1, 200, None),
            "working directory missing or not accessible (200/CHDIR)"
        );
        assert_eq!(
            in_words("exit-code", 1, 203, None),
            "program could not be executed (203/EXEC)"
        );
        assert_eq!(
            in_words("exit-code", 1, 217, None),
            "user unknown, or not to be taken (217/USER)"
        );
    }

    #[test]
    fn what_systemd_did() {
        assert_eq!(
            in_words("oom-kill", 2, 9, None),
            "out of memory: killed by the kernel (oom-kill)"
        );
        assert_eq!(
            in_words("timeout", 2, 9, None),
            "too slow to start or stop (timeout), killed by SIGKILL"
        );
        assert_eq!(
            in_words("watchdog", 3, 6, None),
            "stopped answering its watchdog (WatchdogSec), killed by SIGABRT, core dumped"
        );
        assert_eq!(
            in_words("start-limit-hit", 1, 1, None),
            "started too often (start-limit-hit), exited with code 1"
        );
        assert_eq!(in_words("future", 1, 1, None), "future, exited with code 1");
    }

    #[test]
    fn as_a_stop_script_is_told() {
        assert_eq!(numbers("exited", "3"), (1, 3));
        assert_eq!(numbers("killed", "KILL"), (2, 9));
        assert_eq!(numbers("dumped", "SEGV"), (3, 11));
        assert_eq!(numbers("-", "-"), (0, 0));
    }

    #[test]
    fn gave_up() {
        assert_eq!(
            in_words("exit-code", 1, GAVE_UP, Some(16)),
            "gave up after 16 starts in a row shorter than min_uptime (max_restarts)"
        );
        // Killed by signal 199 there is not; the number alone is not the verdict.
        assert_eq!(in_words("signal", 2, GAVE_UP, None), "killed by signal 199");
    }
}
