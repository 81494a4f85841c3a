//! How `health` stands in the facts of an app.

use std::time::Duration;

use crate::model::{Door, Health, Listen, Probe};

pub(super) fn pairs(health: &Health) -> Vec<(&'static str, String)> {
    let mut pairs = vec![match &health.probe {
        Probe::Http { path, .. } => ("HealthHttp", path.clone()),
        Probe::Tcp { .. } => ("HealthTcp", "true".to_owned()),
        Probe::Exec { command } => ("HealthExec", command.clone()),
    }];
    if let Probe::Http { statuses, .. } = &health.probe {
        let codes = statuses
            .iter()
            .map(|code| ("HealthStatus", code.to_string()));
        pairs.extend(codes);
    }
    pairs.extend(health.door().map(|door| match door {
        Door::Shared(listen) => ("HealthShared", listen.to_string()),
        Door::Address(listen) => ("HealthAddress", listen.to_string()),
        Door::Ports(base) => ("HealthPorts", base.to_string()),
    }));
    let millis = |span: Duration| span.as_millis().to_string();
    pairs.push(("HealthIntervalMs", millis(health.interval)));
    pairs.push(("HealthTimeoutMs", millis(health.timeout)));
    pairs.push(("HealthThreshold", health.threshold.to_string()));
    if health.restart {
        pairs.push(("HealthRestart", "true".to_owned()));
    }
    pairs
}

/// None when nothing is probed. `all` gives the values of a key.
pub(super) fn read(all: impl Fn(&str) -> Vec<String>) -> Option<Health> {
    let one = |key| all(key).pop();
    let millis = |key| Some(Duration::from_millis(one(key)?.parse().ok()?));
    let door = || {
        let listen = |key| Listen::parse(&one(key)?).ok();
        None.or_else(|| listen("HealthShared").map(Door::Shared))
            .or_else(|| listen("HealthAddress").map(Door::Address))
            .or_else(|| Some(Door::Ports(one("HealthPorts")?.parse().ok()?)))
    };
    let probe = if let Some(command) = one("HealthExec") {
        Probe::Exec { command }
    } else if let Some(path) = one("HealthHttp") {
        let codes = all("HealthStatus");
        Probe::Http {
            path,
            statuses: codes.iter().filter_map(|code| code.parse().ok()).collect(),
            at: door()?,
        }
    } else {
        one("HealthTcp")?;
        Probe::Tcp { at: door()? }
    };
    Some(Health {
        probe,
        interval: millis("HealthIntervalMs")?,
        timeout: millis("HealthTimeoutMs")?,
        threshold: one("HealthThreshold")?.parse().ok()?,
        restart: one("HealthRestart").is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_from_the_facts() {
        let http = |statuses, at| Probe::Http {
            path: "/a?b=%n".into(),
            statuses,
            at,
        };
        for probe in [
            http(vec![], Door::Shared(Listen::Port(3000))),
            http(
                vec![200, 404],
                Door::Address(Listen::Path("/run/a b".into())),
            ),
            Probe::Tcp {
                at: Door::Ports(4000),
            },
            Probe::Exec {
                command: "test -e \"$X\" # 100%".into(),
            },
        ] {
            let health = Health {
                probe,
                interval: Duration::from_secs(10),
                timeout: Duration::from_millis(1500),
                threshold: 3,
                restart: true,
            };
            let pairs = pairs(&health);
            let back = read(|key| {
                let of_key = pairs.iter().filter(|(name, _)| *name == key);
                of_key.map(|(_, value)| value.clone()).collect()
            });
            assert_eq!(back, Some(health));
        }
        assert_eq!(read(|_| Vec::new()), None);
    }
}
