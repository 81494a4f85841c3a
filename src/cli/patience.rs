//! A manager that does not answer: said after a second, given up after a while.

use std::time::Duration;

use tokio::time::timeout;

use super::out;
use super::report::Stop;

/// Then it is said that there is no answer yet.
const SILENCE: Duration = Duration::from_secs(1);
/// Process 1 is busy for seconds while it reads the files of 1,000 units again; not for as long as this.
pub const LONGEST: Duration = Duration::from_secs(30);

/// Does `look`, which asks the manager and prints nothing.
/// Errors: those of `look`; that there was no answer for [`LONGEST`].
pub async fn answered<T>(look: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let mut look = std::pin::pin!(look);
    if let Ok(done) = timeout(SILENCE, &mut look).await {
        return done;
    }
    out::say(&format!(
        "systemd has not answered yet; waiting up to {} s",
        LONGEST.as_secs()
    ));
    match timeout(LONGEST - SILENCE, look).await {
        Ok(done) => done,
        Err(_) => Err(silent().into()),
    }
}

pub fn silent() -> Stop {
    Stop::new(format!(
        "systemd did not answer within {} s",
        LONGEST.as_secs()
    ))
    .hint("it is very busy, or stopped: see State in /proc/1/status, then try again")
}
