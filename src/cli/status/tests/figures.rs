//! Sums of several instances, and what there was between two looks.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{app, facts, histogram, requests, usage};
use crate::apply::view::figures::{Figures, Sample, Since};
use crate::apply::view::{Row, words};
use crate::process::Requests;

#[test]
fn between_two_looks() {
    let facts = facts("api", 3, "");
    let look = |usec: u64, count: u64| {
        app(&facts, move |row| Row {
            usage: Some(usage(4711 + row.instance, usec)),
            requests: Some(Requests {
                total: histogram(&[(1000, count)]),
                ..requests()
            }),
            ..row
        })
    };
    let begun = Instant::now();
    let before = Sample::of(&[look(500_000, 10)], begun);
    let mut later = look(1_500_000, 31);
    // One was started anew: of it there is what is known since then.
    later.rows[2].usage = Some(usage(9, 10));
    let after = Sample::of(std::slice::from_ref(&later), begun + Duration::from_secs(2));
    let since = before.until(&after);
    let figures = |row: usize| Figures::of(&later.rows[row..=row], &since);
    // Requests are counted once a second, so those between two looks say nothing of a second.
    let minute = requests().per_second();
    for (row, cpu) in [(0, 50.0), (2, 3.25)] {
        let figures = figures(row);
        assert_eq!((figures.cpu, figures.per_second), (Some(cpu), minute));
    }
    assert_eq!(figures(0).response, figures(2).response);
    assert_eq!(Figures::of(&later.rows, &since).cpu, Some(103.25));
}

#[test]
fn figures_of_several_are_those_of_all_their_requests() {
    let facts = facts("api", 2, "");
    let app = app(&facts, |row| Row {
        requests: Some(match row.instance {
            0 => Requests {
                recent: histogram(&[(1000, 97)]),
                ..requests()
            },
            _ => Requests {
                recent: histogram(&[(1000, 2), (500_000, 1)]),
                ..requests()
            },
        }),
        ..row
    });
    let figures = Figures::of(&app.rows, &Since::default());
    let words = figures.response.map(|times| times.map(words::response));
    assert_eq!(words, Some(["1.0ms"; 3].map(str::to_owned)));
    assert_eq!(figures.requests, Some([200_000, 24, 6]));
    assert_eq!(figures.causes, BTreeMap::new());
}
