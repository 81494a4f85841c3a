//! What systemd is told of the watcher (sd_notify(3)). Nobody is told anything where `NOTIFY_SOCKET` is not set, as in `rpmctl run`.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

pub struct Notify {
    /// What `systemctl status` shows now.
    status: String,
}

impl Notify {
    pub fn new() -> Notify {
        Notify {
            status: String::new(),
        }
    }

    pub fn ready(&mut self, status: String) {
        tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
        self.status = status;
    }

    /// `Type=notify-reload` would need the time; `ReloadSignal=` is not used, but the state is shown all the same.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// Told only when it is another than before.
    pub fn status(&mut self, status: String) {
        if status != self.status {
            tell(&[NotifyState::Status(&status)]);
            self.status = status;
        }
    }

    pub fn alive(&self) {
        tell(&[NotifyState::Watchdog]);
    }
}

/// Twice as often as systemd wants a sign of life; None when it wants none.
pub fn watchdog() -> Option<Interval> {
    let often = sd_notify::watchdog_enabled()? / 2;
    let often = often.max(Duration::from_millis(1));
    let mut ticks = interval_at(Instant::now() + often, often);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Some(ticks)
}

/// systemd not listening is no reason not to watch.
fn tell(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}
