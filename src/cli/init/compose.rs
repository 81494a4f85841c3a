//! The text of the new file.

use std::fmt::Write;

use super::find::App;

/// A file with a line of explanation for each setting that is likely to be changed.
pub fn text(apps: &[App]) -> String {
    let mut out = String::from(
        "# What rpmctl runs here. `rpmctl check` checks this file, `rpmctl plan` shows what it would do, `rpmctl apply` does it.\n\
         # `rpmctl schema` describes every setting.\n",
    );
    for app in apps {
        out.push_str("\n[[apps]]\n");
        let mut put = |line: String, comment: &str| {
            let _ = match comment {
                "" => writeln!(out, "{line}"),
                comment => writeln!(out, "{line:<36} # {comment}"),
            };
        };
        put(format!("name = {}", quote(&app.name)), "");
        put(format!("script = {}", quote(&app.script)), &app.why);
        if !app.args.is_empty() {
            let args: Vec<String> = app.args.iter().map(|arg| quote(arg)).collect();
            put(format!("args = [{}]", args.join(", ")), "");
        }
        if let Some(interpreter) = &app.interpreter {
            put(format!("interpreter = {}", quote(interpreter)), "");
        }
        if app.cluster {
            put(
                "exec_mode = \"cluster\"".into(),
                "the instances share the port",
            );
            put(
                "instances = \"max\"".into(),
                "one a processor; or a number, or -1 for one less",
            );
        } else {
            put("# instances = 2".into(), "more than one");
        }
        let env: Vec<String> = app
            .env
            .iter()
            .map(|(name, value)| format!("{name} = {}", quote(value)))
            .collect();
        match env.is_empty() {
            true => put(
                "# env = { NAME = \"value\" }".into(),
                "nothing is inherited from your shell",
            ),
            false => put(
                format!("env = {{ {} }}", env.join(", ")),
                "nothing else is inherited from your shell",
            ),
        }
        put(
            "# user = \"www-data\"".into(),
            "else it runs as root, or under --user as you",
        );
        put("# max_memory_restart = \"512M\"".into(), "");
        put(
            "# kill_timeout = \"10s\"".into(),
            "from the stop signal to SIGKILL",
        );
    }
    out
}

/// A TOML string.
fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
