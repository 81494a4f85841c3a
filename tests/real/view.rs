//! What `list` and `status` tell of instances, beside what systemd and the kernel say; and the marks of apps that are not as rpmctl wrote them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::apps::{PATIENCE, property};
use crate::bed::{self, Bed};

/// Apps of one test, each in a folder of its name.
struct Site<'a> {
    bed: &'a Bed,
    name: &'a str,
    file: String,
}

impl<'a> Site<'a> {
    /// Instances that wait, and end with 3 where the file `crash` has their number.
    fn new(bed: &'a Bed, name: &'a str, instances: u32, more: &str) -> Site<'a> {
        let site = Site {
            bed,
            name,
            file: format!("/srv/{name}/ecosystem.toml"),
        };
        let line = format!(
            "until [ -e /srv/{name}/crash-$NODE_APP_INSTANCE ]; do sleep 0.05; done; rm /srv/{name}/crash-$NODE_APP_INSTANCE; exit 3"
        );
        let text = format!(
            "[[apps]]\nname = \"{name}\"\nscript = \"/bin/sh\"\nargs = [\"-c\", '''{line}''']\ninterpreter = \"none\"\n\
             instances = {instances}\nexec_mode = \"fork\"\nmin_uptime = 100\n{more}\n"
        );
        bed.write(&site.file, 0o644, text);
        site.rpmctl(&["apply", &site.file]);
        site
    }

    fn rpmctl(&self, args: &[&str]) -> String {
        let all: Vec<&str> = ["rpmctl"].iter().chain(args).copied().collect();
        self.bed.cmd(&all).deadline(PATIENCE).ok()
    }

    fn unit(&self, instance: u32) -> String {
        format!("{}@{instance}.service", self.name)
    }

    fn rows(&self) -> Vec<Value> {
        let rows = self.rpmctl(&["list", self.name, "--json"]);
        let rows: Value = serde_json::from_str(&rows).expect("JSON");
        rows.as_array().expect("a list").clone()
    }

    /// Of the app as one. The exit code says whether it runs.
    fn app(&self) -> Value {
        let status = self.bed.run(&["rpmctl", "status", self.name, "--json"]);
        let apps: Value = serde_json::from_str(&status.stdout).expect("JSON");
        apps[0].clone()
    }

    fn kinds(&self) -> Vec<String> {
        let app = self.app();
        let marks = app["marks"].as_array().expect("a list");
        let kind = |mark: &Value| mark["kind"].as_str().expect("a word").to_owned();
        marks.iter().map(kind).collect()
    }

    /// Lets the instance end by itself, and waits for its next run.
    fn crash(&self, instance: u32) {
        let pid = |site: &Site<'_>| property(site.bed, "MainPID", &[site.unit(instance)]).remove(0);
        let before = pid(self);
        let file = format!("/srv/{}/crash-{instance}", self.name);
        self.bed.ok(&["touch", &file]);
        self.bed.wait_until("it runs again", PATIENCE, || {
            let now = pid(self);
            let state = property(self.bed, "SubState", &[self.unit(instance)]).remove(0);
            now != "0" && now != before && state == "running"
        });
    }

    /// As systemd and the kernel have them.
    fn agrees(&self, restarts: &[u32]) {
        let rows = self.rows();
        for (number, row) in rows.iter().enumerate() {
            let unit = self.unit(number as u32);
            let pid = property(self.bed, "MainPID", &[unit]).remove(0);
            assert_eq!(row["pid"].to_string(), pid, "{row}");
            assert_eq!(row["status"], "online", "{row}");
            assert_eq!(
                (&row["active"], &row["sub"]),
                (&json!("active"), &json!("running"))
            );
            assert!(
                row["memory_bytes"].as_u64().expect("bytes") > 10_000,
                "{row}"
            );
            assert!(row["cpu_percent"].is_number(), "{row}");
            // The machine's clock of both has hundredths of a second.
            let script = format!("cut -d' ' -f1 /proc/uptime; cut -d' ' -f22 /proc/{pid}/stat");
            let text = self.bed.sh_ok(&script);
            let mut numbers = text
                .split_whitespace()
                .map(|n| n.parse::<f64>().expect("a number"));
            let (now, began) = (numbers.next().expect("now"), numbers.next().expect("then"));
            let age = (now - began / 100.0) * 1000.0;
            let told = row["uptime_ms"].as_f64().expect("milliseconds");
            assert!(
                told <= age + 30.0 && age - told < 60_000.0,
                "{told} of {age}"
            );
        }
        let counted: Vec<Value> = rows.iter().map(|row| row["restarts"].clone()).collect();
        assert_eq!(counted, restarts);
    }
}

impl Drop for Site<'_> {
    fn drop(&mut self) {
        let file = format!("/etc/systemd/system/{}*.d", self.name);
        self.bed
            .sh(&format!("rm -rf {file}; rpmctl delete {}", self.name));
    }
}

#[test]
fn crashes_are_counted_until_it_stops_and_not_by_asking_systemd() {
    let bed = bed::shared();
    let site = Site::new(bed, "seen-crash", 2, "");
    site.agrees(&[0, 0]);
    site.crash(1);
    site.crash(1);
    let counted = property(bed, "NRestarts", &[site.unit(1)]);
    assert_eq!(counted, ["2"], "systemd's own count");
    site.agrees(&[0, 2]);
    // systemd forgets at an order; that it crashed remains true.
    site.rpmctl(&["restart", site.name]);
    assert_eq!(property(bed, "NRestarts", &[site.unit(1)]), ["0"]);
    site.agrees(&[0, 2]);
    bed.ok(&["systemctl", "restart", &site.unit(1)]);
    site.crash(1);
    site.agrees(&[0, 3]);
    assert_eq!(site.app()["causes"]["crash"], 3);
    site.rpmctl(&["stop", site.name]);
    site.rpmctl(&["start", site.name]);
    site.agrees(&[0, 0]);
}

#[test]
fn other_slices_and_starts_that_are_not_ours_are_asked_for() {
    let bed = bed::shared();
    let more = "[apps.systemd.Service]\nSlice = \"elsewhere.slice\"\n";
    let site = Site::new(bed, "seen-slice", 2, more);
    site.agrees(&[0, 0]);
    site.crash(0);
    site.agrees(&[1, 0]);
    // Without our start script nobody wrote down how often it was restarted, and what is there is of an earlier run.
    let start = "[Service]\nExecStart=\nExecStart=/bin/sh -c 'sleep 1234 & sleep 1234'\n";
    let file = format!("/etc/systemd/system/{}.d/start.conf", site.unit(0));
    bed.write(&file, 0o644, start);
    bed.ok(&["systemctl", "daemon-reload"]);
    bed.ok(&["systemctl", "restart", &site.unit(0)]);
    site.agrees(&[0, 0]);
}

#[test]
fn what_is_not_as_rpmctl_wrote_it_is_marked() {
    let bed = bed::shared();
    let site = Site::new(bed, "seen-mark", 2, "");
    let none: [&str; 0] = [];
    assert_eq!(site.kinds(), none);
    assert!(site.app()["generation"].is_u64(), "{}", site.app());

    // A drop-in, before and after systemd has read it, and once the instances have it.
    let folder = "/etc/systemd/system/seen-mark@1.service.d";
    bed.write(&format!("{folder}/nice.conf"), 0o644, "[Service]\nNice=1\n");
    assert_eq!(site.kinds(), ["drop-in", "old", "needs-daemon-reload"]);
    let marks = &site.app()["marks"];
    assert_eq!(marks[0]["path"], format!("{folder}/nice.conf"));
    assert_eq!(marks[1]["instances"], json!([1]));
    bed.ok(&["systemctl", "daemon-reload"]);
    assert_eq!(site.kinds(), ["drop-in", "old"]);
    bed.ok(&["systemctl", "restart", &site.unit(1)]);
    assert_eq!(site.kinds(), ["drop-in"]);
    // What systemd changes as it goes needs no restart.
    bed.ok(&["systemctl", "set-property", &site.unit(0), "CPUWeight=50"]);
    bed.ok(&["systemctl", "daemon-reload"]);
    assert_eq!(site.kinds(), ["drop-in", "drop-in"]);
    bed.ok(&["systemctl", "revert", &site.unit(0)]);
    bed.ok(&["rm", "-r", folder]);
    assert_eq!(site.kinds(), ["needs-daemon-reload"]);
    bed.ok(&["systemctl", "daemon-reload"]);
    assert_eq!(site.kinds(), none);

    // An edit in words alone, and one that a restart would bring into force.
    let unit = "/etc/systemd/system/seen-mark@.service";
    bed.sh_ok(&format!(
        "sed -i 's/^Description=.*/Description=mine/' {unit}; systemctl daemon-reload"
    ));
    assert_eq!(site.kinds(), ["edited"]);
    assert_eq!(site.app()["marks"][0]["path"], unit);
    assert!(site.app()["generation"].is_null());
    bed.sh_ok(&format!(
        "sed -i 's/^KillMode=.*/KillMode=mixed/' {unit}; systemctl daemon-reload"
    ));
    assert_eq!(site.kinds(), ["edited", "old"]);
    bed.ok(&["systemctl", "restart", &site.unit(0)]);
    assert_eq!(site.app()["marks"][1]["instances"], json!([1]));
    // rpmctl puts it back, and what ran with it.
    site.rpmctl(&["apply", &site.file]);
    assert_eq!(site.kinds(), none);
}

#[test]
fn an_instance_that_lies_about_its_run_misleads_nobody_but_about_itself() {
    let bed = bed::shared();
    let site = Site::new(bed, "seen-lie", 2, "");
    // Another's process, and no number at all.
    let pid = property(bed, "MainPID", &[site.unit(1)]).remove(0);
    bed.write("/run/rpmctl/seen-lie@0/run", 0o644, format!("77 1 {pid}\n"));
    site.agrees(&[0, 0]);
    bed.sh_ok("cd /run/rpmctl/seen-lie@0 && rm run && mkfifo run");
    bed.sh_ok("cd /run/rpmctl/seen-lie@1 && ln -sf /proc/kmsg run");
    let list = ["rpmctl", "list", "seen-lie", "--json"];
    bed.cmd(&list).deadline(Duration::from_secs(60)).ok();
    site.agrees(&[0, 0]);
    bed.sh_ok("rm /run/rpmctl/seen-lie@0/run");
}
