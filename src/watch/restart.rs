//! What sources ask for: rolling restarts through `apply::rolling`, under the locks of `rpmctl reload`. One instance of an app at a time, apps side by side.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::sleep;

use super::event::Request;
use super::run::{Ground, trouble};
use crate::apply::progress::{Arrival, Progress};
use crate::apply::rolling::{self, Restart};
use crate::apply::{Interrupt, Machine};
use crate::journal::send::{Line, Priority, RESTARTING};
use crate::model::{Name, Reason};
use crate::plan::{Running, turns};
use crate::systemd::{Details, Manager, UnitState};
use crate::unit_files::asked::{self, Asked};
use crate::unit_files::lock::{self, By, Lock};
use crate::unit_files::{health, reasons};
use crate::units::Facts;

/// How often a lock that another has is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Pauses between attempts while systemd or the bus cannot be reached.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

pub struct Restarts {
    ground: Ground,
    /// What is left to do for each app; the first of those that are going is being done.
    asked: BTreeMap<Name, VecDeque<Request>>,
    going: BTreeMap<Name, Pin<Box<dyn Future<Output = ()>>>>,
    /// What is on disk of that.
    noted: BTreeMap<Name, Asked>,
    /// One connection for all, while anything is going.
    manager: Rc<Mutex<Option<Manager>>>,
}

impl Restarts {
    pub fn new(ground: Ground) -> Restarts {
        Restarts {
            ground,
            asked: BTreeMap::new(),
            going: BTreeMap::new(),
            noted: BTreeMap::new(),
            manager: Rc::default(),
        }
    }

    /// What an earlier watcher was asked for and did not end.
    pub fn resume(&mut self) {
        for asked in asked::read(&self.ground.places) {
            let (path, count) = (asked.path, asked.count);
            let mut request = Request::new(asked.app, None, Reason::Files { path, count });
            request.at = asked.at;
            request.resumed = true;
            self.ask(request);
        }
    }

    /// Done by [`work`](Restarts::work). What waits already for the same instances and the same kind of reason is not done twice.
    pub fn ask(&mut self, request: Request) {
        let app = request.app.clone();
        let waiting = self.asked.entry(app.clone()).or_default();
        // The one that is being done may have passed the instances that this one is about.
        let begun = usize::from(self.going.contains_key(&app));
        match waiting
            .iter_mut()
            .skip(begun)
            .find(|earlier| same(earlier, &request))
        {
            Some(earlier) => merge(earlier, request),
            None => waiting.push_back(request),
        }
        self.note(&app);
        self.start(&app);
    }

    /// Goes on with what is asked for; ends when an app's round is over, never while nothing is to do. Cancel safe.
    pub async fn work(&mut self) {
        let done = poll_fn(|context| {
            let over = self
                .going
                .iter_mut()
                .find_map(|(app, round)| round.as_mut().poll(context).is_ready().then_some(app));
            match over {
                Some(app) => Poll::Ready(app.clone()),
                None => Poll::Pending,
            }
        })
        .await;
        self.going.remove(&done);
        let left = self.asked.get_mut(&done).map(|waiting| {
            waiting.pop_front();
            waiting.len()
        });
        if left == Some(0) {
            self.asked.remove(&done);
        }
        self.note(&done);
        self.start(&done);
        if self.going.is_empty()
            && let Ok(mut manager) = self.manager.try_lock()
        {
            *manager = None;
        }
    }

    /// On disk, for the next watcher: the last change of files that an app is still to be reloaded for.
    fn note(&mut self, app: &Name) {
        let files = |request: &Request| match &request.reason {
            Reason::Files { path, count } => Some(Asked {
                app: app.clone(),
                at: request.at,
                path: path.clone(),
                count: *count,
            }),
            _ => None,
        };
        let waiting = self.asked.get(app).into_iter().flatten();
        let last = waiting.filter_map(files).max_by_key(|asked| asked.at);
        if self.noted.get(app) == last.as_ref() {
            return;
        }
        let places = &self.ground.places;
        let done = match &last {
            Some(asked) => asked::note(places, asked),
            None => asked::forget(places, app),
        };
        if let Err(error) = done {
            let text = format!(
                "a reload for changed files cannot be noted, and is not gone on with if the watcher ends meanwhile: {error}"
            );
            trouble(Some(app.as_str()), &text);
        }
        match last {
            Some(asked) => self.noted.insert(app.clone(), asked),
            None => self.noted.remove(app),
        };
    }

    fn start(&mut self, app: &Name) {
        let next = self.asked.get(app).and_then(VecDeque::front);
        if let Some(request) = next.filter(|_| !self.going.contains_key(app)) {
            let round = round(self.ground.clone(), self.manager.clone(), request.clone());
            self.going.insert(app.clone(), Box::pin(round));
        }
    }
}

fn same(earlier: &Request, request: &Request) -> bool {
    earlier.instances == request.instances && earlier.reason.as_str() == request.reason.as_str()
}

fn merge(earlier: &mut Request, request: Request) {
    earlier.at = request.at;
    match (&mut earlier.reason, request.reason) {
        // The file that was first stays the one that is named.
        (Reason::Files { count, .. }, Reason::Files { count: more, .. }) => *count += more,
        (reason, now) => *reason = now,
    }
}

/// Tries until it is done or not needed any more: systemd and the bus may be restarting.
async fn round(ground: Ground, manager: Rc<Mutex<Option<Manager>>>, request: Request) {
    let mut pause = FIRST_PAUSE;
    loop {
        match attempt(&ground, &manager, &request).await {
            Ok(()) => return,
            Err(error) => {
                if pause == FIRST_PAUSE {
                    let text = format!(
                        "{} cannot be restarted now ({}), and will be tried again: {error:#}",
                        request.app, request.reason
                    );
                    trouble(Some(request.app.as_str()), &text);
                }
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

async fn attempt(
    ground: &Ground,
    manager: &Mutex<Option<Manager>>,
    request: &Request,
) -> anyhow::Result<()> {
    let places = &ground.places;
    let _locks = locks(ground, &request.app).await?;
    // What was waited for may have changed or removed the app.
    let apps = ground.apps()?;
    let Some(facts) = apps.iter().find(|facts| facts.app == request.app) else {
        return Ok(());
    };
    if let Reason::Memory { limit, .. } = request.reason
        && facts.memory_restart != Some(limit)
    {
        return Ok(());
    }
    let wants_health = facts.health.as_ref().is_some_and(|health| health.restart);
    if matches!(request.reason, Reason::Health { .. }) && !wants_health {
        return Ok(());
    }
    if matches!(request.reason, Reason::Files { .. }) && facts.watch.is_none() {
        return Ok(());
    }
    let machine = Machine {
        places: (**places).clone(),
        manager: connected(ground, manager).await?,
        journal: ground.journal.clone(),
    };
    let units = chosen(&machine, facts, request).await?;
    if units.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = units.iter().map(|(unit, _)| unit.clone()).collect();
    announce(facts, &names, &request.reason);
    let show = RefCell::new(|progress: Progress<'_>| {
        if let Progress::Arrived { unit, .. } = progress
            && let Err(error) = reasons::note(places, unit, &request.reason)
        {
            trouble(
                Some(facts.app.as_str()),
                &format!("why {unit} was restarted cannot be noted: {error}"),
            );
        }
    });
    let restart = Restart {
        facts,
        turns: turns(&units, 1),
        word: Arrival::Restarted,
        renew: false,
        tried: !matches!(request.reason, Reason::Files { .. } | Reason::Deploy),
    };
    let done = rolling::restart(&machine, &[restart], &Interrupt::default(), &show).await?;
    for failure in &done.failures {
        let mut text = format!(
            "{} did not come up again: {}",
            failure.unit.trim_end_matches(".service"),
            failure.why
        );
        if !done.left.is_empty() {
            let left: Vec<&str> = done
                .left
                .iter()
                .map(|unit| unit.trim_end_matches(".service"))
                .collect();
            text.push_str(&format!(
                "; not restarted, and going on as before: {}",
                left.join(" ")
            ));
        }
        trouble(Some(facts.app.as_str()), &text);
    }
    Ok(())
}

/// As `rpmctl reload` takes them, but waiting: whoever has them may do what is asked for here.
async fn locks(ground: &Ground, app: &Name) -> anyhow::Result<(Lock, Lock)> {
    let own = loop {
        match lock::lock_app(&ground.places, app.stem(), By::Watcher)? {
            Ok(lock) => break lock,
            Err(_) => sleep(LOOK).await,
        }
    };
    loop {
        match lock::try_lock_shared(&ground.places)? {
            Some(shared) => return Ok((own, shared)),
            None => sleep(LOOK).await,
        }
    }
}

async fn connected(ground: &Ground, manager: &Mutex<Option<Manager>>) -> anyhow::Result<Manager> {
    let mut manager = manager.lock().await;
    if let Some(manager) = &*manager {
        return Ok(manager.clone());
    }
    let fresh = Manager::connect(ground.bus.clone()).await?;
    Ok(manager.insert(fresh).clone())
}

/// Those that are still to be restarted, with their states: not what a user has stopped, nor what was started after the reason arose.
async fn chosen(
    machine: &Machine,
    facts: &Facts,
    request: &Request,
) -> anyhow::Result<Vec<(String, Running)>> {
    let target = machine.manager.states(&[facts.app.target()]).await?;
    if target.iter().any(|target| target.active != "active") {
        return Ok(vec![]);
    }
    let mut numbers: Vec<u32> = match &request.instances {
        Some(numbers) => numbers.clone(),
        None => (0..facts.instances).collect(),
    };
    if matches!(request.reason, Reason::Health { .. }) {
        // It may have had to wait, for another instance or a reload, and the instance be well again.
        numbers.retain(|number| {
            let unit = facts.app.instance(*number);
            health::read(&machine.places, &unit).is_none_or(|now| !now.ok)
        });
    }
    let units: Vec<String> = numbers
        .into_iter()
        .filter(|number| *number < facts.instances)
        .map(|number| facts.app.instance(number))
        .collect();
    let states = machine.manager.states(&units).await?;
    let details = machine.manager.details(&units).await?;
    let wanted = |state: &UnitState, details: &Details| {
        // What failed after a start for this very reason comes first again: the others stay as they are while it fails.
        let fell = state.active == "failed" || state.sub == "auto-restart";
        let later = details
            .main_started
            .is_some_and(|started| started > request.at)
            && !(request.resumed && fell);
        let runs = state.is_up_or_moving() && !later;
        match request.reason {
            Reason::Memory { .. } | Reason::Health { .. } => state.active == "active" && !later,
            // A change of a file may be what mends one that has failed, and is what a job waits for.
            Reason::Files { .. } => {
                runs || !later && (state.active == "failed" || !facts.autorestart)
            }
            _ => runs,
        }
    };
    Ok(states
        .iter()
        .zip(&details)
        .filter(|(state, details)| wanted(state, details))
        .map(|(state, _)| {
            (
                state.name.clone(),
                Running::from_active_state(&state.active),
            )
        })
        .collect())
}

/// Before the first of them stops, in the journal: which, and why, in words and in fields.
pub fn announce(facts: &Facts, units: &[String], reason: &Reason) {
    let app = facts.app.as_str();
    let line = match (units, reason) {
        ([unit], _) => {
            let number = unit
                .trim_end_matches(".service")
                .rsplit_once('@')
                .and_then(|(_, number)| number.parse().ok());
            let name = match number {
                Some(number) if facts.instances > 1 => format!("{app}@{number}"),
                _ => app.to_owned(),
            };
            Line::new(
                RESTARTING,
                Priority::Notice,
                format!("restarting {name}: {reason}"),
            )
            .about(app, number)
        }
        _ => {
            let count = units.len();
            Line::new(
                RESTARTING,
                Priority::Notice,
                format!("restarting {count} instances of {app}, one after another: {reason}"),
            )
            .about(app, None)
        }
    };
    let line = line.with("RPMCTL_REASON", reason.as_str());
    let line = match reason {
        Reason::Memory { bytes, limit } => {
            line.with("RPMCTL_BYTES", bytes).with("RPMCTL_LIMIT", limit)
        }
        Reason::Health { times, .. } => line.with("RPMCTL_FAILURES", times),
        Reason::Files { path, count } => line
            .with("RPMCTL_FILE", path.display())
            .with("RPMCTL_FILES", count),
        _ => line,
    };
    // Without a journal it is noted all the same, see `reasons`.
    let _ = line.send();
}
