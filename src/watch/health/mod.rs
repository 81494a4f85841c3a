//! `health`: asks instances whether they are well, says how they fare, and asks for the restart of those that do not answer where their app wants it.

mod instance;
mod rule;
mod tell;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::event::{Event, Request};
use super::places::{Asking, Places};
use super::run::Ground;
use crate::apply::health::{self as asking, Unasked};
use crate::model::{Health as Wanted, Name, Probe, Reason};
use crate::probe::Said;
use crate::process::Hierarchy;
use crate::systemd::Manager;
use crate::unit_files::health as reports;
use crate::units::Facts;
use instance::Instance;
use rule::Turns;

const PROC: &str = "/proc";

/// Questions under way at once.
const AT_ONCE: usize = 64;

/// Those that are due are asked together, this often at most.
const STEP: Duration = Duration::from_millis(50);

/// An instance is first asked within this time.
const SOON: Duration = Duration::from_secs(1);

pub struct Health {
    ground: Ground,
    hierarchy: Hierarchy,
    began: Instant,
    apps: BTreeMap<Name, App>,
    /// Where their control groups are.
    places: Asking,
    asked: JoinSet<Answer>,
    /// Asks systemd about those that seem unhealthy.
    confirming: JoinSet<Vec<(Name, u32, Option<bool>)>>,
    /// For commands; made when the first is run.
    manager: Arc<Mutex<Option<Manager>>>,
    looked: Instant,
    events: VecDeque<Event>,
}

struct App {
    facts: Arc<Facts>,
    health: Wanted,
    instances: Vec<Instance>,
    turns: Turns,
    /// That instances cannot be told apart was said.
    said: bool,
    /// Of which instances its command cannot be run; said when the first is one.
    unasked: BTreeSet<u32>,
}

struct Answer {
    app: Name,
    number: u32,
    /// Errors: it could not be asked.
    said: Result<Said, Unasked>,
}

impl Health {
    pub fn new(ground: &Ground) -> Health {
        Health {
            ground: ground.clone(),
            hierarchy: Hierarchy::of_this_machine(),
            began: Instant::now(),
            apps: BTreeMap::new(),
            places: Asking::default(),
            asked: JoinSet::new(),
            confirming: JoinSet::new(),
            manager: Arc::default(),
            looked: Instant::now(),
            events: VecDeque::new(),
        }
    }

    pub fn set(&mut self, apps: &[Facts]) {
        let mut before = std::mem::take(&mut self.apps);
        let now = self.began.elapsed();
        let mut known = BTreeSet::new();
        for facts in apps {
            let Some(health) = &facts.health else {
                continue;
            };
            let same = before
                .remove(&facts.app)
                .filter(|app| app.health == *health);
            let (mut instances, turns) = match same {
                Some(app) => (app.instances, app.turns),
                None => (vec![], Turns::default()),
            };
            instances.truncate(facts.instances as usize);
            for number in instances.len() as u32..facts.instances {
                let first = SOON.min(health.interval) * number / facts.instances.max(1);
                instances.push(Instance::new(now + first));
            }
            known.extend((0..facts.instances).map(|number| instance_name(&facts.app, number)));
            let app = App {
                facts: Arc::new(facts.clone()),
                health: health.clone(),
                instances,
                turns,
                said: false,
                unasked: BTreeSet::new(),
            };
            self.apps.insert(facts.app.clone(), app);
        }
        reports::keep(&self.ground.places, &known);
        if self.apps.is_empty() {
            // Nobody is asked any more, and nothing is to be kept open for it.
            self.manager = Arc::default();
        }
        let names = self.apps.keys().cloned().collect();
        self.places.ask(&self.ground, names);
    }

    pub async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            if self.apps.is_empty() {
                return std::future::pending().await;
            }
            let due = self.due();
            tokio::select! {
                found = self.places.answered() => self.found(found),
                Some(answer) = self.asked.join_next(), if !self.asked.is_empty() => {
                    if let Ok(answer) = answer {
                        self.heard(answer);
                    }
                }
                Some(states) = self.confirming.join_next(), if !self.confirming.is_empty() => {
                    for (app, number, up) in states.unwrap_or_default() {
                        self.confirmed(&app, number, up);
                    }
                }
                () = sleep_until(due) => self.look(),
            }
        }
    }

    pub fn says(&self) -> Option<String> {
        let count: usize = self.apps.values().map(|app| app.instances.len()).sum();
        match count {
            0 => None,
            1 => Some("health of 1 instance".to_owned()),
            _ => Some(format!("health of {count} instances")),
        }
    }

    pub async fn close(&mut self) {
        self.asked.shutdown().await;
        self.confirming.shutdown().await;
    }

    fn found(&mut self, found: Places) {
        for (name, place) in found {
            if let Some(app) = self.apps.get_mut(&name) {
                for (number, instance) in app.instances.iter_mut().enumerate() {
                    instance.group = Some(format!("{place}{number}.service"));
                }
            }
        }
        let unknown = self
            .apps
            .iter()
            .filter(|(_, app)| app.instances.iter().any(|one| one.group.is_none()));
        let unknown = unknown.map(|(name, _)| name.clone()).collect();
        self.places.again(&self.ground, unknown);
    }

    /// When somebody is to be asked next.
    fn due(&self) -> Instant {
        let waiting = self.apps.values().flat_map(|app| &app.instances);
        let first = waiting.filter(|one| !one.busy).map(|one| one.due).min();
        let due = self.began + first.unwrap_or(Duration::from_secs(3600));
        due.max(self.looked + STEP)
    }

    /// Asks those whose time has come.
    fn look(&mut self) {
        self.looked = Instant::now();
        let now = self.began.elapsed();
        // Who has waited longest comes first: where there are too many for their interval, each has its turn.
        let mut due: Vec<(Duration, Name, u32)> = Vec::new();
        for (name, app) in &self.apps {
            for (number, instance) in (0_u32..).zip(&app.instances) {
                if !instance.busy && instance.due <= now {
                    due.push((instance.due, name.clone(), number));
                }
            }
        }
        due.sort();
        for (_, name, number) in due {
            if self.asked.len() >= AT_ONCE {
                return;
            }
            let Some(app) = self.apps.get_mut(&name) else {
                continue;
            };
            let interval = app.health.interval;
            let count = app.facts.instances.max(1);
            let instance = &mut app.instances[number as usize];
            instance.next_due(now, interval, interval * number / count);
            let (places, unit) = (&self.ground.places, instance_name(&name, number));
            if !instance.runs(&self.hierarchy, Path::new(PROC), places, &unit, now) {
                instance.gone(places, &unit);
                continue;
            }
            instance.busy = true;
            let question = question(
                self.ground.clone(),
                self.manager.clone(),
                app.facts.clone(),
                app.health.clone(),
                number,
            );
            self.asked.spawn(question);
        }
    }

    fn heard(&mut self, answer: Answer) {
        let now = self.began.elapsed();
        let Some(app) = self.apps.get_mut(&answer.app) else {
            return;
        };
        let Some(instance) = app.instances.get_mut(answer.number as usize) else {
            return;
        };
        instance.busy = false;
        // The answer may be of the run before.
        if !instance.is_same(&self.hierarchy) {
            return;
        }
        let said = match answer.said {
            Ok(said) => said,
            Err(Unasked::Canceled) => return,
            Err(Unasked::Failed(why)) => {
                let first = app.unasked.is_empty();
                if app.unasked.insert(answer.number) && first {
                    let text = format!("{} cannot be asked how it fares: {why}", answer.app);
                    let app = Some(answer.app.clone());
                    self.events.push_back(Event::Trouble { app, text });
                }
                return;
            }
        };
        app.unasked.remove(&answer.number);
        let number = answer.number;
        let grace = app.facts.ready_timeout;
        let threshold = app.health.threshold;
        match said.result {
            Ok(latency) => {
                app.turns.well(now, number);
                if instance.well(latency) {
                    tell::healthy(&app.facts, number, latency);
                }
            }
            Err(why) => {
                let by_any = said.by_any;
                if instance.failed(why, by_any, now, grace, threshold) {
                    let unit = app.facts.app.instance(number);
                    let confirm = confirm(self.ground.clone(), answer.app.clone(), number, unit);
                    self.confirming.spawn(confirm);
                }
            }
        }
        let name = instance_name(&answer.app, number);
        if let Err(error) = instance.report(&self.ground.places, &name, now, &app.health) {
            self.events.push_back(Event::Trouble {
                app: Some(answer.app.clone()),
                text: format!("how {name} fares cannot be noted: {error}"),
            });
        }
        self.restart(&answer.app);
    }

    /// What systemd says of one that seems unhealthy: it is up and stays so, or not; None when systemd cannot be asked now.
    fn confirmed(&mut self, name: &Name, number: u32, up: Option<bool>) {
        let now = self.began.elapsed();
        let Some(app) = self.apps.get_mut(name) else {
            return;
        };
        let Some(instance) = app.instances.get_mut(number as usize) else {
            return;
        };
        if instance.confirmed(up) {
            tell::unhealthy(&app.facts, number, instance.failures(), instance.detail());
        }
        // What cannot be noted was told when it was heard.
        let unit = instance_name(name, number);
        let _ = instance.report(&self.ground.places, &unit, now, &app.health);
        self.restart(name);
    }

    /// Asks for the restart of an instance whose turn it is.
    fn restart(&mut self, name: &Name) {
        let now = self.began.elapsed();
        let Some(app) = self.apps.get_mut(name).filter(|app| app.health.restart) else {
            return;
        };
        let early = app.facts.min_uptime;
        let unhealthy: Vec<u32> = (0_u32..)
            .zip(&app.instances)
            .filter(|(_, one)| one.is_unhealthy() && one.uptime(now) >= early)
            .map(|(number, _)| number)
            .collect();
        let known = |number: &u32| !app.instances[*number as usize].by_any;
        let (known, others): (Vec<u32>, Vec<u32>) = unhealthy.into_iter().partition(known);
        if !others.is_empty() && !app.said {
            app.said = true;
            self.events.push_back(Event::Trouble {
                app: Some(name.clone()),
                text: format!(
                    "{name} does not answer well, and is not restarted: its instances cannot be asked one by one, for they do not wait for connections \
                     with epoll(7); health with exec asks each"
                ),
            });
        }
        let start = app.facts.ready_timeout;
        let Some(number) = app.turns.next(now, &known, start) else {
            return;
        };
        let instance = &app.instances[number as usize];
        self.events.push_back(Event::Restart(Request::new(
            name.clone(),
            Some(vec![number]),
            Reason::Health {
                said: instance.detail().to_owned(),
                times: instance.failures(),
            },
        )));
    }
}

fn instance_name(app: &Name, number: u32) -> String {
    format!("{}@{number}", app.stem())
}

async fn question(
    ground: Ground,
    manager: Arc<Mutex<Option<Manager>>>,
    facts: Arc<Facts>,
    health: Wanted,
    number: u32,
) -> Answer {
    let answer = |said| Answer {
        app: facts.app.clone(),
        number,
        said,
    };
    let manager = match &health.probe {
        Probe::Exec { command } => match connected(&ground, &manager).await {
            Ok(manager) => Some(manager),
            Err(error) => return answer(Err(Unasked::Failed(format!("{command}: {error:#}")))),
        },
        _ => None,
    };
    let (places, patience) = (&ground.places, Duration::ZERO);
    answer(asking::ask(places, manager.as_ref(), &facts, &health, number, patience).await)
}

async fn connected(ground: &Ground, manager: &Mutex<Option<Manager>>) -> anyhow::Result<Manager> {
    let mut manager = manager.lock().await;
    if let Some(manager) = &*manager {
        return Ok(manager.clone());
    }
    let fresh = ground.machine().await?.manager;
    Ok(manager.insert(fresh).clone())
}

/// Whether the instance is up and no job is to change that.
async fn confirm(
    ground: Ground,
    app: Name,
    number: u32,
    unit: String,
) -> Vec<(Name, u32, Option<bool>)> {
    let state = async {
        let machine = ground.machine().await.ok()?;
        machine.manager.states(&[unit]).await.ok()?.pop()
    };
    let up = state
        .await
        .map(|state| state.active == "active" && state.job.is_none());
    vec![(app, number, up)]
}
