//! Each default once, with its reason. PM2's, where they are sane.

use std::time::Duration;

use crate::model::Signal;

/// PM2's: sixteen starts that fail fast are enough to see that a seventeenth will.
pub const MAX_RESTARTS: u32 = 16;

/// PM2's.
pub const MIN_UPTIME: Duration = Duration::from_secs(1);

/// PM2's. The gate on failed starts keeps a crash loop short, so there is no need to wait.
pub const RESTART_DELAY: Duration = Duration::ZERO;

/// Not PM2's 1.6 s, which cuts off requests that are still being answered: SIGKILL is for apps that hang, and an app that stops in time waits for nothing.
pub const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// Not PM2's 3 s, after which it takes the app for ready; here a late app is a failed one, so it gets the time that a cold start on a busy machine takes.
pub const LISTEN_TIMEOUT: Duration = Duration::from_secs(30);

/// PM2's, which the handlers in people's apps are written for.
pub const STOP_SIGNAL: Signal = Signal::INT;

/// PM2's; read by apps that elect one instance for background work.
pub const INSTANCE_VAR: &str = "NODE_APP_INSTANCE";

/// PM2's.
pub const NAMESPACE: &str = "default";

/// What `time = true` stands for, as in PM2.
pub const TIME_FORMAT: &str = "YYYY-MM-DDTHH:mm:ss";

/// How often files are looked at with `usePolling`. Not chokidar's 100 ms, which keeps a core busy in a tree of some thousand files.
pub const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// What systemd sets where a unit says nothing (systemd.exec(5), Environment variables).
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A limit below this stops every program there is; `8` was meant as `"8M"`.
pub const MEMORY_MIN: u64 = 1 << 20;

/// pm2-logrotate's: a size that editors and `grep` still like.
pub const ROTATE_SIZE: u64 = 10 << 20;

/// logrotate's examples keep two weeks; with [`ROTATE_SIZE`] a file never takes more than 150 MB, compressed far less.
pub const ROTATE_KEEP: u32 = 14;

/// Kubernetes', which its users' endpoints stand: with [`HEALTH_THRESHOLD`], half a minute until an instance counts as unhealthy.
pub const HEALTH_INTERVAL: Duration = Duration::from_secs(10);

/// Not Kubernetes' 1 s, which a pause of a garbage collector takes: who asks after health should not make a busy instance look sick.
pub const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

/// Kubernetes' and Docker's.
pub const HEALTH_THRESHOLD: u32 = 3;

/// More often is load, not knowledge.
pub const HEALTH_SHORTEST: Duration = Duration::from_millis(100);

/// A file this small would be rotated at every line; `10` was meant as `"10M"`.
pub const ROTATE_MIN: u64 = 4096;
