//! A value as written, with its place; keys in the file's order.

use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Span};

#[derive(Clone, PartialEq, Debug)]
pub struct Value {
    pub kind: Kind,
    pub span: Span,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Kind {
    Text(String),
    Integer(i64),
    /// As written, without underscores.
    Float(String),
    Bool(bool),
    /// As written.
    Date(String),
    List(Vec<Value>),
    Table(Vec<Entry>),
}

#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    pub key: String,
    pub key_span: Span,
    pub value: Value,
}

impl Value {
    /// What it is, for `is …, not …`.
    pub fn noun(&self) -> &'static str {
        match self.kind {
            Kind::Text(_) => "text",
            Kind::Integer(_) | Kind::Float(_) => "a number",
            Kind::Bool(true) => "true",
            Kind::Bool(false) => "false",
            Kind::Date(_) => "a date",
            Kind::List(_) => "an array",
            Kind::Table(_) => "a table",
        }
    }

    /// Text, a number, a bool or a date in one piece, as PM2 turns them into text; None for arrays and tables.
    pub fn scalar(&self) -> Option<String> {
        Some(match &self.kind {
            Kind::Text(text) | Kind::Float(text) | Kind::Date(text) => text.clone(),
            Kind::Integer(number) => number.to_string(),
            Kind::Bool(value) => value.to_string(),
            Kind::List(_) | Kind::Table(_) => return None,
        })
    }

    /// The same as JSON, for structured values in the environment.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.kind {
            Kind::Text(text) | Kind::Date(text) => text.as_str().into(),
            Kind::Integer(number) => (*number).into(),
            Kind::Float(text) => text
                .parse::<f64>()
                .map_or(serde_json::Value::Null, Into::into),
            Kind::Bool(value) => (*value).into(),
            Kind::List(items) => items.iter().map(Value::to_json).collect(),
            Kind::Table(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.value.to_json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}

/// The parser's tree in our form; numbers too large for it become problems.
pub fn from_table(table: &DeTable<'_>, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_span: key.span(),
            value: from_value(value.get_ref(), value.span(), problems),
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_span.start);
    entries
}

/// The 66 code points that Unicode keeps from text; systemd's check of UTF-8 refuses them (seen on 252).
fn noncharacter(c: char) -> bool {
    let code = c as u32;
    code & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&code)
}

fn from_value(value: &DeValue<'_>, span: Span, problems: &mut Vec<Problem>) -> Value {
    let kind = match value {
        DeValue::String(text) => {
            if let Some(c) = text.chars().find(|c| noncharacter(*c)) {
                problems.push(
                    Problem::at(&span, format!("U+{:04X} is not a character", c as u32))
                        .label("systemd does not load a unit or an environment that has it"),
                );
            }
            Kind::Text(text.to_string())
        }
        DeValue::Integer(number) => {
            match i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()) {
                Ok(number) => Kind::Integer(number),
                Err(_) => {
                    problems
                        .push(Problem::at(&span, "a number is out of range").label(
                            "TOML's whole numbers have 64 bits; put a longer one in quotes",
                        ));
                    Kind::Integer(0)
                }
            }
        }
        DeValue::Float(number) => Kind::Float(number.as_str().replace('_', "")),
        DeValue::Boolean(value) => Kind::Bool(*value),
        DeValue::Datetime(date) => Kind::Date(date.to_string()),
        DeValue::Array(items) => Kind::List(
            items
                .iter()
                .map(|item| from_value(item.get_ref(), item.span(), problems))
                .collect(),
        ),
        DeValue::Table(table) => Kind::Table(from_table(table, problems)),
    };
    Value { kind, span }
}
