//! `rpmctl metrics --install`: the endpoint that is there while somebody asks.

use crate::apps::{self, PATIENCE, cluster, fails, ok, property, rpmctl, shell, state};
use crate::bed::Bed;
use crate::metrics::{samples, value};
use crate::scrapers::{openmetrics, promtool};

const SOCKET: &str = "rpmctl-metrics.socket";
const SERVICE: &str = "rpmctl-metrics.service";
const FILE: &str = "/etc/systemd/system/rpmctl-metrics.socket";

fn scrape(bed: &Bed, address: &str) -> String {
    let answer = bed.http_get(address, "/metrics").expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

#[test]
fn the_endpoint_is_there_while_somebody_asks() {
    let bed = &apps::bed();
    apps::apply(bed, &cluster("web", "node", 4330, 2, "hello"));
    let done = ok(bed, &["metrics", "--install"]);
    assert_eq!(done, "done: http://127.0.0.1:9209/metrics\n");
    assert_eq!(
        (state(bed, SOCKET), state(bed, SERVICE)),
        ("active".into(), "inactive".into())
    );
    assert_eq!(
        ok(bed, &["metrics", "--install"]),
        "nothing to do: http://127.0.0.1:9209/metrics\n"
    );
    assert!(bed.exists("/etc/systemd/system/sockets.target.wants/rpmctl-metrics.socket"));

    let text = scrape(bed, "127.0.0.1:9209");
    assert_eq!(promtool(&text), "", "{text}");
    // By a user who is nobody: the same figures as root has, but what stands in generations, which are root's.
    let names = |text: &str| -> Vec<String> {
        let named = text.lines().filter(|line| !line.starts_with('#'));
        named
            .map(|line| line.rsplit_once(' ').expect("a value").0.to_owned())
            .collect()
    };
    let mut all = names(&samples(bed));
    all.retain(|name| !name.contains("generation") && !name.contains("old_instances"));
    assert_eq!(names(&text), all);
    assert_eq!(
        value(&text, "rpmctl_listen_queue_connections{app=\"web\"}"),
        Some(0.0)
    );
    let user = bed.ok(&[
        "ps",
        "-o",
        "user=",
        "-p",
        &property(bed, "MainPID", &[SERVICE.to_owned()])[0],
    ]);
    assert_ne!(user.trim(), "root");
    let open = bed.ok(&[
        "curl",
        "-sSH",
        "Accept: application/openmetrics-text",
        "http://127.0.0.1:9209/metrics",
    ]);
    assert_eq!(
        openmetrics(&open),
        Ok(open.matches("# TYPE ").count()),
        "{open}"
    );
    let other = bed.http_get("127.0.0.1:9209", "/").expect("an answer");
    assert_eq!(
        (other.status, &*other.body),
        (404, "the metrics are at /metrics\n")
    );

    let rated = bed.ok(&["systemd-analyze", "security", "--no-pager", SERVICE]);
    let rated = rated.lines().last().expect("a line").to_owned();
    let words = rated.split_ascii_whitespace();
    let exposed: f64 = words
        .filter_map(|word| word.parse().ok())
        .next()
        .expect("a figure");
    assert!(exposed <= 3.0, "{rated}");
    eprintln!("{rated}");

    // Nobody asks: it ends, and the next one starts it again.
    let inactive = || {
        state(bed, SERVICE) == "inactive"
            && property(bed, "Result", &[SERVICE.to_owned()]) == ["success"]
    };
    bed.wait_until("it has ended", PATIENCE, inactive);
    // What listens has not.
    assert_eq!(state(bed, SOCKET), "active");
    scrape(bed, "127.0.0.1:9209");
    // Killed while a client waits, it is started anew for the next.
    let pid = property(bed, "MainPID", &[SERVICE.to_owned()]).remove(0);
    bed.ok(&["kill", "-9", &pid]);
    scrape(bed, "127.0.0.1:9209");

    // Without a bus it says so, and goes on.
    let pid = property(bed, "MainPID", &[SERVICE.to_owned()]).remove(0);
    bed.sh_ok(&format!(
        "mv /run/dbus/system_bus_socket /run/dbus/away; kill -9 {pid}"
    ));
    let answer = bed
        .http_get("127.0.0.1:9209", "/metrics")
        .expect("an answer");
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.body.starts_with("error: "), "{}", answer.body);
    bed.sh_ok("mv /run/dbus/away /run/dbus/system_bus_socket");
    scrape(bed, "127.0.0.1:9209");

    // Elsewhere, while somebody is answered; an address that is taken; and where everybody may ask.
    assert_eq!(
        ok(bed, &["metrics", "--install", "--listen", "[::1]:9210"]),
        "done: http://[::1]:9210/metrics\n"
    );
    scrape(bed, "[::1]:9210");
    assert!(bed.http_get("127.0.0.1:9209", "/metrics").is_err());
    let before = bed.read(FILE);
    let taken = fails(
        bed,
        &["metrics", "--install", "--listen", "127.0.0.1:4330"],
        1,
    );
    assert!(
        taken
            .stderr
            .starts_with("error: cannot listen on 127.0.0.1:4330: address already in use"),
        "{taken}"
    );
    assert_eq!(bed.read(FILE), before);
    scrape(bed, "[::1]:9210");
    let local = rpmctl(bed, &["metrics", "--install", "--listen", "9211"]);
    assert_eq!(
        (local.status, &*local.stdout, &*local.stderr),
        (0, "done: http://127.0.0.1:9211/metrics\n", "")
    );
    let everywhere = ["metrics", "--install", "--listen", "0.0.0.0:9211"];
    let open = rpmctl(bed, &everywhere);
    assert_eq!(
        (open.status, &*open.stdout),
        (0, "done: http://0.0.0.0:9211/metrics\n"),
        "{open}"
    );
    assert!(
        open.stderr
            .starts_with("note: whoever reaches this machine there may read them"),
        "{open}"
    );
    scrape(bed, "127.0.0.1:9211");
    // Its address stays when it is installed again.
    assert_eq!(
        ok(bed, &["metrics", "--install"]),
        "nothing to do: http://0.0.0.0:9211/metrics\n"
    );

    assert_eq!(
        ok(bed, &["metrics", "--uninstall"]),
        "done: nobody answers any more\n"
    );
    assert_eq!(bed.sh_ok("find /etc/systemd -name 'rpmctl-metrics*'"), "");
    assert_eq!(
        (state(bed, SOCKET), state(bed, SERVICE)),
        ("inactive".into(), "inactive".into())
    );
    assert_eq!(
        ok(bed, &["metrics", "--uninstall"]),
        "nothing to do: nobody answers\n"
    );

    // Another's unit stays; a package's is used as it is.
    bed.write(FILE, 0o644, "[Socket]\nListenStream=1\n");
    for how in ["--install", "--uninstall"] {
        let refused = fails(bed, &["metrics", how], 1);
        let words = format!("error: {SOCKET} is there already and is not ours: {FILE}\n");
        assert!(refused.stderr.starts_with(&words), "{refused}");
    }
    assert_eq!(bed.read(FILE), "[Socket]\nListenStream=1\n");
    bed.ok(&["rm", FILE]);
    ok(bed, &["metrics", "--install"]);
    bed.sh_ok("mkdir -p /usr/lib/systemd/system && cp /etc/systemd/system/rpmctl-metrics.* /usr/lib/systemd/system/");
    ok(bed, &["metrics", "--uninstall"]);
    assert!(bed.http_get("127.0.0.1:9209", "/metrics").is_err());
    assert_eq!(
        ok(bed, &["metrics", "--install"]),
        "done: http://127.0.0.1:9209/metrics\n"
    );
    assert!(!bed.exists(FILE));
    scrape(bed, "127.0.0.1:9209");
    ok(bed, &["metrics", "--uninstall"]);
    assert_eq!(
        ok(bed, &["metrics", "--uninstall"]),
        "nothing to do: nobody answers\n"
    );
    assert!(bed.exists("/usr/lib/systemd/system/rpmctl-metrics.socket"));
}

#[test]
fn a_users_own_endpoint() {
    let bed = &apps::bed();
    bed.write_as(
        "app",
        "/home/app/ecosystem.toml",
        0o644,
        shell("mine", "exec sleep infinity", ""),
    );
    let user = |args: &[&str]| bed.cmd(args).user("app").dir("/home/app").ok();
    user(&["rpmctl", "--user", "apply"]);
    user(&[
        "rpmctl",
        "--user",
        "metrics",
        "--install",
        "--listen",
        "127.0.0.1:9212",
    ]);
    let text = scrape(bed, "127.0.0.1:9212");
    assert_eq!(
        value(&text, "rpmctl_instance_up{app=\"mine\",index=\"0\"}"),
        Some(1.0)
    );
    user(&["rpmctl", "--user", "metrics", "--uninstall"]);
    assert_eq!(
        bed.sh_ok("find /home/app/.config -name 'rpmctl-metrics*'"),
        ""
    );
    user(&["rpmctl", "--user", "delete", "mine"]);
}
