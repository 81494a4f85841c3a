//! `rpmctl scale`: more or fewer instances of one app, until its file says otherwise.

use std::process::ExitCode;

use super::apply::{How, Wish, settle_locked, take_lock};
use super::args::ScaleArgs;
use super::control::{apps, select};
use super::machine;
use super::report::Stop;
use crate::config::keys::INSTANCES_MAX;
use crate::host;
use crate::units;

/// How many, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    Exactly(u32),
    More(u32),
    Fewer(u32),
    /// One a processor.
    Max,
}

/// Errors: what may be written instead.
pub fn count(text: &str) -> Result<Count, &'static str> {
    let number = |digits: &str| match digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => digits.parse::<u32>().ok(),
        false => None,
    };
    let count = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        _ if text.eq_ignore_ascii_case("max") => Some(Count::Max),
        (Some(more), _) => number(more).map(Count::More),
        (_, Some(fewer)) => number(fewer).map(Count::Fewer),
        _ => number(text).map(Count::Exactly),
    };
    count.ok_or("write a number of instances, +N for so many more, -N for so many fewer, or max for one a processor")
}

pub async fn run(args: ScaleArgs, user: bool) -> anyhow::Result<ExitCode> {
    let machine = machine::connect_to_change(user).await?;
    let lock = take_lock(&machine.places)?;
    let known = apps(&machine)?;
    let selected = select(&known, std::slice::from_ref(&args.app))?;
    let [one] = selected.as_slice() else {
        let names: Vec<&str> = selected.iter().map(|one| one.facts.app.as_str()).collect();
        return Err(Stop::new(format!("{} are several apps", names.join(", ")))
            .hint("scale takes one at a time")
            .into());
    };
    if one.instances.is_some() {
        return Err(Stop::new("scale takes a whole app, not an instance").into());
    }
    let before = one.facts.instances;
    let name = one.facts.app.as_str();
    let after = wanted(name, before, args.count)?;
    let scaled = units::scale(&known[name], after).map_err(Stop::new)?;
    let about = format!("scale {name} {after}");
    let how = How {
        check: args.how.check,
        diff: args.how.diff,
        json: args.how.json,
        about: &about,
    };
    settle_locked(&machine, &Wish::Count(&scaled), &how, Some(lock)).await
}

fn wanted(app: &str, before: u32, count: Count) -> anyhow::Result<u32> {
    let after = match count {
        Count::Exactly(count) => Some(count),
        Count::More(more) => before.checked_add(more),
        Count::Fewer(fewer) => Some(before.saturating_sub(fewer)),
        Count::Max => Some(host::this_machine().cpus),
    };
    let quoted = shlex::try_quote(app).unwrap_or_default();
    match after {
        Some(0) => {
            let what = match before {
                1 => format!("{app} has 1 instance, and none would be left"),
                _ => format!("{app} has {before} instances, and none would be left"),
            };
            Err(Stop::new(what)
                .hint(format!("to stop it: rpmctl stop {quoted}"))
                .into())
        }
        Some(after) if after as usize <= INSTANCES_MAX as usize => Ok(after),
        _ => Err(Stop::new(format!("too many instances: {INSTANCES_MAX} at most")).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_written() {
        assert_eq!(count("4"), Ok(Count::Exactly(4)));
        assert_eq!(count("+2"), Ok(Count::More(2)));
        assert_eq!(count("-1"), Ok(Count::Fewer(1)));
        assert_eq!(count("MAX"), Ok(Count::Max));
        for wrong in ["", "+", "-", "--2", "+-1", "2.5", "4294967296", "four"] {
            assert!(count(wrong).is_err(), "{wrong}");
        }
    }
}
