//! Ctrl-C of a command that takes instances in turns: the first one ends it after the instance at hand, the second at once.

use std::cell::RefCell;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::report::Interrupted;
use crate::apply::{Interrupt, Progress};

/// Exit codes as shells have them: 128 and the signal's number.
const INTERRUPTED: u8 = 130;
const TERMINATED: u8 = 143;

/// Does `work`, which heeds `interrupt`. Where it takes nothing in turns, the first signal ends it at once.
/// Errors: those of `work`; [`Interrupted`] when it was ended at once, after it was asked to end or not.
pub async fn until_done<T>(
    interrupt: &Interrupt,
    show: &RefCell<impl FnMut(Progress<'_>)>,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<(T, Option<Interrupted>)> {
    let mut int = signal(SignalKind::interrupt()).context("cannot watch for SIGINT")?;
    let mut term = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let mut work = std::pin::pin!(work);
    let mut asked = None;
    loop {
        let code = tokio::select! {
            biased;
            result = &mut work => return result.map(|done| (done, asked)),
            _ = int.recv() => INTERRUPTED,
            _ = term.recv() => TERMINATED,
        };
        if asked.is_some() || !interrupt.ask() {
            return Err(Interrupted(code).into());
        }
        asked = Some(Interrupted(code));
        (show.borrow_mut())(Progress::Line(
            "stopping  after the instance at hand; Ctrl-C again stops at once".to_owned(),
        ));
    }
}
