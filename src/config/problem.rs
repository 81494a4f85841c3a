//! What is wrong with a file: where, what, and what to write instead; shown as text with a caret or as JSON.

use std::fmt::Write;
use std::ops::Range;

use serde_json::{Value, json};

use super::excerpt;

/// Bytes of the file's text.
pub type Span = Range<usize>;

/// One mistake.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Problem {
    /// None for what no place of the file causes, such as a profile of the command line.
    pub span: Option<Span>,
    /// The mistake, lower case, keys in backquotes.
    pub what: String,
    /// Beside the caret: what is allowed, or what was meant.
    pub label: String,
    /// A second place that belongs to it: the other app of that name.
    pub also: Option<Box<(Span, String)>>,
    /// What to do next, when the label cannot hold it.
    pub help: Option<String>,
    /// The file may be right and this machine lacks something.
    pub machine: bool,
}

impl Problem {
    pub fn at(span: &Span, what: impl Into<String>) -> Problem {
        Problem {
            span: Some(span.clone()),
            what: what.into(),
            ..Problem::default()
        }
    }

    pub fn nowhere(what: impl Into<String>) -> Problem {
        Problem {
            what: what.into(),
            ..Problem::default()
        }
    }

    pub fn label(mut self, label: impl Into<String>) -> Problem {
        self.label = label.into();
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }

    pub fn also(mut self, span: &Span, label: impl Into<String>) -> Problem {
        self.also = Some(Box::new((span.clone(), label.into())));
        self
    }

    pub fn on_this_machine(mut self) -> Problem {
        self.machine = true;
        self
    }
}

/// By place; those without one come last.
pub fn sort(problems: &mut [Problem]) {
    problems.sort_by_key(|p| {
        p.span
            .as_ref()
            .map_or((usize::MAX, 0), |s| (s.start, s.end))
    });
}

/// Problems together with the text they are about.
pub struct Report<'a> {
    /// The file as the user named it.
    pub name: &'a str,
    pub text: &'a str,
    pub problems: &'a [Problem],
}

const RED: &str = "\x1b[1;31m";
const BLUE: &str = "\x1b[1;34m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

impl Report<'_> {
    /// For people; ends with the count and a line break. `color` adds ANSI colours.
    pub fn to_text(&self, color: bool) -> String {
        let paint = |code: &'static str| if color { code } else { "" };
        let mut out = String::new();
        for problem in self.problems {
            let (red, bold, plain) = (paint(RED), paint(BOLD), paint(PLAIN));
            let _ = writeln!(
                out,
                "{red}error{plain}{bold}: {}{plain}",
                excerpt::printable(&problem.what)
            );
            let places = problem
                .span
                .iter()
                .map(|span| (span, problem.label.as_str()))
                .chain(
                    problem
                        .also
                        .as_deref()
                        .map(|(span, label)| (span, label.as_str())),
                );
            for (index, (span, label)) in places.enumerate() {
                let arrow = if index == 0 { "-->" } else { ":::" };
                out.push_str(&excerpt::excerpt(
                    self.name,
                    self.text,
                    span,
                    arrow,
                    &excerpt::printable(label),
                    (paint(BLUE), red, plain),
                ));
            }
            if problem.span.is_none() && !problem.label.is_empty() {
                let _ = writeln!(out, "  {}", excerpt::printable(&problem.label));
            }
            if let Some(help) = &problem.help {
                let _ = writeln!(out, "   = help: {}", excerpt::printable(help));
            }
            out.push('\n');
        }
        let count = match self.problems.len() {
            1 => "1 problem".to_owned(),
            n => format!("{n} problems"),
        };
        let _ = writeln!(
            out,
            "{}error{}: {count} in {}; nothing was changed",
            paint(RED),
            paint(PLAIN),
            self.name
        );
        out
    }

    /// For programs: an array of objects with `file`, `line`, `column`, `end_line`, `end_column` (from 1, columns in characters), `message`, `label`,
    /// `help`, and `machine`: whether the file may be right, and this machine lacks something.
    pub fn to_json(&self) -> Value {
        self.problems
            .iter()
            .map(|problem| {
                let mut object = json!({
                    "file": self.name,
                    "message": problem.what,
                    "label": problem.label,
                    "help": problem.help,
                    "machine": problem.machine,
                });
                if let Some(span) = &problem.span {
                    let start = excerpt::position(self.text, span.start);
                    let end = excerpt::position(self.text, span.end);
                    object["line"] = start.line.into();
                    object["column"] = start.column.into();
                    object["end_line"] = end.line.into();
                    object["end_column"] = end.column.into();
                }
                object
            })
            .collect()
    }
}
