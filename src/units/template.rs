//! The unit templates: embedded, each replaceable by a file of the site.

use std::collections::BTreeMap;

use tera::{Context, Tera};

/// Name and text of each template as shipped, under `templates/`.
pub const SHIPPED: [(&str, &str); 11] = [
    ("app@.service", include_str!("../../templates/app@.service")),
    ("app.socket", include_str!("../../templates/app.socket")),
    ("app@.socket", include_str!("../../templates/app@.socket")),
    (
        "app-socket.service",
        include_str!("../../templates/app-socket.service"),
    ),
    ("app.target", include_str!("../../templates/app.target")),
    (
        super::watcher::UNIT,
        include_str!("../../templates/rpmctl-watch.service"),
    ),
    (
        "app-health@.service",
        include_str!("../../templates/app-health@.service"),
    ),
    (
        super::metrics::SOCKET,
        include_str!("../../templates/rpmctl-metrics.socket"),
    ),
    (
        super::metrics::SERVICE,
        include_str!("../../templates/rpmctl-metrics.service"),
    ),
    (
        "app-cron.timer",
        include_str!("../../templates/app-cron.timer"),
    ),
    (
        "app-cron.service",
        include_str!("../../templates/app-cron.service"),
    ),
];

/// The templates in force.
pub struct Templates(Tera);

impl Templates {
    /// The shipped templates, those of `site` (name to text) in place of the shipped ones of the same name.
    /// Errors: a template of the site that does not parse, with its name and the place.
    pub fn new(site: &BTreeMap<String, String>) -> Result<Templates, String> {
        let mut tera = Tera::default();
        tera.autoescape_on(vec![]);
        for (name, text) in SHIPPED {
            let text = site.get(name).map_or(text, String::as_str);
            tera.add_raw_template(name, text)
                .map_err(|error| format!("template {name}: {}", words(&error)))?;
        }
        Ok(Templates(tera))
    }

    /// Errors: a variable that the template names and rpmctl does not give.
    pub fn render(&self, name: &str, context: &Context) -> Result<String, String> {
        self.0
            .render(name, context)
            .map_err(|error| format!("template {name}: {}", words(&error)))
    }
}

/// The innermost cause: the one that names the place. A drawing of the place starts on a line of its own.
fn words(error: &tera::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let text = cause.to_string();
    if text.trim_start().starts_with("-->") {
        return format!("does not parse\n{text}");
    }
    let variable = text
        .strip_prefix("Variable `")
        .and_then(|t| t.split_once('`'));
    match variable {
        Some((name, rest)) if rest.starts_with(" not found") => {
            format!("`{name}` is none of the variables it is given")
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_template_that_does_not_parse_is_named() {
        let site = BTreeMap::from([("app.target".to_owned(), "{% if %}".to_owned())]);
        let error = Templates::new(&site).err().unwrap();
        assert!(error.starts_with("template app.target:"), "{error}");
        assert!(Templates::new(&BTreeMap::new()).is_ok());
    }
}
