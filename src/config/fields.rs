//! Values of an app by key, each in the form its key's table entry asks for; what has another form becomes a problem at the value.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::{Bytes, EnvName, Signal, parse_duration};

use super::file::{Field, WrittenApp};
use super::keys::Form;
use super::place;
use super::problem::{Problem, Span};
use super::suggest;
use super::value::{Kind, Value};

/// One app's fields, and where its problems and notes go.
pub struct Fields<'a> {
    pub app: &'a WrittenApp,
    pub problems: Vec<Problem>,
    pub notes: Vec<(Option<Span>, String)>,
}

/// A value with its place.
pub type At<T> = (T, Span);

impl<'a> Fields<'a> {
    pub fn new(app: &'a WrittenApp) -> Fields<'a> {
        Fields {
            app,
            problems: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub fn field(&self, key: &str) -> Option<&'a Field> {
        self.app.field(key)
    }

    /// The place of a key's value, or of the app.
    pub fn span(&self, key: &str) -> Span {
        self.field(key)
            .map_or(self.app.span.clone(), |field| field.value.span.clone())
    }

    pub fn note(&mut self, span: Span, what: impl Into<String>) {
        self.notes.push((Some(span), what.into()));
    }

    /// The value has a form that the key does not take.
    pub fn wrong(&mut self, field: &Field, value: &Value) {
        let mut problem = Problem::at(
            &value.span,
            format!("`{}` is {}", field.key.name, value.noun()),
        )
        .label(format!("write {}", field.key.form.expects()));
        if let (Form::Bool, Kind::Text(text)) = (field.key.form, &value.kind)
            && matches!(text.as_str(), "true" | "false")
        {
            problem = problem.label(format!("write {text} without quotes"));
        }
        self.problems.push(problem);
    }

    /// The value has the right form and says something impossible: `` `key` "…" why``.
    pub fn bad(&mut self, field: &Field, value: &Value, why: &str) {
        let shown = match &value.kind {
            Kind::Text(text) => format!("{text:?}"),
            _ => value.scalar().unwrap_or_default(),
        };
        self.problems.push(
            Problem::at(
                &value.span,
                format!(
                    "`{}` {shown} {}",
                    field.key.name,
                    why.split(": ").next().unwrap_or(why)
                ),
            )
            .label(match why.split_once(": ") {
                Some((_, hint)) => hint.to_owned(),
                None => format!("write {}", field.key.form.expects()),
            }),
        );
    }

    pub fn text(&mut self, key: &str) -> Option<At<String>> {
        let field = self.field(key)?;
        match &field.value.kind {
            Kind::Text(text) => self.clean(field, &field.value, text),
            _ => {
                self.wrong(field, &field.value);
                None
            }
        }
    }

    /// Refuses what no path, argument or unit can hold.
    fn clean(&mut self, field: &Field, value: &Value, text: &str) -> Option<At<String>> {
        if text.contains('\0') {
            self.bad(
                field,
                value,
                "has a NUL character: no process can be given one",
            );
            return None;
        }
        Some((text.to_owned(), value.span.clone()))
    }

    pub fn bool(&mut self, key: &str) -> Option<bool> {
        let field = self.field(key)?;
        match field.value.kind {
            Kind::Bool(value) => Some(value),
            _ => {
                self.wrong(field, &field.value);
                None
            }
        }
    }

    /// A whole number, also in quotes, in the range of the key's form.
    pub fn count(&mut self, key: &str) -> Option<u64> {
        let field = self.field(key)?;
        let Form::Count(min, max) = field.key.form else {
            unreachable!("`{key}` is a count")
        };
        let number = match &field.value.kind {
            Kind::Integer(number) => Some(*number),
            Kind::Text(text) => text.trim().parse().ok(),
            _ => None,
        };
        match number {
            Some(number) => match u64::try_from(number) {
                Ok(number) if (min..=max).contains(&number) => Some(number),
                _ => {
                    self.bad(field, &field.value, "is out of range");
                    None
                }
            },
            None => {
                self.wrong(field, &field.value);
                None
            }
        }
    }

    pub fn duration(&mut self, key: &str) -> Option<At<Duration>> {
        let field = self.field(key)?;
        let text = match &field.value.kind {
            Kind::Text(text) | Kind::Float(text) => text.clone(),
            Kind::Integer(number) => number.to_string(),
            _ => {
                self.wrong(field, &field.value);
                return None;
            }
        };
        match parse_duration(&text) {
            Ok(duration) => Some((duration, field.value.span.clone())),
            Err(why) => {
                self.bad(field, &field.value, why);
                None
            }
        }
    }

    /// None also for 0 and false, which mean off.
    pub fn size(&mut self, key: &str) -> Option<At<Bytes>> {
        let field = self.field(key)?;
        let text = match &field.value.kind {
            Kind::Text(text) => text.clone(),
            Kind::Integer(0) | Kind::Bool(false) => return None,
            Kind::Integer(number) => number.to_string(),
            _ => {
                self.wrong(field, &field.value);
                return None;
            }
        };
        match Bytes::parse(&text) {
            Ok(bytes) => Some((bytes, field.value.span.clone())),
            Err(why) => {
                self.bad(field, &field.value, why);
                None
            }
        }
    }

    /// One text or an array of texts.
    pub fn texts(&mut self, key: &str) -> Vec<At<String>> {
        let Some(field) = self.field(key) else {
            return Vec::new();
        };
        let values: Vec<&Value> = match &field.value.kind {
            Kind::List(items) => items.iter().collect(),
            _ => vec![&field.value],
        };
        values
            .into_iter()
            .filter_map(|value| match &value.kind {
                Kind::Text(text) => self.clean(field, value, text),
                _ => {
                    self.wrong(field, value);
                    None
                }
            })
            .collect()
    }

    /// An array of texts and numbers as it stands, or one text split like a shell's words, with no expansion.
    pub fn words(&mut self, key: &str) -> Vec<String> {
        let Some(field) = self.field(key) else {
            return Vec::new();
        };
        match &field.value.kind {
            Kind::Text(text) => {
                match super::shell::words(text) {
                    Some(_) if text.contains('\0') => {
                        self.clean(field, &field.value, text);
                        Vec::new()
                    }
                    Some(words) => words,
                    None => {
                        self.bad(field, &field.value, "has a quote that is not closed: close it, or write an array of arguments");
                        Vec::new()
                    }
                }
            }
            Kind::List(items) => items
                .iter()
                .filter_map(|item| match item.scalar() {
                    Some(text) => self.clean(field, item, &text).map(|(text, _)| text),
                    None => {
                        self.wrong(field, item);
                        None
                    }
                })
                .collect(),
            _ => match field.value.scalar() {
                Some(number) if !matches!(field.value.kind, Kind::Bool(_)) => vec![number],
                _ => {
                    self.wrong(field, &field.value);
                    Vec::new()
                }
            },
        }
    }

    /// A name or a number.
    pub fn id(&mut self, key: &str) -> Option<At<String>> {
        let field = self.field(key)?;
        match &field.value.kind {
            Kind::Text(text) if !text.is_empty() => self.clean(field, &field.value, text),
            Kind::Integer(number) if *number >= 0 => {
                Some((number.to_string(), field.value.span.clone()))
            }
            _ => {
                self.wrong(field, &field.value);
                None
            }
        }
    }

    pub fn choice(&mut self, key: &str) -> Option<String> {
        let field = self.field(key)?;
        let Form::Choice(words) = field.key.form else {
            unreachable!("`{key}` is a choice")
        };
        match &field.value.kind {
            Kind::Text(text) if words.contains(&text.as_str()) => Some(text.clone()),
            Kind::Text(text) => {
                let hint = suggest::did_you_mean(text, words.iter().copied())
                    .unwrap_or_else(|| format!("write {}", field.key.form.expects()));
                self.bad(field, &field.value, &format!("is not known: {hint}"));
                None
            }
            _ => {
                self.wrong(field, &field.value);
                None
            }
        }
    }

    pub fn signal(&mut self, key: &str) -> Option<Signal> {
        let (text, span) = self.text(key)?;
        let signal = Signal::parse(&text);
        if signal.is_none() {
            let known = crate::model::signal::SIGNALS;
            self.problems.push(
                Problem::at(
                    &span,
                    format!("`{key}` {text:?} is not a signal that ends a process"),
                )
                .label(suggest::did_you_mean(&text, known).unwrap_or_else(|| known.join(", "))),
            );
        }
        signal
    }

    pub fn env_name(&mut self, key: &str) -> Option<At<EnvName>> {
        let (text, span) = self.text(key)?;
        match EnvName::new(&text) {
            Some(name) => Some((name, span)),
            None => {
                self.problems.push(
                    Problem::at(
                        &span,
                        format!("`{key}` {text:?} is not the name of a variable"),
                    )
                    .label("letters, digits and `_`, the first not a digit"),
                );
                None
            }
        }
    }

    /// Codes 0 to 255, one or several, also in quotes.
    pub fn codes(&mut self, key: &str) -> Vec<u8> {
        let Some(field) = self.field(key) else {
            return Vec::new();
        };
        let values: Vec<&Value> = match &field.value.kind {
            Kind::List(items) => items.iter().collect(),
            _ => vec![&field.value],
        };
        let mut codes = Vec::new();
        for value in values {
            let number = match &value.kind {
                Kind::Integer(number) => u8::try_from(*number).ok(),
                Kind::Text(text) => text.trim().parse().ok(),
                _ => {
                    self.wrong(field, value);
                    continue;
                }
            };
            match number {
                Some(code) if codes.contains(&code) => {}
                Some(code) => codes.push(code),
                None => self.bad(field, value, "is not an exit code"),
            }
        }
        codes
    }

    /// A path of the file made absolute; a problem when `~` cannot be told.
    pub fn absolute(
        &mut self,
        written: &str,
        span: &Span,
        base: &Path,
        home: Option<&Path>,
    ) -> Option<PathBuf> {
        let path = place::absolute(written, base, home);
        if path.is_none() {
            self.problems.push(
                Problem::at(span, "`~` stands for a home folder, and HOME is not set")
                    .label("write the whole path"),
            );
        }
        path
    }
}
