//! What each key becomes in the compiled units, in words for the manual and the README.

/// One line, by the key's name; `None` for a key that is not acted on.
pub fn becomes(key: &str) -> Option<&'static str> {
    Some(match key {
        "name" => "the units NAME@.service, NAME.target and sockets such as NAME@tcp-3000.socket",
        "script" | "args" | "interpreter" | "node_args" => "ExecStart=",
        "cwd" => "WorkingDirectory=",
        "name_prefix" | "append_env_to_name" => "part of the units' names",
        "namespace" | "log_date_format" | "time" => "kept in [X-Rpmctl] of NAME.target",
        "watch" | "ignore_watch" | "watch_delay" | "watch_options" | "out_file" | "error_file"
        | "log_file" | "merge_logs" | "log_type" => {
            "kept in [X-Rpmctl] of NAME.target, for rpmctl-watch.service"
        }
        "user" => "User=",
        "group" => "Group=",
        "instances" => "Wants= of NAME.target: NAME@0.service and so on",
        "exec_mode" => "cluster: Sockets=, and the listen shim in LD_PRELOAD",
        "listen" => "ListenStream= of a socket such as NAME@tcp-3000.socket, one an address",
        "listen_fds" => "Sockets= without the shim; one unit holds all addresses, in their order",
        "balance" => "reuseport: NAME@.socket with ReusePort=yes, one an instance",
        "preload" => "NODE_OPTIONS=--require= in the EnvironmentFile=",
        "pmx" => "RPMCTL_PMX=0 in the EnvironmentFile= when false",
        "port" | "env" => "EnvironmentFile= of mode 0600",
        "instance_var" => "Environment=NODE_APP_INSTANCE=%i",
        "increment_var" => "one EnvironmentFile= an instance",
        "autostart" => "WantedBy= of NAME.target, enabled",
        "autorestart" => "Restart=always, or no",
        "stop_exit_codes" => "RestartPreventExitStatus= and SuccessExitStatus=",
        "min_uptime" | "max_restarts" => "a count in ExecStart=, then RestartPreventExitStatus=199",
        "restart_delay" => "RestartSec=",
        "exp_backoff_restart_delay" => "a wait in ExecStartPre=",
        "cron_restart" => "OnCalendar= of NAME-cron.timer, which starts NAME-cron.service",
        "max_memory_restart" => {
            "rpmctl-watch(8) restarts it; MemoryMax= of one and a half times as much behind that"
        }
        "health" => {
            "kept in [X-Rpmctl] of NAME.target, for rpmctl-watch.service; with exec NAME\\x2dhealth@.service"
        }
        "depends_on" => "Wants= and After=",
        "wait_ready" => "Type=notify",
        "listen_timeout" => "TimeoutStartSec= where the unit has Type=notify",
        "kill_timeout" => "TimeoutStopSec=",
        "stop_signal" => "KillSignal=",
        "shutdown_with_message" => "KillSignal=SIGPWR, which the preload turns into the message",
        "treekill" => "KillMode=control-group, or mixed",
        "log_rotate" => "kept in [X-Rpmctl] of NAME.target, for rpmctl-watch.service",
        "log_namespace" => "LogNamespace=",
        "disable_logs" => "StandardOutput=null and StandardError=null",
        "systemd" => "the directives as they stand",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::keys::{KEYS, Status};
    use super::becomes;

    #[test]
    fn every_key_that_is_acted_on_has_one() {
        for key in KEYS {
            let known = becomes(key.name).is_some();
            match key.status {
                Status::Now => assert!(known, "{}", key.name),
                Status::Later(_) => {}
                Status::Meaningless(_) => assert!(!known, "{}", key.name),
            }
        }
    }
}
