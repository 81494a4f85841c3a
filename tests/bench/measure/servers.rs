//! Who is measured: each runs the same app with the same Node in four workers, on a port of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::bed::Bed;
use crate::traffic::{express, held};

pub const WORKERS: usize = 4;
pub const PM2: &str = "7.0.3";
const PM2_PROGRAM: &str = "/srv/pm2/node_modules/pm2/bin/pm2";
/// pm2's folder of its own: no other PM2 is seen or touched.
const PM2_HOME: &str = "/srv/pm2-home";
const FIRST_PORT: u16 = 3001;
const PATIENCE: Duration = Duration::from_secs(60);

enum By {
    Pm2,
    /// With these further lines of its `[[apps]]`, and of its env.
    Rpmctl {
        keys: &'static str,
        env: &'static str,
    },
}

pub struct Server {
    pub name: &'static str,
    by: By,
    pub port: u16,
}

/// PM2 first, then rpmctl as it comes: ratios are of the second to the first.
pub fn all(bed: &Bed) -> Vec<Server> {
    bed.copy_in(express::npm_package("pm2", PM2), "/srv/pm2");
    express::copy_in(bed, "/srv/app");
    let rpmctl = |keys, env| By::Rpmctl { keys, env };
    let all = [
        ("PM2", By::Pm2),
        ("rpmctl", rpmctl("", "")),
        // The shared socket as the kernel hands it out: whoever asks first.
        ("unevened", rpmctl("", ", RPMCTL_BALANCE = \"0\"")),
        ("reuseport", rpmctl("balance = \"reuseport\"", "")),
    ];
    let numbered = all.into_iter().zip(FIRST_PORT..);
    let server = |((name, by), port)| Server { name, by, port };
    numbered.map(server).collect()
}

impl Server {
    /// Runs a script of /srv/app and returns when each of its workers answers.
    pub fn start(&self, bed: &Bed, script: &str) {
        let port = self.port;
        match &self.by {
            By::Pm2 => {
                let file = format!(
                    "module.exports = {{ apps: [{{ name: 'app', script: '{script}', cwd: '/srv/app',\n\
                     instances: {WORKERS}, exec_mode: 'cluster', env: {{ PORT: {port}, NODE_ENV: 'production' }} }}] }};\n"
                );
                bed.write("/srv/app/ecosystem.config.js", 0o644, file);
                // A service, as `pm2 startup` makes it one: a tree of its own beside rpmctl's.
                bed.cmd(&[
                    "systemd-run",
                    "--quiet",
                    "--unit=pm2",
                    "--service-type=forking",
                    &format!("--setenv=PM2_HOME={PM2_HOME}"),
                    "--setenv=HOME=/root",
                    "node",
                    PM2_PROGRAM,
                    "start",
                    "/srv/app/ecosystem.config.js",
                ])
                .deadline(PATIENCE)
                .ok();
            }
            By::Rpmctl { keys, env } => {
                let file = format!(
                    "[[apps]]\nname = \"app-{port}\"\nscript = \"{script}\"\ninstances = {WORKERS}\nexec_mode = \"cluster\"\n{keys}\n\
                     env = {{ PORT = {port}, NODE_ENV = \"production\"{env} }}\n"
                );
                let path = format!("/srv/app/{port}.toml");
                bed.write(&path, 0o644, file);
                bed.cmd(&["rpmctl", "apply", &path]).deadline(PATIENCE).ok();
            }
        }
        bed.wait_until(&format!("{} answers", self.name), PATIENCE, || {
            self.workers(bed).len() == WORKERS
        });
    }

    pub fn stop(&self, bed: &Bed) {
        match &self.by {
            By::Pm2 => {
                bed.cmd(&["node", PM2_PROGRAM, "kill"])
                    .env("PM2_HOME", PM2_HOME)
                    .ok();
                bed.run(&["systemctl", "stop", "pm2.service"]);
            }
            By::Rpmctl { .. } => {
                bed.ok(&["rpmctl", "delete", &format!("app-{}", self.port)]);
            }
        }
    }

    /// Process ids of those that answer 64 requests at once: all, unless one is down.
    pub fn workers(&self, bed: &Bed) -> BTreeSet<u32> {
        let spread = held::spread(bed, self.port, 64, None);
        spread.unwrap_or_default().into_keys().collect()
    }

    /// Processor time of all its processes since it was started, µs.
    pub fn processor_time(&self, bed: &Bed) -> u64 {
        let unit = match &self.by {
            By::Pm2 => "pm2.service".to_owned(),
            // The slice of the instances.
            By::Rpmctl { .. } => {
                let instance = format!("app-{}@0.service", self.port);
                let shown = bed.ok(&["systemctl", "show", "--value", "-p", "Slice", &instance]);
                shown.trim_end().to_owned()
            }
        };
        let group = bed.ok(&["systemctl", "show", "--value", "-p", "ControlGroup", &unit]);
        let stat = bed.read(&format!("/sys/fs/cgroup{}/cpu.stat", group.trim_end()));
        stat.lines()
            .find_map(|line| line.strip_prefix("usage_usec ")?.parse().ok())
            .unwrap_or_else(|| panic!("{unit}: no processor time in\n{stat}"))
    }
}
