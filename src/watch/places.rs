//! Where the control groups of apps are: systemd is asked until it knows them all.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::sleep;

use super::run::Ground;
use crate::model::Name;

/// Pauses between attempts.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Path of an instance's group up to its number, by app; without those that systemd does not know yet.
pub type Places = BTreeMap<Name, String>;

/// A question under way, or none.
#[derive(Default)]
pub struct Asking {
    work: Option<Pin<Box<dyn Future<Output = Places>>>>,
    pause: Duration,
}

impl Asking {
    /// At once, in the place of an earlier question.
    pub fn ask(&mut self, ground: &Ground, apps: Vec<Name>) {
        self.begin(ground, apps, FIRST_PAUSE);
    }

    /// After a pause, longer each time; those that are unknown still. Nothing for none.
    pub fn again(&mut self, ground: &Ground, apps: Vec<Name>) {
        let pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.begin(ground, apps, pause);
    }

    fn begin(&mut self, ground: &Ground, apps: Vec<Name>, pause: Duration) {
        self.pause = pause;
        self.work = match apps.is_empty() {
            true => None,
            false => Some(Box::pin(places(ground.clone(), apps, pause))),
        };
    }

    /// Never while nothing was asked. Cancel safe.
    pub async fn answered(&mut self) -> Places {
        let Some(work) = &mut self.work else {
            return std::future::pending().await;
        };
        let found = work.await;
        self.work = None;
        found
    }
}

/// Asks, after a pause, until systemd answers; an app whose units it does not know has none.
async fn places(ground: Ground, apps: Vec<Name>, mut pause: Duration) -> Places {
    let units: Vec<String> = apps.iter().map(|app| app.instance(0)).collect();
    loop {
        if pause > FIRST_PAUSE {
            sleep(pause).await;
        }
        let asked = async { ground.machine().await?.manager.places(&units).await };
        match asked.await {
            Ok(found) => {
                let prefix = |path: String| path.rfind('@').map(|at| path[..=at].to_owned());
                return apps
                    .into_iter()
                    .zip(found)
                    .filter_map(|(app, path)| Some((app, prefix(path?)?)))
                    .collect();
            }
            Err(_) => pause = (pause * 2).min(LONGEST_PAUSE),
        }
    }
}
