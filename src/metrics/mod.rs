//! The figures of `status` as metrics of Prometheus: names that last, values in, text out.
//!
//! One table, [`FAMILIES`], says of each family its name, kind, labels and meaning, and where its values come from; the manual is made of it.

mod collect;
mod custom;
mod exposition;
mod family;
pub mod serve;
mod table;
#[cfg(test)]
mod tests;
mod values;

use std::time::Duration;

use crate::apply::view::{App, Row};

pub use collect::collect;
pub use custom::PREFIX;
pub use exposition::Format;
use exposition::{Exposition, Labels};
pub use family::{Family, Kind};
pub use table::FAMILIES;

/// What there is to tell.
pub struct Seen<'a> {
    pub apps: &'a [App<'a>],
    /// Whether the watcher runs; None where no app needs it.
    pub watcher: Option<bool>,
    /// Seconds since the epoch at which the machine was booted, which starts are counted from.
    pub booted: Option<u64>,
    /// How long it took to find all this out.
    pub took: Duration,
}

/// The same, with the labels that most of it has.
struct View<'a> {
    seen: &'a Seen<'a>,
    apps: Vec<(Labels, &'a App<'a>)>,
    rows: Vec<(Labels, &'a Row<'a>)>,
}

impl<'a> View<'a> {
    fn of(seen: &'a Seen<'a>) -> View<'a> {
        let mut view = View {
            seen,
            apps: vec![],
            rows: vec![],
        };
        for app in seen.apps {
            let labels = Labels::default().with("app", app.facts.app.as_str());
            for row in &app.rows {
                let own = labels.with("index", &row.instance.to_string());
                view.rows.push((own, row));
            }
            view.apps.push((labels, app));
        }
        view
    }
}

/// All of it, as it is scraped.
pub fn text(seen: &Seen<'_>, format: Format) -> String {
    let view = View::of(seen);
    let mut exposition = Exposition::new(format);
    for family in &FAMILIES {
        let about = (family.name, family.kind, family.help);
        exposition.family(about, family.unit(), |out| (family.samples)(&view, out));
    }
    custom::add(&view, &mut exposition);
    exposition.end()
}
