//! `rpmctl render`: files alone, for images; and the templates of a site.

use std::os::unix::fs::PermissionsExt;

use rpmctl::unit_files::{preload, shim};

use crate::here::Here;

fn app(name: &str) -> String {
    format!(
        "[[apps]]\nname = \"{name}\"\nscript = \"sleep 100\"\nenv = {{ PASSWORD = \"hunter2\" }}\n"
    )
}

const PRINTED: &str = "DIR/root/etc/systemd/system/api@.service
DIR/root/etc/systemd/system/api.target
DIR/root/etc/rpmctl/env/api.env
";

#[test]
fn the_same_file_gives_the_same_files_and_a_changed_one_replaces_them() {
    let here = Here::new();
    here.write("ecosystem.toml", app("api"));
    let render = ["render", "--root", "root"];
    here.run(&render).is(0, PRINTED, "");
    let tree = here.tree("root");
    let loaded = [shim::file_name(), preload::file_name()];
    let [library, module] = loaded.map(|name| format!("var/lib/rpmctl/shim/{name}"));
    assert_eq!(
        tree,
        [
            "etc/rpmctl/env/api.env",
            "etc/systemd/system/api.target",
            "etc/systemd/system/api@.service",
            "etc/systemd/system/multi-user.target.wants/api.target",
            &library,
            &module,
        ]
    );
    let link = std::fs::read_link(here.path("root").join(&tree[3])).unwrap();
    assert_eq!(link.to_str(), Some("/etc/systemd/system/api.target"));
    let texts = || {
        tree[..3]
            .iter()
            .map(|file| here.read(&format!("root/{file}")))
            .collect::<Vec<_>>()
    };
    let mode = |file: &str| {
        let metadata = std::fs::metadata(here.path("root").join(file)).unwrap();
        metadata.permissions().mode() & 0o7777
    };
    assert_eq!(mode("etc/rpmctl/env/api.env"), 0o600);
    assert_eq!(mode("etc/rpmctl/env"), 0o700);
    assert_eq!(mode("etc/systemd/system/api@.service"), 0o644);
    let first = texts();
    assert!(
        first[0].contains("hunter2")
            && !first[1].contains("hunter2")
            && !first[2].contains("hunter2")
    );
    here.run(&render).is(0, PRINTED, "");
    assert_eq!(texts(), first);

    here.write("ecosystem.toml", app("api") + "kill_timeout = \"7s\"\n");
    // `kill_timeout` stands after the inline table, within the app.
    here.run(&render).is(0, PRINTED, "");
    assert_eq!(here.tree("root"), tree);
    assert!(
        here.read("root/etc/systemd/system/api@.service")
            .contains("\nTimeoutStopSec=7s\n")
    );

    // Another file beside it keeps its apps; an app that left the file goes.
    here.write("other.toml", app("other"));
    assert_eq!(
        here.run(&["render", "other.toml", "--root", "root"]).code,
        Some(0)
    );
    here.write("ecosystem.toml", app("new"));
    assert_eq!(here.run(&render).code, Some(0));
    let names = here.tree("root").join(" ");
    assert!(
        names.contains("new@.service") && names.contains("other@.service"),
        "{names}"
    );
    assert!(!names.contains("api"), "{names}");
}

#[test]
fn a_shared_socket_brings_the_listen_shim() {
    let here = Here::new();
    here.write("app.js", "");
    here.write("node", "#!/bin/sh\n");
    std::fs::set_permissions(here.path("node"), PermissionsExt::from_mode(0o755)).unwrap();
    here.write(
        "ecosystem.toml",
        "[[apps]]\nname = \"api\"\nscript = \"python3\"\nargs = [\"-m\", \"http.server\"]\nexec_mode = \"cluster\"\ninstances = 2\nport = 8000\n",
    );
    assert_eq!(here.run(&["render", "--root", "root"]).code, Some(0));
    let tree = here.tree("root");
    let shim: Vec<&String> = tree.iter().filter(|file| file.ends_with(".so")).collect();
    let [shim] = shim[..] else { panic!("{tree:?}") };
    assert!(
        here.read("root/etc/rpmctl/env/api.env")
            .contains(&format!("LD_PRELOAD=\"/{shim}\"\n"))
    );
}

#[test]
fn where_nothing_can_be_written() {
    let here = Here::new();
    here.write("ecosystem.toml", app("api"));
    here.run(&["render", "--root", "ecosystem.toml"]).is(
        1,
        "",
        "error: ecosystem.toml is not a folder\n  name the folder that stands for / of the machine to be\n",
    );
    here.run(&["render", "--root", "/proc/none"]).is(
        1,
        "",
        "error: /proc/none/etc/rpmctl/env/api.env: no such file or directory\n",
    );
}

#[test]
fn a_template_of_the_site_stands_in_for_ours() {
    let here = Here::new();
    here.write("ecosystem.toml", app("api"));
    let shipped = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/templates/app@.service"
    ))
    .unwrap();
    let own = shipped.replace(
        "[Service]\n",
        "[Service]\nSlice=apps-{{ user_manager }}.slice\n",
    );
    here.write("root/etc/rpmctl/templates/app@.service", &own);
    here.write("root/etc/rpmctl/templates/.hidden", "{% if %}");
    here.write("root/etc/rpmctl/templates/app.target~", "{% if %}");
    let render = ["render", "--root", "root"];
    here.run(&render).is(0, PRINTED, "");
    let unit = here.read("root/etc/systemd/system/api@.service");
    assert!(
        unit.contains("\n[Service]\nSlice=apps-false.slice\n"),
        "{unit}"
    );

    here.write("root/etc/rpmctl/templates/app.targt", "");
    here.run(&render).is(
        0,
        PRINTED,
        "note: DIR/root/etc/rpmctl/templates/app.targt is not used: templates are called app@.service, app.socket, app@.socket, app-socket.service, app.target, rpmctl-watch.service, app-health@.service, rpmctl-metrics.socket, rpmctl-metrics.service, app-cron.timer, app-cron.service\n",
    );
    std::fs::remove_file(here.path("root/etc/rpmctl/templates/app.targt")).unwrap();

    here.write(
        "root/etc/rpmctl/templates/app@.service",
        own.replace("{{ user_manager }}", "{{ site }}"),
    );
    here.run(&render).is(
        1,
        "",
        "error: app \"api\": template app@.service: `site` is none of the variables it is given\n  nothing was changed\n",
    );
    here.write("root/etc/rpmctl/templates/app@.service", "{% if %}");
    here.run(&render).is(
        1,
        "",
        "error: template app@.service: does not parse
 --> 1:7
  |
1 | {% if %}
  |       ^---
  |
  = expected a value that can be negated
  mend or remove it in DIR/root/etc/rpmctl/templates
",
    );
    std::fs::remove_file(here.path("root/etc/rpmctl/templates/app@.service")).unwrap();
    std::fs::create_dir(here.path("root/etc/rpmctl/templates/app.socket")).unwrap();
    here.run(&render).is(
        1,
        "",
        "error: the site's templates cannot be read: DIR/root/etc/rpmctl/templates/app.socket: is a directory\n",
    );
    assert!(
        here.read("root/etc/systemd/system/api@.service")
            .contains("Slice=apps-false.slice")
    );
}
