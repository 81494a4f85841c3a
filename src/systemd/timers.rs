//! When timers elapse next, and when services ended last.

use std::time::SystemTime;

use super::call::READ;
use super::details::{SERVICE, UNIT, get, time, value};
use super::manager::Manager;

const TIMER: &str = "org.freedesktop.systemd1.Timer";

impl Manager {
    /// The next elapse by the calendar of each timer, in their order; none for one that is not active, or never elapses again.
    pub async fn next_elapses(&self, timers: &[String]) -> anyhow::Result<Vec<Option<SystemTime>>> {
        let answers = self
            .ask(READ, || {
                timers
                    .iter()
                    .flat_map(|timer| {
                        [(UNIT, "ActiveState"), (TIMER, "NextElapseUSecRealtime")]
                            .map(|(interface, property)| get(timer, interface, property))
                    })
                    .collect()
            })
            .await?;
        Ok(answers
            .chunks(2)
            .map(|pair| {
                let active: Option<String> = value(pair.first());
                let next = value::<u64>(pair.get(1)).and_then(time);
                next.filter(|_| active.as_deref() == Some("active"))
            })
            .collect())
    }

    /// When the main process of each service ended last, in their order; none for one that has not ended since systemd knows it.
    pub async fn ended(&self, services: &[String]) -> anyhow::Result<Vec<Option<SystemTime>>> {
        if services.is_empty() {
            return Ok(vec![]);
        }
        let answers = self
            .ask(READ, || {
                let call = |service: &String| get(service, SERVICE, "ExecMainExitTimestamp");
                services.iter().map(call).collect()
            })
            .await?;
        let at = |answer| value::<u64>(Some(answer)).and_then(time);
        Ok(answers.iter().map(at).collect())
    }
}
