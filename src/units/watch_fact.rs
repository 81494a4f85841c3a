//! How `watch` stands in the facts of an app.

use std::time::Duration;

use crate::model::Watch;

pub(super) fn pairs(watch: &Watch) -> Vec<(&'static str, String)> {
    let mut pairs: Vec<(&'static str, String)> = Vec::new();
    pairs.extend(
        watch
            .paths
            .iter()
            .map(|path| ("Watch", path.display().to_string())),
    );
    pairs.extend(
        watch
            .ignore
            .iter()
            .map(|text| ("WatchIgnore", text.clone())),
    );
    pairs.extend(watch.logs.iter().map(|text| ("WatchLog", text.clone())));
    let millis = |span: Duration| span.as_millis().to_string();
    if !watch.delay.is_zero() {
        pairs.push(("WatchDelayMs", millis(watch.delay)));
    }
    pairs.extend(watch.quiet.map(|span| ("WatchQuietMs", millis(span))));
    pairs.extend(watch.poll.map(|span| ("WatchPollMs", millis(span))));
    pairs.extend(watch.depth.map(|depth| ("WatchDepth", depth.to_string())));
    if !watch.links {
        pairs.push(("WatchLinks", "false".to_owned()));
    }
    pairs
}

/// None when no path is watched. `all` gives the values of a key.
pub(super) fn read(all: impl Fn(&str) -> Vec<String>) -> Option<Watch> {
    let paths = all("Watch");
    if paths.is_empty() {
        return None;
    }
    let one = |key| all(key).pop();
    let millis = |key| Some(Duration::from_millis(one(key)?.parse().ok()?));
    Some(Watch {
        paths: paths.into_iter().map(Into::into).collect(),
        ignore: all("WatchIgnore"),
        logs: all("WatchLog"),
        delay: millis("WatchDelayMs").unwrap_or_default(),
        quiet: millis("WatchQuietMs"),
        poll: millis("WatchPollMs"),
        depth: one("WatchDepth").and_then(|depth| depth.parse().ok()),
        links: one("WatchLinks").as_deref() != Some("false"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(watch: &Watch) -> Option<Watch> {
        let pairs = pairs(watch);
        read(|key| {
            let of_key = pairs.iter().filter(|(name, _)| *name == key);
            of_key.map(|(_, value)| value.clone()).collect()
        })
    }

    #[test]
    fn comes_back_from_the_facts() {
        let plain = Watch::of("/srv/app".as_ref());
        assert_eq!(back(&plain), Some(plain));
        let all = Watch {
            paths: vec!["/srv/a b".into(), "/srv/src/**/*.js".into()],
            ignore: vec!["\\.git".into(), "!.env".into()],
            logs: vec!["/srv/out{,-[0-9]*}.log{,.*,-*}".into()],
            delay: Duration::from_millis(1500),
            quiet: Some(Duration::from_secs(2)),
            poll: Some(Duration::from_secs(1)),
            depth: Some(0),
            links: false,
        };
        assert_eq!(back(&all), Some(all));
        assert_eq!(read(|_| Vec::new()), None);
    }
}
