//! Apps of the random machines, and what they compile to.

use super::*;

/// What varies between two versions of an app.
#[derive(Clone, Debug)]
pub struct Shape {
    pub name: &'static str,
    pub instances: u32,
    pub port: Option<u16>,
    pub listeners: Listeners,
    pub env: String,
    pub kill_ms: u64,
    pub autostart: bool,
    pub increment: bool,
    /// `max_memory_restart`
    pub limited: bool,
    /// `cron_restart`
    pub cron: Option<&'static str>,
    /// `autorestart = false`
    pub job: bool,
}

/// What an app with a port listens on besides, and how.
#[derive(Clone, Debug, Default)]
pub struct Listeners {
    pub second: Option<&'static str>,
    pub reuseport: bool,
    /// Directives of the sockets.
    pub options: Vec<(&'static str, &'static str)>,
}

pub fn app(shape: &Shape) -> App {
    let name = |text: &str| EnvName::new(text).unwrap();
    App {
        name: Name::new(shape.name).unwrap(),
        namespace: "default".into(),
        command: Command {
            program: "/usr/bin/node".into(),
            args: vec!["/srv/app.js".into()],
            script: "app.js".into(),
            interpreter: "node".into(),
            preloadable: true,
        },
        cwd: "/srv".into(),
        instances: shape.instances,
        mode: match shape.port {
            Some(_) => Mode::Cluster,
            None => Mode::Fork,
        },
        listen: shape
            .port
            .map(Listen::Port)
            .into_iter()
            .chain(
                shape
                    .port
                    .and(shape.listeners.second)
                    .map(|text| Listen::parse(text).unwrap()),
            )
            .collect(),
        balance: match shape.listeners.reuseport {
            true => Balance::Reuseport,
            false => Balance::Shared,
        },
        listen_fds: false,
        preload: true,
        pmx: true,
        env: BTreeMap::from([(name("VALUE"), shape.env.clone())]),
        instance_var: name("NODE_APP_INSTANCE"),
        increment_var: shape.increment.then(|| name("PORT")),
        user: None,
        group: None,
        restart: Restart {
            auto: !shape.job,
            delay: Duration::ZERO,
            backoff: None,
            min_uptime: Duration::from_secs(1),
            max: Some(16),
            stop_codes: vec![],
        },
        stop: Stop {
            signal: Signal::INT,
            timeout: Duration::from_millis(shape.kill_ms),
            tree: true,
            message: false,
        },
        ready: Readiness {
            wait: false,
            timeout: Duration::from_secs(30),
        },
        memory: shape.limited.then_some(Memory {
            restart: Bytes(1 << 30),
        }),
        health: None,
        autostart: shape.autostart,
        depends_on: vec![],
        directives: Directives {
            socket: shape
                .listeners
                .options
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            ..Directives::default()
        },
        logs: LogFiles::default(),
        watch: None,
        schedule: shape.cron.map(|cron| Schedule {
            cron: cron.to_owned(),
            times: rpmctl::config::cron::parse(cron).unwrap(),
        }),
    }
}

pub fn compiled(shapes: &[Shape]) -> UnitSet {
    compiled_apps(shapes.iter().map(app).collect())
}

pub fn compiled_apps(apps: Vec<App>) -> UnitSet {
    let model = Model {
        file: "/srv/ecosystem.toml".into(),
        profile: None,
        apps,
    };
    let site = Site {
        systemd: 252,
        user_manager: false,
        bind_to: None,
        foreground: false,
        env_dir: "/etc/rpmctl/env".into(),
        shim: "/var/lib/rpmctl/shim/listen.so".into(),
        preload: "/var/lib/rpmctl/shim/node.cjs".into(),
        rpmctl: "/usr/bin/rpmctl".into(),
        templates: Templates::new(&BTreeMap::new()).unwrap(),
    };
    compile(&model, &site).unwrap()
}

pub fn listeners() -> impl Strategy<Value = Listeners> {
    (
        prop_oneof![Just(None), Just(Some("127.0.0.1:3001")), Just(Some("4000"))],
        any::<bool>(),
        proptest::sample::subsequence(vec![("Backlog", "7"), ("KeepAlive", "yes")], 0..=2),
    )
        .prop_map(|(second, reuseport, options)| Listeners {
            second,
            reuseport,
            options,
        })
}

pub fn shape(name: &'static str) -> impl Strategy<Value = Shape> {
    (
        1..4u32,
        prop_oneof![Just(None), Just(Some(3000)), Just(Some(3001))],
        "[ab]",
        prop_oneof![Just(1600u64), Just(5000)],
        any::<[bool; 3]>(),
        listeners(),
        prop_oneof![Just(None), Just(Some("@daily")), Just(Some("0 3 * * 1"))],
        any::<bool>(),
    )
        .prop_map(
            move |(instances, port, env, kill_ms, flags, listeners, cron, job)| {
                let [autostart, increment, limited] = flags;
                Shape {
                    name,
                    instances,
                    port,
                    listeners,
                    env,
                    kill_ms,
                    autostart,
                    increment,
                    limited,
                    cron,
                    job,
                }
            },
        )
}

pub fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    (
        proptest::option::of(shape("api")),
        proptest::option::of(shape("api-socket")),
        proptest::option::of(shape("worker")),
    )
        .prop_map(|(a, b, c)| [a, b, c].into_iter().flatten().collect())
}
