//! The examples for Salt, Puppet and cloud-init, by those programs themselves, each on a machine of its own. `tests/managers/run` brings them.

#[path = "../bed/mod.rs"]
mod bed;
#[path = "../packages/mod.rs"]
mod packages;

use std::path::Path;
use std::time::Duration;

use bed::{Bed, Options, Output};

const PATIENCE: Duration = Duration::from_secs(300);

/// A machine without rpmctl, with a repository that has it, and what `tests/managers/run` downloaded for it.
fn machine(name: &str) -> Bed {
    let bed = Bed::boot(Options::default());
    let folder = tempfile::tempdir().expect("a folder");
    packages::deb(folder.path(), "0.1.0-1");
    packages::repository(&bed, folder.path(), &["0.1.0-1"]);
    bed.write(
        "/etc/apt/sources.list",
        0o644,
        "deb [trusted=yes] file:/srv/repository ./\n",
    );
    bed.sh_ok("rm /usr/local/bin/rpmctl");
    let brought = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("managers")
        .join(name);
    assert!(
        brought.exists(),
        "there is no {}: run tests/managers/run",
        brought.display()
    );
    bed.copy_in(&brought, "/srv/brought");
    bed.write(
        "/srv/web/app.js",
        0o644,
        "require('http').createServer((_, answer) => answer.end(process.env.NODE_ENV)).listen(process.env.PORT)\n",
    );
    bed
}

fn example(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("packaging/examples")
        .join(name);
    std::fs::read(path).expect("the example")
}

fn shown(title: &str, output: Output) -> Output {
    println!("$ {title}\n{output}");
    output
}

fn answers(bed: &Bed, says: &str) {
    assert_eq!(
        bed.http_get("127.0.0.1:3000", "/").expect("HTTP").body,
        says
    );
    let mode = bed.ok(&["stat", "-c", "%U %a", "/etc/rpmctl/ecosystem.toml"]);
    assert_eq!(mode, "root 600\n");
}

#[test]
fn puppet() {
    let bed = machine("puppet");
    bed.cmd(&["sh", "-ec", "dpkg -i /srv/brought/*.deb && apt-get update"])
        .deadline(PATIENCE)
        .ok();
    bed.write("/srv/rpmctl.pp", 0o644, example("puppet/rpmctl.pp"));
    let puppet = |more: &[&str]| {
        let args = [
            &["puppet", "apply", "--detailed-exitcodes", "--color=false"],
            more,
            &["/srv/rpmctl.pp"],
        ]
        .concat();
        let output = bed.cmd(&args).deadline(PATIENCE).run();
        shown(&args.join(" "), output)
    };
    bed.cmd(&["puppet", "parser", "validate", "/srv/rpmctl.pp"])
        .deadline(PATIENCE)
        .ok();
    // 2: there were changes; 0: none.
    assert_eq!(puppet(&[]).status, 2);
    answers(&bed, "production");
    assert_eq!(puppet(&[]).status, 0);
    bed.ok(&["rpmctl", "stop", "web"]);
    let would = puppet(&["--noop"]);
    assert!(
        would.stdout.contains("would have run") || would.stdout.contains("should be"),
        "{would}"
    );
    assert!(bed.http_get("127.0.0.1:3000", "/").is_err());
    assert_eq!(puppet(&[]).status, 2);
    answers(&bed, "production");
    // 4: something failed.
    bed.write(
        "/srv/rpmctl.pp",
        0o644,
        String::from_utf8_lossy(&example("puppet/rpmctl.pp")).replace("script =", "scirpt ="),
    );
    let wrong = puppet(&[]);
    assert_eq!(wrong.status & 4, 4, "{wrong}");
    assert!(
        wrong.stdout.contains("unknown key `scirpt`")
            || wrong.stderr.contains("unknown key `scirpt`"),
        "{wrong}"
    );
}

#[test]
fn salt() {
    let bed = machine("salt");
    bed.write("/srv/salt/rpmctl.sls", 0o644, example("salt/rpmctl.sls"));
    bed.write(
        "/srv/salt/rpmctl/ecosystem.toml",
        0o644,
        example("salt/ecosystem.toml"),
    );
    let salt = |more: &[&str]| {
        let start = "import sys; sys.argv[0] = 'salt-call'; from salt.scripts import salt_call; salt_call()";
        let args = [
            &[
                "/usr/bin/python3",
                "-c",
                start,
                "--local",
                "--retcode-passthrough",
                "--out=json",
                "--log-level=error",
                "state.apply",
                "rpmctl",
            ],
            more,
        ]
        .concat();
        let output = bed
            .cmd(&args)
            .env("PYTHONPATH", "/srv/brought")
            .deadline(PATIENCE)
            .run();
        let output = shown(
            &format!("salt-call --local state.apply rpmctl {}", more.join(" ")),
            output,
        );
        let told: serde_json::Value = serde_json::from_str(&output.stdout).expect("JSON");
        let changed = told["local"]
            .as_object()
            .map(|states| {
                let changed = |state: &&serde_json::Value| {
                    state["changes"]
                        .as_object()
                        .is_some_and(|changes| !changes.is_empty())
                        || state["result"].is_null()
                };
                states.values().filter(changed).count()
            })
            .expect("states");
        (output.status, changed)
    };
    // The package, the file, the apps.
    assert_eq!(salt(&[]), (0, 3));
    answers(&bed, "production");
    assert_eq!(salt(&[]), (0, 0));
    bed.ok(&["rpmctl", "stop", "web"]);
    assert_eq!(salt(&["test=True"]), (0, 1));
    assert!(bed.http_get("127.0.0.1:3000", "/").is_err());
    assert_eq!(salt(&[]), (0, 1));
    answers(&bed, "production");
}

#[test]
fn cloud_init() {
    let bed = machine("cloud-init");
    bed.cmd(&[
        "sh",
        "-ec",
        "dpkg -i /srv/brought/*.deb; rm -f /etc/cloud/cloud-init.disabled",
    ])
    .deadline(PATIENCE)
    .ok();
    bed.sh_ok("rm -rf /srv/web");
    bed.write(
        "/var/lib/cloud/seed/nocloud/user-data",
        0o600,
        example("cloud-init/user-data"),
    );
    bed.write(
        "/var/lib/cloud/seed/nocloud/meta-data",
        0o600,
        "instance-id: first\n",
    );
    bed.write(
        "/etc/cloud/cloud.cfg.d/99-test.cfg",
        0o644,
        "datasource_list: [NoCloud]\napt: { preserve_sources_list: true }\nlocale: false\n",
    );
    let user_data = "/var/lib/cloud/seed/nocloud/user-data";
    let valid = bed
        .cmd(&["cloud-init", "schema", "--config-file", user_data])
        .deadline(PATIENCE)
        .run();
    assert_eq!(shown("cloud-init schema", valid).status, 0);
    // The steps of a first boot, one after another.
    for step in [
        &["init", "--local"][..],
        &["init"],
        &["modules", "--mode=config"],
        &["modules", "--mode=final"],
    ] {
        let args = [&["cloud-init"], step].concat();
        let done = bed.cmd(&args).deadline(PATIENCE).run();
        assert_eq!(shown(&args.join(" "), done).status, 0);
    }
    println!("{}", bed.read("/var/log/cloud-init-output.log"));
    answers(&bed, "up\n");
}
