//! What a change means for the listeners: opened beside the old ones where that can be, in their place where every instance must let go first.
//!
//! A shared socket is named after its address, so another address is another unit: it is open before the first instance restarts, and the old one until
//! the last has. One of the same name with other options, and one on an address that an old one takes in, can only be opened when nobody holds the old
//! one: the instances stop while connections wait in it, and it is opened anew. Sockets of single instances (`balance = "reuseport"`) can be open side by
//! side on one address, so each changes with its instance.

use std::collections::BTreeMap;

use super::observed::{Observed, Running};
use crate::model::{Balance, Listen};
use crate::units::AppUnits;
use crate::units::section::Sections;

/// In the order of the phases; all but `leave` after daemon-reload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketPlan {
    /// Addresses that somebody else may hold: looked at before anything changes.
    pub free: Vec<Listen>,
    /// Sockets of instances that stop for good, closed before them: nobody is to queue there any more.
    pub leave: Vec<String>,
    /// Instances that must let go before `close`; they start again.
    pub halt: Vec<String>,
    /// Closed when the instances have let go.
    pub close: Vec<String>,
    /// Opened before the first instance restarts, beside what is open.
    pub open: Vec<String>,
    /// Listeners whose queue gets another length where they are.
    pub queues: Vec<Queue>,
    /// Each instance gets a new socket of its own when it restarts.
    pub renew: bool,
    /// Closed when the last instance has restarted.
    pub retire: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    pub unit: String,
    pub addresses: Vec<Listen>,
    /// `Backlog=`
    pub length: u32,
}

impl SocketPlan {
    pub fn is_empty(&self) -> bool {
        *self == SocketPlan::default()
    }
}

/// systemd.socket(5), where no `Backlog=` is given; the kernel has the last word (net.core.somaxconn).
const LONGEST: u32 = u32::MAX;

/// What `decide` knows of an app when it comes to its sockets.
pub(super) struct Situation<'a> {
    pub app: &'a AppUnits,
    pub there: &'a AppUnits,
    pub observed: &'a Observed,
    /// Instances that run and stay.
    pub alive: &'a [String],
    pub want_running: bool,
}

/// The plan, and for people what will happen to connections.
pub(super) fn plan(of: &Situation<'_>) -> (SocketPlan, Vec<String>) {
    let found = Found::of(of);
    let name = &of.app.facts.app;
    let mut plan = SocketPlan::default();
    let mut notes = Vec::new();
    if let Some(why) = found.whole(of) {
        plan.halt = of.alive.to_vec();
        plan.close = found.to_close(of);
        if !(plan.halt.is_empty() && plan.close.is_empty()) {
            notes.push(why);
        }
    } else {
        let holder = of.observed.state(&name.holder());
        if of.want_running && (!of.alive.is_empty() || alive(holder)) {
            let open = |unit: &&String| !alive(of.observed.state(unit));
            plan.open = of.app.facts.shared.iter().filter(open).cloned().collect();
        }
        plan.retire = found.over(of);
        let template = name.socket_template();
        let again = found.changed.contains(&template.as_str()) || pending(of, &template);
        plan.renew = again && !of.alive.is_empty() && found.new.contains_key(template.as_str());
        notes.extend(found.moves(of, &plan));
    }
    plan.queues = found.queues(of, &plan);
    for queue in &plan.queues {
        notes.push(format!(
            "the queue of {} gets another length (Backlog=) where it is: nothing restarts for it",
            listed(&queue.addresses)
        ));
    }
    if !of.alive.is_empty() && !found.old.is_empty() {
        plan.free = found.free(of);
    }
    (plan, notes)
}

/// The sockets of before and after, by name.
struct Found<'a> {
    old: BTreeMap<&'a str, Sections>,
    new: BTreeMap<&'a str, Sections>,
    added: Vec<&'a str>,
    gone: Vec<&'a str>,
    /// In both, with other options.
    changed: Vec<&'a str>,
    /// In both, with another `Backlog=`.
    queued: Vec<&'a str>,
}

impl<'a> Found<'a> {
    fn of(of: &Situation<'a>) -> Found<'a> {
        let old = sockets(of.there);
        let new = sockets(of.app);
        let both = || {
            new.iter()
                .filter_map(|(name, text)| Some((*name, text, old.get(name)?)))
        };
        let changed = both().filter(|(_, new, old)| options(new) != options(old));
        let queued = both().filter(|(_, new, old)| backlog(new) != backlog(old));
        Found {
            added: new
                .keys()
                .filter(|name| !old.contains_key(*name))
                .copied()
                .collect(),
            gone: old
                .keys()
                .filter(|name| !new.contains_key(*name))
                .copied()
                .collect(),
            changed: changed.map(|(name, _, _)| name).collect(),
            queued: queued.map(|(name, _, _)| name).collect(),
            old,
            new,
        }
    }

    /// Why all must let go, and what becomes of connections.
    fn whole(&self, of: &Situation<'_>) -> Option<String> {
        const WAIT: &str = "all instances stop and start again; connections wait meanwhile, but for the moment in which systemd opens the socket anew: \
             those that wait then are reset";
        let shared = |name: &&&str| !name.ends_with("@.socket");
        let template = of.app.facts.app.socket_template();
        let has = |sockets: &BTreeMap<&str, Sections>| sockets.contains_key(template.as_str());
        if self.old.is_empty() && !self.new.is_empty() {
            return Some(
                "systemd takes the port over from the instances: all stop and start again; connections are refused until the last has stopped, then they wait"
                    .to_owned(),
            );
        }
        if self.new.is_empty() && !self.old.is_empty() {
            return Some(
                "the instances take the port over from systemd: all stop and start again; connections wait until the last has stopped, \
                 then they are refused until an instance listens"
                    .to_owned(),
            );
        }
        // Files of an interrupted change from the one to the other lie side by side.
        let kinds = self
            .added
            .iter()
            .chain(&self.gone)
            .any(|name| *name == template);
        if kinds && has(&self.old) != has(&self.new) {
            return Some(format!(
                "another balance: an address of a shared socket cannot be opened a second time: {WAIT}"
            ));
        }
        if let Some(name) = self.changed.iter().find(shared) {
            let addresses = listed(&addresses(&self.new[*name]));
            return Some(format!(
                "the socket of {addresses} gets other options: {WAIT}"
            ));
        }
        let leaving: Vec<Listen> = self
            .gone
            .iter()
            .flat_map(|name| addresses(&self.old[*name]))
            .collect();
        let clash = self
            .added
            .iter()
            .flat_map(|name| addresses(&self.new[*name]))
            .find(|new| leaving.iter().any(|old| old.clashes(new)));
        if let Some(address) = clash {
            let old = leaving.iter().find(|old| old.clashes(&address))?;
            return Some(format!(
                "{address} cannot be opened while {old} is open: {WAIT}"
            ));
        }
        let down = |unit: &&String| {
            self.old.contains_key(unit.as_str())
                && !alive(of.observed.state(unit))
                && !pending(of, unit)
        };
        let holders = !of.alive.is_empty();
        if let Some(unit) = of
            .app
            .facts
            .shared
            .iter()
            .find(|unit| holders && down(unit))
        {
            return Some(format!(
                "{unit} is down, and instances may hold its address: all stop and start again; connections are refused until the last has stopped, then they wait"
            ));
        }
        pending(of, &of.app.facts.app.holder())
            .then(|| format!("an earlier change of the sockets was cut short: {WAIT}"))
    }

    /// Open, and not wanted any more; with the last shared socket its holder.
    fn over(&self, of: &Situation<'_>) -> Vec<String> {
        let name = &of.app.facts.app;
        let template = name.socket_template();
        let mut units: Vec<String> = Vec::new();
        for unit in &self.gone {
            match *unit == template {
                true => units.extend(of_instances(of)),
                false => units.push((*unit).to_owned()),
            }
        }
        // By its file: after an interruption the facts are the new ones already.
        let held = |app: &AppUnits| app.units.iter().any(|unit| unit.name == name.holder());
        units.extend((held(of.there) && !held(of.app)).then(|| name.holder()));
        units.retain(|unit| of.observed.state(unit) != Running::Down);
        units
    }

    /// The sockets that are opened anew, and what keeps the shared ones from being opened.
    fn to_close(&self, of: &Situation<'_>) -> Vec<String> {
        let name = &of.app.facts.app;
        let all = pending(of, &name.holder());
        let template = name.socket_template();
        let mut units = vec![name.holder()];
        for socket in self.old.keys().chain(&self.added) {
            if *socket == template {
                continue;
            }
            if all || self.gone.contains(socket) || self.changed.contains(socket) {
                units.push((*socket).to_owned());
            }
        }
        if all || self.gone.contains(&template.as_str()) {
            units.extend(of_instances(of));
        }
        units.retain(|unit| of.observed.state(unit) != Running::Down);
        units
    }

    /// What is opened and closed while the others go on.
    fn moves(&self, of: &Situation<'_>, plan: &SocketPlan) -> Option<String> {
        if of.alive.is_empty() {
            return None;
        }
        if plan.renew {
            return Some(
                "each instance gets a new socket as it restarts; the others go on with theirs until it is their turn".to_owned(),
            );
        }
        let of_units = |units: &[String], texts: &BTreeMap<&str, Sections>| {
            let sections = units.iter().filter_map(|unit| texts.get(unit.as_str()));
            listed(&sections.flat_map(addresses).collect::<Vec<_>>())
        };
        let opened = of_units(&plan.open, &self.new);
        let retired: Vec<String> = self.gone.iter().map(|name| (*name).to_owned()).collect();
        let retired = of_units(&retired, &self.old);
        Some(match (opened.is_empty(), retired.is_empty()) {
            (true, true) => return None,
            (false, true) => {
                format!("{opened} is opened before the first instance restarts; nothing is refused")
            }
            (true, false) => format!("{retired} is served until the last instance has restarted"),
            (false, false) => format!(
                "{opened} is opened before the first instance restarts, and {retired} is served until the last one has"
            ),
        })
    }

    fn queues(&self, of: &Situation<'_>, plan: &SocketPlan) -> Vec<Queue> {
        let template = of.app.facts.app.socket_template();
        self.new
            .iter()
            .filter(|(unit, _)| self.queued.contains(unit) || pending(of, unit))
            .filter(|(unit, _)| match **unit == template {
                true => !of.alive.is_empty() && plan.halt.is_empty() && !plan.renew,
                false => {
                    of.observed.state(unit) == Running::Up && !plan.close.iter().any(|c| c == *unit)
                }
            })
            .map(|(unit, text)| Queue {
                unit: (*unit).to_owned(),
                addresses: addresses(text),
                length: backlog(text),
            })
            .collect()
    }

    /// Addresses that the app had not before.
    fn free(&self, of: &Situation<'_>) -> Vec<Listen> {
        let old: Vec<Listen> = self.old.values().flat_map(addresses).collect();
        self.new
            .iter()
            .filter(|(unit, _)| !alive(of.observed.state(unit)))
            .flat_map(|(_, text)| addresses(text))
            .filter(|new| !old.iter().any(|old| old.clashes(new)))
            .collect()
    }
}

/// Sockets of single instances that are there, whatever their number is now.
fn of_instances(of: &Situation<'_>) -> Vec<String> {
    let name = &of.app.facts.app;
    let instance = |unit: &&String| {
        let index = unit
            .strip_suffix(".socket")
            .and_then(|unit| unit.rsplit_once('@'));
        let number = index.and_then(|(_, index)| index.parse().ok());
        number.is_some_and(|number| name.instance_socket(number) == **unit)
    };
    of.observed
        .running
        .keys()
        .filter(instance)
        .cloned()
        .collect()
}

fn sockets(app: &AppUnits) -> BTreeMap<&str, Sections> {
    let sockets = app
        .units
        .iter()
        .filter(|unit| unit.name.ends_with(".socket"));
    sockets
        .map(|unit| (unit.name.as_str(), Sections::parse(&unit.text)))
        .collect()
}

/// What can only be set when the socket is opened.
fn options(socket: &Sections) -> Vec<(&str, &str)> {
    let all = socket.section("Socket");
    all.filter(|(key, _)| *key != "Backlog").collect()
}

fn backlog(socket: &Sections) -> u32 {
    let written = socket.get("Socket", "Backlog");
    written
        .and_then(|text| text.parse().ok())
        .unwrap_or(LONGEST)
}

fn addresses(socket: &Sections) -> Vec<Listen> {
    socket
        .all("Socket", "ListenStream")
        .filter_map(|text| Listen::parse(&text.replace("%%", "%")).ok())
        .collect()
}

fn alive(state: Running) -> bool {
    matches!(state, Running::Up | Running::Starting | Running::Stopping)
}

/// Whether an apply that was cut short left this undone: a socket to open or to set, the holder for a change of all instances at once.
fn pending(of: &Situation<'_>, unit: &str) -> bool {
    let pending = of.observed.pending.as_ref();
    pending.is_some_and(|pending| pending.restart.contains(unit))
}

fn listed(addresses: &[Listen]) -> String {
    let words: Vec<String> = addresses.iter().map(Listen::to_string).collect();
    words.join(" and ")
}

/// Sockets of instances that go for good: closed before them.
pub(super) fn leaving(app: &AppUnits, observed: &Observed, stopped: &[String]) -> Vec<String> {
    let name = &app.facts.app;
    if app.facts.balance == Balance::Shared {
        return vec![];
    }
    stopped
        .iter()
        .filter_map(|unit| unit.strip_suffix(".service"))
        .map(|unit| format!("{unit}.socket"))
        .filter(|socket| name.owns(socket) && alive(observed.state(socket)))
        .collect()
}
