//! Users and groups, from whatever source the machine has (nsswitch.conf(5)).

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use anyhow::Context;

/// Which of the names or numbers `database` ("passwd" or "group") knows; one getent(1) for all.
pub fn known(database: &str, names: &[String]) -> anyhow::Result<BTreeMap<String, bool>> {
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let output = Command::new("getent")
        .args(["--", database])
        .args(names)
        .stdin(Stdio::null())
        .output()
        .context("cannot run getent, which looks up users and groups; install libc-bin (Debian) or glibc-common (Fedora)")?;
    // 2: some are not known (getent(1)).
    if !matches!(output.status.code(), Some(0 | 2)) {
        anyhow::bail!(
            "getent {database} failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(':').collect()).collect();
    Ok(names
        .iter()
        .map(|name| {
            let found = lines.iter().any(|fields| {
                fields.first() == Some(&name.as_str()) || fields.get(2) == Some(&name.as_str())
            });
            (name.clone(), found)
        })
        .collect())
}

/// Whose files something is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub uid: u32,
    pub gid: u32,
    /// All groups, `gid` among them.
    pub groups: Vec<u32>,
}

/// The account of a unit with this `User=` and `Group=` (names or numbers; systemd.exec(5)): root without a user, the user's own group without a group.
/// Errors: there is no such user or group, or getent(1) cannot be run.
pub fn account(user: Option<&str>, group: Option<&str>) -> anyhow::Result<Account> {
    let number = |text: Option<&String>| text.and_then(|text| text.parse().ok());
    let (uid, own) = match user {
        None => (0, 0),
        Some(user) => {
            let line = entry("passwd", user)?;
            number(line.get(2))
                .zip(number(line.get(3)))
                .with_context(|| format!("getent passwd {user}: not a line of passwd(5)"))?
        }
    };
    let gid = match group {
        None => own,
        Some(group) => {
            let line = entry("group", group)?;
            number(line.get(2))
                .with_context(|| format!("getent group {group}: not a line of group(5)"))?
        }
    };
    let mut groups = vec![gid];
    if let Some(user) = user {
        let output = Command::new("getent")
            .args(["--", "initgroups", user])
            .stdin(Stdio::null())
            .output()
            .context("cannot run getent")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        groups.extend(
            text.split_whitespace()
                .skip(1)
                .filter_map(|word| word.parse::<u32>().ok()),
        );
        groups.push(own);
    }
    groups.sort_unstable();
    groups.dedup();
    Ok(Account { uid, gid, groups })
}

/// A group's number and the names of its members, those left out whose first group it is; none when there is no such group.
pub fn group(name: &str) -> Option<(u32, Vec<String>)> {
    let line = entry("group", name).ok()?;
    let members = line.get(3)?.split(',').map(str::trim);
    let members = members.filter(|one| !one.is_empty()).map(str::to_owned);
    Some((line.get(2)?.parse().ok()?, members.collect()))
}

/// What the user of this number is called.
pub fn name(uid: &str) -> Option<String> {
    entry("passwd", uid).ok()?.into_iter().next()
}

/// Whether this process is in the group of this number, and whether its user is listed among these names.
pub fn is_in(gid: u32, members: &[String]) -> (bool, bool) {
    let groups = rustix::process::getgroups().unwrap_or_default();
    let own = rustix::process::getegid();
    let joined = groups.iter().chain([&own]).any(|one| one.as_raw() == gid);
    let uid = rustix::process::getuid().as_raw().to_string();
    (
        joined,
        name(&uid).is_some_and(|name| members.contains(&name)),
    )
}

fn entry(database: &str, name: &str) -> anyhow::Result<Vec<String>> {
    let output = Command::new("getent")
        .args(["--", database, name])
        .stdin(Stdio::null())
        .output()
        .context("cannot run getent")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().next().with_context(|| match database {
        "passwd" => format!("there is no user {name}"),
        _ => format!("there is no group {name}"),
    })?;
    Ok(line.split(':').map(str::to_owned).collect())
}
