//! `status --watch`: looks again every few seconds, and at once when systemd says that an instance changed.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::events::{Event, Events};
use super::screen::{self, Screen};
use super::sheet::Sheet;
use super::{Found, NONE, Wish, look, room};
use crate::apply::Machine;
use crate::apply::view::figures::Sample;
use crate::cli::table::{self, Tone};
use crate::cli::{machine, out, patience, report};
use crate::systemd::Watch;
use crate::terminal::job;

/// However fast instances come and go, there is so much time between two looks.
const APART: Duration = Duration::from_millis(250);
/// Changes come in company: so long the rest is waited for.
const TOGETHER: Duration = Duration::from_millis(50);
/// Figures of less time than this tell of nothing but chance.
const SPAN: Duration = Duration::from_millis(900);
/// A manager that does not answer for so long is told of.
const SILENCE: Duration = Duration::from_secs(1);

/// Until Ctrl-C, q, SIGTERM, or nobody reads it any more. Errors: those of the first look; stdout cannot be written.
pub async fn run(wish: Wish, every: Duration) -> anyhow::Result<ExitCode> {
    let live = io::stdout().is_terminal() && !wish.json;
    let mut events = Events::new(live)?;
    let begun = Instant::now();
    let first = async {
        let machine = machine::connect(wish.user).await?;
        let mut eye = Eye {
            machine,
            wish: &wish,
            before: None,
            units: vec![],
            changes: None,
        };
        let found = eye.look().await?;
        anyhow::Ok((eye, found))
    };
    let (mut eye, found) = tokio::select! {
        biased;
        code = events.end() => return Ok(code),
        found = patience::answered(first) => found?,
    };
    let mut show = Show::new(live, every);
    if let Some(code) = show.settle(Event::Again, &mut events).await? {
        return Ok(code);
    }
    if show.found(found)?.is_gone() {
        return Ok(ExitCode::SUCCESS);
    }
    let mut due = begun + every;
    loop {
        // Until it is time for the next look.
        let soonest = Instant::now() + APART;
        loop {
            tokio::select! {
                biased;
                event = events.next() => {
                    if let Some(code) = show.heard(event, &mut events).await? {
                        return Ok(code);
                    }
                }
                () = sleep_until(due) => break,
                () = changed(&mut eye.changes) => {
                    due = due.min(soonest.max(Instant::now() + TOGETHER));
                }
            }
        }
        let begun = Instant::now();
        due = begun + every;
        let mut silence = begun + SILENCE;
        let found = {
            let mut looking = std::pin::pin!(eye.look());
            loop {
                tokio::select! {
                    biased;
                    event = events.next() => {
                        if let Some(code) = show.heard(event, &mut events).await? {
                            return Ok(code);
                        }
                    }
                    found = &mut looking => break found,
                    () = sleep_until(silence) => {
                        show.silent(begun.elapsed())?;
                        silence += SILENCE;
                    }
                }
            }
        };
        let shown = match found {
            Ok(found) => show.found(found)?,
            Err(error) => show.trouble(report::describe(&error).0)?,
        };
        if shown.is_gone() {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// Forever where nothing tells of changes.
async fn changed(changes: &mut Option<Watch>) {
    if let Some(watch) = changes
        && watch.next().await.is_ok()
    {
        return;
    }
    *changes = None;
    std::future::pending().await
}

/// Who looks, and what was seen last.
struct Eye<'w> {
    machine: Machine,
    wish: &'w Wish,
    before: Option<Sample>,
    units: Vec<String>,
    changes: Option<Watch>,
}

impl Eye<'_> {
    async fn look(&mut self) -> anyhow::Result<Found> {
        let mut found = look(&self.machine, self.wish, self.before.as_ref()).await?;
        if found.units != self.units || self.changes.is_none() {
            // Rules for signals add up on a connection, so another set of instances gets another one.
            if !self.units.is_empty() {
                self.machine = machine::connect(self.wish.user).await?;
            }
            self.changes = self.listen(&found.units).await.ok();
            self.units = std::mem::take(&mut found.units);
        }
        let now = std::time::Instant::now();
        if self
            .before
            .as_ref()
            .is_none_or(|before| before.age(now) >= SPAN)
        {
            self.before = found.sample.take();
        }
        Ok(found)
    }

    async fn listen(&self, units: &[String]) -> anyhow::Result<Watch> {
        let mut watch = self.machine.manager.watch(units).await?;
        // How they are is known.
        for _ in units {
            watch.next().await?;
        }
        Ok(watch)
    }
}

/// Where it goes, and what stands there.
struct Show {
    every: Duration,
    screen: Option<Screen>,
    sheet: Sheet,
    none: bool,
    note: Option<String>,
    /// When the sheet was made, on this machine's clock.
    at: String,
    trouble: Option<String>,
}

/// Whether anybody reads it.
#[derive(PartialEq)]
enum Shown {
    Shown,
    Gone,
}

impl Shown {
    fn is_gone(&self) -> bool {
        *self == Shown::Gone
    }
}

impl Show {
    fn new(live: bool, every: Duration) -> Show {
        Show {
            every,
            screen: live.then(Screen::new),
            sheet: Sheet::default(),
            none: false,
            note: None,
            at: String::new(),
            trouble: None,
        }
    }

    fn found(&mut self, found: Found) -> io::Result<Shown> {
        let note_before = std::mem::replace(&mut self.note, found.note);
        self.trouble = None;
        self.none = found.apps == 0;
        self.sheet = found.sheet;
        self.at = jiff::Zoned::now().strftime("%H:%M:%S").to_string();
        if self.screen.is_some() {
            return self.draw();
        }
        if let Some(note) = self
            .note
            .as_ref()
            .filter(|note| note_before.as_ref() != Some(*note))
        {
            out::say(note);
        }
        written(match found.json {
            Some(json) => format!("{json}\n"),
            None if self.none => format!("{NONE}\n\n"),
            None => self.sheet.text(room(), table::colour()) + "\n",
        })
    }

    /// What was seen last stays, with what is wrong now.
    fn trouble(&mut self, what: String) -> io::Result<Shown> {
        let new = self.trouble.as_ref() != Some(&what);
        self.trouble = Some(what);
        if self.screen.is_some() {
            return self.draw();
        }
        if let Some(what) = self.trouble.as_ref().filter(|_| new) {
            out::say(&format!("error: {what}"));
        }
        Ok(Shown::Shown)
    }

    fn silent(&mut self, since: Duration) -> io::Result<()> {
        let seconds = since.as_secs();
        if self.screen.is_some() {
            self.trouble(format!("systemd has not answered for {seconds} s"))?;
        } else if seconds == SILENCE.as_secs() {
            out::say("systemd has not answered yet");
        }
        Ok(())
    }

    /// With the exit code, where it is to end.
    async fn heard(&mut self, event: Event, events: &mut Events) -> io::Result<Option<ExitCode>> {
        let ends = self.settle(event, events).await?;
        if ends.is_none() {
            self.draw()?;
        }
        Ok(ends)
    }

    /// Takes the terminal, or leaves it to others for a while.
    async fn settle(&mut self, event: Event, events: &mut Events) -> io::Result<Option<ExitCode>> {
        let stops = match event {
            Event::End(code) => return Ok(Some(code)),
            Event::Resize => return Ok(None),
            Event::Stop => true,
            // In the background it would draw on what others show.
            Event::Again => !job::is_in_front(),
        };
        if let Some(screen) = &mut self.screen {
            if stops && let Some(code) = suspend(screen, events).await? {
                return Ok(Some(code));
            }
            screen.take()?;
        }
        Ok(None)
    }

    fn draw(&self) -> io::Result<Shown> {
        let Some(screen) = &self.screen else {
            return Ok(Shown::Shown);
        };
        let (columns, lines) = screen::size().unwrap_or((80, 24));
        screen.draw(&self.text(columns, lines), columns, lines)?;
        Ok(Shown::Shown)
    }

    fn text(&self, columns: usize, lines: usize) -> String {
        let colour = table::colour();
        let every = self.every.as_secs_f64();
        let head = format!("{}  every {every} s, q ends", self.at);
        let mut text = table::paint(&head, Tone::Faint, colour) + "\n";
        if let Some(what) = &self.trouble {
            text += &table::paint(what, Tone::Bad, colour);
            text.push('\n');
        } else if lines >= 10 {
            text.push('\n');
        }
        if self.none {
            text += NONE;
            text.push('\n');
        } else {
            text += &self.sheet.text(Some(columns), colour);
        }
        if let Some(note) = &self.note {
            for line in super::layout::wrap(note, columns, 2) {
                text += &line;
                text.push('\n');
            }
        }
        text
    }
}

/// Stops until it is brought to the front again; the exit code of what ended it meanwhile. Where nobody could bring it back it goes on at once.
async fn suspend(screen: &mut Screen, events: &mut Events) -> io::Result<Option<ExitCode>> {
    while job::may_stop() {
        screen.suspend()?;
        // Its own SIGTSTP is heard here, too.
        if let Ok(code) = timeout(job::GRACE, events.end()).await {
            return Ok(Some(code));
        }
        if job::is_in_front() {
            job::go_on();
            break;
        }
    }
    Ok(None)
}

fn written(text: String) -> io::Result<Shown> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(Shown::Shown),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Shown::Gone),
        Err(error) => Err(out::not_written(error)),
    }
}
