//! The loop: what happens goes into `update`, its effects go out, and what is on the screen follows.

use std::collections::VecDeque;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use ratatui::crossterm::event::{self, Event};
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::action::{Action, Effect, Wanted};
use super::draw::draw;
use super::source::figures::Figures;
use super::source::lines::Follower;
use super::source::order::Orders;
use super::source::{Tell, cluster};
use super::state::State;
use super::terminal::{self, Screen};
use super::update::update;
use crate::apply::Machine;
use crate::journal::Scope;
use crate::terminal::job;

/// Between two screens, where nobody has pressed a key.
const FRAME: Duration = Duration::from_millis(100);
/// Between two measurements.
const MEASURE: Duration = Duration::from_secs(1);
/// A measurement is followed by so many times its own length of rest: with thousands of instances in view, less often.
const REST: u32 = 100;
/// Actions that wait.
const WAITING: usize = 64;

pub struct Options {
    /// Which apps; at least one target, `all` for all.
    pub targets: Vec<String>,
    /// Of which machine, for the first line.
    pub host: String,
    pub colour: bool,
}

/// Shows the cluster until it is told to end. Exit code 0, or 128 and the number of the signal that ended it. stdin and stdout must be a terminal; what
/// it was set to is so again afterwards. Needs a current-thread tokio runtime.
/// Errors: the terminal cannot be set up, or is gone.
pub async fn run(machine: Machine, options: Options) -> anyhow::Result<u8> {
    let all = tokio::task::LocalSet::new();
    all.run_until(shown(Rc::new(machine), options)).await
}

/// SIGINT, SIGTERM, SIGHUP and SIGQUIT end it; SIGTSTP stops it, SIGCONT brings it back.
struct Signals {
    ending: mpsc::Receiver<u8>,
    stop: tokio::signal::unix::Signal,
    again: tokio::signal::unix::Signal,
}

fn signals() -> anyhow::Result<Signals> {
    let (tell, ending) = mpsc::channel(1);
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
        SignalKind::quit(),
    ] {
        let mut heard = signal(kind).context("cannot watch for signals")?;
        let tell = tell.clone();
        tokio::task::spawn_local(async move {
            heard.recv().await;
            let number = u8::try_from(kind.as_raw_value()).unwrap_or(0);
            let _ = tell.send(128 + number).await;
        });
    }
    let watched = |which: Signal| {
        signal(SignalKind::from_raw(which.as_raw())).context("cannot watch for signals")
    };
    Ok(Signals {
        ending,
        stop: watched(Signal::TSTP)?,
        again: watched(Signal::CONT)?,
    })
}

/// Stops until it is brought to the front again; the exit code of what ended it meanwhile. Where nobody could bring it back it goes on at once.
async fn suspend(screen: &mut Screen, signals: &mut Signals) -> anyhow::Result<Option<u8>> {
    while job::may_stop() {
        screen.suspend()?;
        if let Ok(Some(code)) = timeout(job::GRACE, signals.ending.recv()).await {
            return Ok(Some(code));
        }
        // Its own.
        let _ = timeout(Duration::ZERO, signals.stop.recv()).await;
        if job::is_in_front() {
            job::go_on();
            break;
        }
    }
    Ok(None)
}

/// Keys, the mouse and the size, from a thread that waits for them.
fn input(tell: mpsc::Sender<Event>) {
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if tell.blocking_send(event).is_err() {
                return;
            }
        }
    });
}

/// What was done and is to be done outside.
struct Edges {
    tell: Tell,
    follower: Follower,
    orders: Orders,
    figures: Arc<Mutex<Figures>>,
    /// Tells when the next measurement may begin.
    measured: mpsc::Sender<Instant>,
    measuring: bool,
}

async fn shown(machine: Rc<Machine>, options: Options) -> anyhow::Result<u8> {
    let mut signals = signals()?;
    let mut screen = Screen::enter()?;
    let (columns, rows) = terminal::size();
    screen.resize(columns, rows)?;
    let (tell, mut actions) = mpsc::channel(WAITING);
    let (pressed, mut events) = mpsc::channel(WAITING);
    let (measured, mut rested) = mpsc::channel(1);
    input(pressed);
    let mut state = State::new(
        columns,
        rows,
        options.host,
        options.colour,
        SystemTime::now(),
    );
    let mut edges = Edges {
        follower: Follower::new(machine.journal.clone(), tell.clone()),
        orders: Orders::new(matches!(machine.journal, Scope::User { .. }), tell.clone()),
        figures: Arc::new(Mutex::new(Figures::new(&machine.places))),
        tell: tell.clone(),
        measured,
        measuring: false,
    };
    tokio::task::spawn_local(cluster::run(machine, options.targets, tell));
    let mut tick = Instant::now() + MEASURE;
    let mut stale = true;
    let mut drawn = Instant::now() - FRAME;
    let mut urgent = true;
    loop {
        if screen.is_lost() {
            anyhow::bail!("the terminal is gone");
        }
        let frame = if urgent { drawn } else { drawn + FRAME };
        let due = stale && !screen.is_busy();
        let action = {
            let written = pin!(screen.written());
            tokio::select! {
                biased;
                code = signals.ending.recv() => return Ok(code.unwrap_or(1)),
                _ = signals.stop.recv() => Some(Heard::Stop),
                _ = signals.again.recv() => None,
                event = events.recv() => match event {
                    Some(event) => Some(Heard::Event(event)),
                    None => anyhow::bail!("the terminal is gone"),
                },
                () = sleep_until(frame), if due => Some(Heard::Frame),
                () = written, if stale && !due => continue,
                at = rested.recv() => {
                    edges.measuring = false;
                    tick = at.unwrap_or(tick);
                    continue;
                }
                () = sleep_until(tick), if !edges.measuring => {
                    tick = Instant::now() + MEASURE;
                    Some(Heard::Action(Action::Tick(SystemTime::now())))
                }
                action = actions.recv() => action.map(Heard::Action),
            }
        };
        let action = match action {
            None => {
                urgent = true;
                let (columns, rows) = screen.again()?;
                Action::Resize(columns, rows)
            }
            Some(Heard::Stop) => {
                if let Some(code) = suspend(&mut screen, &mut signals).await? {
                    return Ok(code);
                }
                urgent = true;
                let (columns, rows) = screen.again()?;
                Action::Resize(columns, rows)
            }
            Some(Heard::Frame) => {
                screen.draw(|frame| draw(&state, frame))?;
                (stale, urgent, drawn) = (false, false, Instant::now());
                continue;
            }
            Some(Heard::Event(event)) => {
                urgent = true;
                match of_event(event) {
                    Some(action) => action,
                    None => continue,
                }
            }
            Some(Heard::Action(action)) => action,
        };
        match &action {
            Action::Resize(columns, rows) => screen.resize(*columns, *rows)?,
            // The first screen with something on it is not to wait.
            Action::Cluster(_) => urgent = true,
            Action::OrderEnded { id, .. } => edges.orders.ended(*id),
            _ => {}
        }
        stale = true;
        let mut effects = VecDeque::from(update(&mut state, action));
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Quit => return Ok(0),
                Effect::Suspend | Effect::Redraw => {
                    if effect == Effect::Suspend
                        && let Some(code) = suspend(&mut screen, &mut signals).await?
                    {
                        return Ok(code);
                    }
                    let (columns, rows) = screen.again()?;
                    effects.extend(update(&mut state, Action::Resize(columns, rows)));
                }
                Effect::Mouse(mouse) => screen.set_mouse(mouse)?,
                other => edges.carry_out(other),
            }
        }
    }
}

enum Heard {
    Event(Event),
    Stop,
    Frame,
    Action(Action),
}

fn of_event(event: Event) -> Option<Action> {
    match event {
        Event::Key(key) => Some(Action::Key(key)),
        Event::Mouse(mouse) => Some(Action::Mouse(mouse)),
        Event::Paste(text) => Some(Action::Paste(text)),
        Event::Resize(..) => {
            let (columns, rows) = terminal::size();
            Some(Action::Resize(columns, rows))
        }
        Event::FocusGained | Event::FocusLost => None,
    }
}

impl Edges {
    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Follow { of, apps } => self.follower.follow(of, apps),
            Effect::Measure(wanted) => self.measure(wanted),
            Effect::Order { id, args } => self.orders.give(id, &args),
            Effect::Interrupt { id } => self.orders.interrupt(id),
            Effect::Quit | Effect::Suspend | Effect::Redraw | Effect::Mouse(_) => {}
        }
    }

    fn measure(&mut self, wanted: Vec<Wanted>) {
        if self.measuring || wanted.is_empty() {
            return;
        }
        self.measuring = true;
        let figures = self.figures.clone();
        let tell = self.tell.clone();
        let measured = self.measured.clone();
        tokio::task::spawn_local(async move {
            let begun = Instant::now();
            let reading = tokio::task::spawn_blocking(move || {
                let mut figures = figures.lock().unwrap_or_else(PoisonError::into_inner);
                figures.measure(wanted)
            });
            let read = reading.await;
            let rest = MEASURE.max(begun.elapsed() * REST);
            if let Ok(read) = read {
                let _ = tell.send(Action::Measured(read)).await;
            }
            let _ = measured.send(begun + rest).await;
        });
    }
}
