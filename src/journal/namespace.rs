//! Journals of their own, `log_namespace` (systemd-journald.service(8), "Journal Namespaces").
//!
//! What an app writes is in its namespace, what systemd says of it in the machine's journal, so both are read and put together here, by one journalctl
//! each. `journalctl --namespace='*'` would do it alone, but leaves out a line that one journald stores a moment after another stored a later one: while
//! following two that got 20,000 lines a second each, 10 of 200,000 (systemd 252).

use std::path::Path;

use super::entry::Stream;
use super::query::{Query, Scope};

impl Query {
    /// The same for each journal by itself, the machine's first: it also has what an app wrote before it had its own.
    pub fn parts(&self) -> Vec<Query> {
        let mut parts = vec![self.clone()];
        if self.scope != Scope::System || self.stream == Some(Stream::Manager) {
            return parts;
        }
        for app in &self.apps {
            let Some(namespace) = &app.namespace else {
                continue;
            };
            let of = |part: &Query| part.namespace.as_ref() == Some(namespace);
            match parts.iter_mut().find(|part| of(part)) {
                Some(part) => part.apps.push(app.clone()),
                None => parts.push(Query {
                    apps: vec![app.clone()],
                    namespace: Some(namespace.clone()),
                    ..self.clone()
                }),
            }
        }
        parts
    }

    /// Whether its journal has a folder. A journalctl that starts before that never sees it (252).
    pub(super) fn is_there(&self) -> bool {
        self.namespace.as_deref().is_none_or(has_folder)
    }
}

/// Whether the namespace has a journal at all.
pub fn has_folder(namespace: &str) -> bool {
    let Ok(machine) = std::fs::read_to_string("/etc/machine-id") else {
        return false;
    };
    let folder = format!("{}.{namespace}", machine.trim());
    ["/var/log/journal", "/run/log/journal"]
        .iter()
        .any(|root| Path::new(root).join(&folder).is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::LogApp;

    #[test]
    fn a_part_for_each_journal() {
        let app = |name: &str, namespace: Option<&str>| LogApp {
            name: name.into(),
            stem: name.into(),
            namespace: namespace.map(str::to_owned),
            ..LogApp::default()
        };
        let apps = vec![
            app("a", None),
            app("b", Some("shop")),
            app("c", Some("c")),
            app("d", Some("shop")),
        ];
        let mut query = Query::new(Scope::System, apps);
        let names = |query: &Query| -> Vec<(Option<String>, Vec<String>)> {
            let parts = query.parts();
            let name = |part: &Query| part.apps.iter().map(|app| app.name.clone()).collect();
            parts
                .iter()
                .map(|part| (part.namespace.clone(), name(part)))
                .collect()
        };
        let list = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            names(&query),
            [
                (None, list("a b c d")),
                (Some("shop".into()), list("b d")),
                (Some("c".into()), list("c")),
            ]
        );
        query.stream = Some(Stream::Manager);
        assert_eq!(names(&query).len(), 1);
        query.stream = None;
        query.scope = Scope::User { uid: 1000 };
        assert_eq!(names(&query).len(), 1);
    }
}
