//! JSON Schema of an ecosystem file, for editors; derived from the table of keys.

use serde_json::{Map, Value, json};

use super::keys::{Form, INSTANCES_MAX, KEYS, Status};

/// Draft 2020-12.
pub fn schema() -> Value {
    let mut properties = Map::new();
    for key in KEYS {
        let mut schema = of_form(key.form);
        let (meant, deprecated) = match key.status {
            Status::Now => (String::new(), false),
            Status::Later(meanwhile) => (
                format!(" For a later version; until then {meanwhile}."),
                false,
            ),
            Status::Meaningless(why) => (format!("No meaning here: {why}."), true),
        };
        let default = match key.default {
            "" => String::new(),
            default => format!(" Default: {default}."),
        };
        schema["description"] = format!("{}{default}{meant}", key.doc).into();
        if deprecated {
            schema["deprecated"] = true.into();
        }
        for spelling in key.spellings() {
            let mut schema = schema.clone();
            if spelling != key.name {
                schema["deprecated"] = true.into();
                schema["description"] = format!("Another way to write `{}`. {}", key.name, key.doc)
                    .trim()
                    .into();
            }
            properties.insert(spelling, schema);
        }
    }
    let app = json!({
        "type": "object",
        "properties": properties,
        "patternProperties": { "^env_.+$": of_form(Form::Env) },
        "additionalProperties": false,
        "anyOf": super::keys::named("script")
            .spellings()
            .into_iter()
            .map(|name| json!({ "required": [name] }))
            .collect::<Vec<_>>(),
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ecosystem.toml of rpmctl",
        "type": "object",
        "properties": {
            "apps": {
                "oneOf": [
                    { "type": "array", "items": { "$ref": "#/$defs/app" }, "minItems": 1 },
                    { "$ref": "#/$defs/app" },
                ],
            },
            "deploy": { "deprecated": true, "description": "Not read." },
            "static": { "deprecated": true, "description": "Not read." },
        },
        "required": ["apps"],
        "additionalProperties": false,
        "$defs": { "app": app },
    })
}

fn of_form(form: Form) -> Value {
    let text = || json!({ "type": "string" });
    let several = |one: Value| json!({ "anyOf": [one.clone(), { "type": "array", "items": one }] });
    let digits = |min: u64, max: u64| {
        json!({ "anyOf": [
            { "type": "integer", "minimum": min, "maximum": max },
            { "type": "string", "pattern": "^\\s*[0-9]+\\s*$" },
        ] })
    };
    match form {
        Form::Text => text(),
        Form::Bool => json!({ "type": "boolean" }),
        Form::Count(min, max) => digits(min, max),
        Form::Duration => json!({ "anyOf": [
            { "type": "number", "minimum": 0 },
            { "type": "string", "pattern": "^\\s*[0-9]+(\\.[0-9]+)?\\s*(ms|s|sec|m|min|h|d)?\\s*$" },
        ] }),
        Form::Size => json!({ "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": "^\\s*[0-9]+(\\.[0-9]+)?\\s*([kKmMgGtT]([iI]?[bB])?|[bB])?\\s*$" },
            { "const": false },
        ] }),
        Form::Texts => several(text()),
        Form::Words => json!({ "anyOf": [
            { "type": ["string", "number"] },
            { "type": "array", "items": { "type": ["string", "number", "boolean"] } },
        ] }),
        Form::Id => {
            json!({ "anyOf": [{ "type": "string", "minLength": 1 }, { "type": "integer", "minimum": 0 }] })
        }
        Form::LogPath | Form::TextOrOff => json!({ "anyOf": [text(), { "const": false }] }),
        Form::Rotate => json!({ "anyOf": [
            { "type": "boolean" },
            {
                "type": "object",
                "properties": super::rotate::KEYS
                    .iter()
                    .flat_map(|(name, aliases, form)| {
                        std::iter::once(name).chain(*aliases).map(|name| ((*name).to_owned(), of_form(*form)))
                    })
                    .collect::<serde_json::Map<_, _>>(),
                "additionalProperties": false,
            },
        ] }),
        Form::Health => json!({ "anyOf": [
            { "type": "string", "pattern": "^/" },
            { "const": false },
            {
                "type": "object",
                "properties": super::health::KEYS
                    .iter()
                    .flat_map(|(name, aliases, form)| {
                        std::iter::once(name).chain(*aliases).map(|name| ((*name).to_owned(), of_form(*form)))
                    })
                    .collect::<serde_json::Map<_, _>>(),
                "additionalProperties": false,
            },
        ] }),
        Form::LogNamespace => json!({ "anyOf": [{ "type": "boolean" }, text()] }),
        Form::Choice(words) => json!({ "enum": words }),
        Form::Codes => several(digits(0, 255)),
        Form::Instances => json!({ "anyOf": [
            { "type": "integer", "maximum": INSTANCES_MAX },
            { "type": "string", "pattern": "^\\s*([mM][aA][xX]|-?[0-9]+)\\s*$" },
        ] }),
        Form::Listen => json!({ "anyOf": [
            several(json!({ "anyOf": [{ "type": "integer", "minimum": 1, "maximum": 65535 }, text()] })),
            { "const": false },
        ] }),
        Form::Port => digits(1, 65535),
        Form::Cron => json!({ "anyOf": [text(), { "enum": [0, false] }] }),
        Form::Watch => json!({ "anyOf": [{ "type": "boolean" }, several(text())] }),
        Form::WatchOptions => {
            let names = super::watch_options::OPTIONS
                .iter()
                .flat_map(|option| [option.name.to_owned(), super::keys::camel(option.name)]);
            json!({
                "type": "object",
                "properties": names.map(|name| (name, json!({}))).collect::<Map<_, _>>(),
                "additionalProperties": false,
            })
        }
        Form::Signal => json!({ "enum": crate::model::signal::SIGNALS
            .iter()
            .flat_map(|name| [*name, &name[3..]])
            .collect::<Vec<_>>() }),
        Form::EnvName => json!({ "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" }),
        Form::Env => json!({
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
        }),
        Form::Systemd => {
            let directives = json!({
                "type": "object",
                "propertyNames": { "pattern": "^[A-Z][A-Za-z0-9-]*$" },
                "additionalProperties": several(json!({ "type": ["string", "number", "boolean"] })),
            });
            json!({
                "type": "object",
                "properties": {
                    "Unit": directives,
                    "Service": directives,
                    "Socket": directives,
                    "Install": directives,
                },
                "additionalProperties": false,
            })
        }
        Form::Any => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_in_it() {
        let schema = schema();
        let properties = schema["$defs"]["app"]["properties"].as_object().unwrap();
        for key in KEYS {
            for spelling in key.spellings() {
                assert!(
                    properties[&spelling]["description"]
                        .as_str()
                        .is_some_and(|d| !d.is_empty()),
                    "{spelling}"
                );
            }
        }
        assert_eq!(properties["instances"]["deprecated"], Value::Null);
        assert_eq!(properties["io"]["deprecated"], true);
    }
}
