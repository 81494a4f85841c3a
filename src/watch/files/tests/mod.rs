//! Against the real kernel: what people and programs do to files, and what comes of it.

mod rights;
mod unheard;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::*;
use crate::model::{Name, Watch};

struct Bench {
    _folder: tempfile::TempDir,
    root: PathBuf,
    files: Files,
}

impl Bench {
    /// An app in a new folder with `src/a.js`, watched as `change` says.
    fn new(change: impl FnOnce(&Path, &mut Watch)) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("src")).unwrap();
        fs::write(root.join("src/a.js"), "1").unwrap();
        let mut bench = Bench {
            root,
            _folder: folder,
            files: Files::empty(),
        };
        let facts = bench.facts(change);
        bench.files.set(&[facts]);
        bench
    }

    fn facts(&self, change: impl FnOnce(&Path, &mut Watch)) -> Facts {
        let root = self.root.display();
        let text = format!(
            "[X-Rpmctl]\nApp=api\nFile={root}/ecosystem.toml\nInstances=1\nMode=fork\nNamespace=default\nScript=a.js\nInterpreter=node\n\
             Cwd={root}\nAutostart=true\nAutorestart=true\nNotifies=false\nSettleMs=1\nReadyMs=1\n"
        );
        let mut facts = Facts::read(&text).expect("facts");
        let mut watch = Watch::of(&self.root);
        change(&self.root, &mut watch);
        facts.watch = Some(watch);
        facts
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn write(&self, name: &str) {
        fs::write(self.at(name), "2").unwrap();
    }

    /// Until everything is walked and the kernel has no more to tell.
    async fn ready(&mut self) {
        self.found().await;
        while !self.files.steps.is_empty() {
            self.files.work();
        }
        self.nothing().await;
    }

    /// Until the folders have been touched.
    async fn found(&mut self) {
        while !self.files.coming.is_empty() {
            let found = self.files.founds.1.recv().await;
            self.files.found(found.expect("an answer"));
        }
    }

    /// Until a polled app has been looked at.
    async fn looked(&mut self) {
        let looked = |bench: &Bench| {
            let app = bench.files.apps.values().next().expect("an app");
            app.poll.as_ref().expect("polled").next()
        };
        let begun = looked(self);
        while looked(self).is_none_or(|next| Some(next) == begun) {
            self.nothing().await;
        }
    }

    /// The next event within a minute.
    async fn event(&mut self) -> Event {
        tokio::time::timeout(Duration::from_secs(60), self.files.next())
            .await
            .expect("an event")
    }

    /// The next reload: its file and count.
    async fn reload(&mut self) -> (String, u32) {
        loop {
            match self.event().await {
                Event::Restart(Request {
                    reason: Reason::Files { path, count },
                    instances: None,
                    ..
                }) => return (path.display().to_string(), count),
                Event::Trouble { text, .. } if text.contains("again and again") => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// No event for longer than a burst takes.
    async fn nothing(&mut self) {
        let event = tokio::time::timeout(rule::QUIET * 3, self.files.next()).await;
        assert!(event.is_err(), "{event:?}");
    }

    /// The same, after reloads of what begins so.
    async fn nothing_but(&mut self, begin: &str) {
        while let Ok(event) = tokio::time::timeout(rule::QUIET * 3, self.files.next()).await {
            match event {
                Event::Restart(Request {
                    reason: Reason::Files { path, .. },
                    ..
                }) if path.starts_with(begin) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    fn run(&self, line: &str) {
        let done = Command::new("/bin/sh")
            .args(["-ec", line])
            .current_dir(&self.root)
            .output()
            .unwrap();
        assert!(done.status.success(), "{line}: {done:?}");
    }
}

#[tokio::test]
async fn every_way_to_save_is_one_reload() {
    let mut bench = Bench::new(|_, _| {});
    bench.ready().await;
    for (line, file) in [
        ("echo x > src/a.js", "src/a.js"),
        ("echo x >> src/a.js", "src/a.js"),
        ("touch src/a.js", "src/a.js"),
        ("sed -i s/x/y/ src/a.js", "src/a.js"),
        (
            "echo x > src/.a.js.swp; mv src/.a.js.swp src/a.js",
            "src/a.js",
        ),
        (
            "touch src/4913; rm src/4913; mv src/a.js src/a.js~; echo 3 > src/a.js; rm src/a.js~",
            "src/a.js",
        ),
        ("rm src/a.js; echo 4 > src/a.js", "src/a.js"),
        ("cp src/a.js src/b.js", "src/b.js"),
        ("ln src/b.js src/c.js", "src/c.js"),
        ("ln -s b.js src/d.js", "src/d.js"),
        ("rm src/c.js", "src/c.js"),
    ] {
        bench.run(line);
        assert_eq!(bench.reload().await, (file.to_owned(), 1), "{line}");
    }
    // As touch of uutils does it: no file is opened.
    let file = fs::File::open(bench.at("src/a.js")).unwrap();
    let now = SystemTime::now();
    let times = fs::FileTimes::new().set_accessed(now).set_modified(now);
    file.set_times(times).unwrap();
    assert_eq!(bench.reload().await, ("src/a.js".to_owned(), 1));
    bench.nothing().await;
}

#[tokio::test]
async fn what_changes_nothing_reloads_nothing() {
    let mut bench = Bench::new(|root, watch| {
        watch.ignore = vec!["tmp/**".to_owned()];
        watch.logs = vec![format!("{}/out{{,-[0-9]*}}.txt{{,.*,-*}}", root.display())];
    });
    for folder in ["node_modules/x", ".git", "logs", "tmp", "src/node_modules"] {
        fs::create_dir_all(bench.at(folder)).unwrap();
    }
    bench.ready().await;
    for file in [
        "node_modules/a.js",
        "node_modules/x/a.js",
        "src/node_modules/a.js",
        ".git/index",
        "logs/a",
        "tmp/a",
        "out-1.txt",
        "src/b.log",
        ".env",
        "ecosystem.toml",
    ] {
        bench.write(file);
    }
    let permissions = fs::Permissions::from_mode(0o600);
    fs::set_permissions(bench.at("src/a.js"), permissions).unwrap();
    fs::read(bench.at("src/a.js")).unwrap();
    fs::create_dir(bench.at("empty")).unwrap();
    bench.run("touch src/x; rm src/x; mkdir -p build/b; touch build/b/c; sleep 0.05; rm -r build");
    bench.nothing().await;
    bench.nothing().await;
}

#[tokio::test]
async fn folders_come_go_and_move() {
    let mut bench = Bench::new(|_, _| {});
    bench.ready().await;
    bench.run("mkdir -p new/deep/er; echo 1 > new/deep/er/a.js");
    assert_eq!(bench.reload().await, ("new/deep/er/a.js".to_owned(), 1));
    bench.write("new/deep/er/a.js");
    assert_eq!(bench.reload().await.0, "new/deep/er/a.js");
    fs::rename(bench.at("new/deep"), bench.at("src/deep")).unwrap();
    assert_eq!(bench.reload().await.0, "new/deep");
    bench.write("src/deep/er/a.js");
    assert_eq!(bench.reload().await, ("src/deep/er/a.js".to_owned(), 1));
    fs::remove_dir_all(bench.at("src/deep")).unwrap();
    assert_eq!(bench.reload().await.0, "src/deep/er/a.js");
    bench.run("mkdir -p src/deep/er; echo 1 > src/deep/er/b.js");
    assert_eq!(bench.reload().await, ("src/deep/er/b.js".to_owned(), 1));
    // Ignored until it is called something else.
    bench.run("mkdir node_modules; echo 1 > node_modules/a.js; mv node_modules mine");
    assert_eq!(bench.reload().await, ("mine/a.js".to_owned(), 1));
    bench.write("mine/a.js");
    assert_eq!(bench.reload().await, ("mine/a.js".to_owned(), 1));
    bench.run("mv mine node_modules");
    assert_eq!(bench.reload().await, ("mine".to_owned(), 1));
    bench.write("node_modules/a.js");
    bench.nothing().await;
}

#[tokio::test]
async fn a_release_is_switched_by_its_link() {
    let mut bench = Bench::new(|root, watch| {
        fs::create_dir_all(root.join("releases/42/src")).unwrap();
        fs::create_dir_all(root.join("releases/43/src")).unwrap();
        symlink("releases/42", root.join("current")).unwrap();
        watch.paths = vec![root.join("current"), root.join("built/app.js")];
    });
    bench.ready().await;
    bench.write("current/src/a.js");
    assert_eq!(bench.reload().await.0, "current/src/a.js");
    bench.run("ln -s releases/43 next; mv -T next current");
    assert_eq!(bench.reload().await, ("current".to_owned(), 1));
    bench.write("releases/42/src/a.js");
    bench.nothing().await;
    bench.write("current/src/b.js");
    assert_eq!(bench.reload().await.0, "current/src/b.js");
    bench.run("ln -sfn releases/42 current");
    assert_eq!(bench.reload().await, ("current".to_owned(), 1));
    bench.run("rm current; ln -s releases/42 current");
    bench.nothing().await;
    bench.write("current/src/c.js");
    assert_eq!(bench.reload().await.0, "current/src/c.js");
    // A file that was not there, nor its folder; then removed and made again.
    for _ in 0..3 {
        bench.run("mkdir built; echo 1 > built/app.js; echo 1 > built/other.js");
        assert_eq!(bench.reload().await, ("built/app.js".to_owned(), 1));
        bench.run("echo 2 > built/app.js");
        assert_eq!(bench.reload().await, ("built/app.js".to_owned(), 1));
        bench.run("rm -r built");
        bench.nothing().await;
    }
}

#[tokio::test]
async fn a_watched_folder_that_is_removed_and_made_again() {
    let mut bench = Bench::new(|root, watch| watch.paths = vec![root.join("src")]);
    bench.ready().await;
    for round in 0..5 {
        bench.run("rm -r src; mkdir src; echo 1 > src/a.js; echo 1 > other.js");
        assert!(bench.reload().await.0.starts_with("src"), "{round}");
        bench.write("src/a.js");
        assert_eq!(bench.reload().await, ("src/a.js".to_owned(), 1), "{round}");
    }
    bench.nothing().await;
}

#[tokio::test]
async fn links_in_the_tree_are_followed_unless_told_not_to() {
    let outside = tempfile::tempdir().unwrap();
    let lib = outside.path().join("lib");
    fs::create_dir(&lib).unwrap();
    fs::write(lib.join("a.js"), "1").unwrap();
    fs::write(outside.path().join("one.js"), "1").unwrap();
    for follow in [true, false] {
        let mut bench = Bench::new(|root, watch| {
            watch.links = follow;
            symlink(&lib, root.join("lib")).unwrap();
            symlink(outside.path().join("one.js"), root.join("one.js")).unwrap();
            symlink(".", root.join("src/loop")).unwrap();
        });
        bench.ready().await;
        fs::write(lib.join("a.js"), "2").unwrap();
        if follow {
            assert_eq!(bench.reload().await, ("lib/a.js".to_owned(), 1));
        }
        fs::write(outside.path().join("one.js"), "2").unwrap();
        if follow {
            assert_eq!(bench.reload().await, ("one.js".to_owned(), 1));
            fs::write(outside.path().join("two.js"), "2").unwrap();
            fs::rename(outside.path().join("two.js"), outside.path().join("one.js")).unwrap();
            assert_eq!(bench.reload().await, ("one.js".to_owned(), 1));
            fs::write(outside.path().join("one.js"), "3").unwrap();
            assert_eq!(bench.reload().await, ("one.js".to_owned(), 1));
        }
        bench.nothing().await;
        bench.write("src/a.js");
        assert_eq!(bench.reload().await, ("src/a.js".to_owned(), 1));
    }
}

#[tokio::test]
async fn globs_depth_delay() {
    let mut bench = Bench::new(|root, watch| {
        watch.paths = vec![root.join("src/**/*.js"), root.join("conf")];
        watch.depth = Some(1);
        watch.delay = Duration::from_secs(4);
        fs::create_dir_all(root.join("src/b/c")).unwrap();
    });
    bench.ready().await;
    bench.write("src/a.css");
    bench.write("src/b/c/a.js");
    bench.nothing().await;
    let begun = Instant::now();
    bench.write("src/b/a.js");
    bench.nothing().await;
    assert_eq!(bench.reload().await, ("src/b/a.js".to_owned(), 1));
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(4) + rule::QUIET, "{took:?}");
}

#[tokio::test]
async fn a_thousand_saves_are_one_reload() {
    let mut bench = Bench::new(|_, _| {});
    bench.ready().await;
    bench.run("i=0; while [ $i -lt 1000 ]; do echo $i > src/$((i % 50)).js; i=$((i + 1)); done");
    assert_eq!(bench.reload().await, ("src/0.js".to_owned(), 50));
    bench.nothing().await;
}

#[tokio::test]
async fn apps_come_and_go_and_two_share_a_folder() {
    let mut bench = Bench::new(|_, _| {});
    bench.ready().await;
    let api = bench.facts(|_, _| {});
    let mut worker = bench.facts(|_, _| {});
    worker.app = Name::new("worker").unwrap();
    bench.files.set(&[api.clone(), worker.clone()]);
    assert_eq!(bench.files.says().as_deref(), Some("files of 2 apps"));
    bench.ready().await;
    bench.write("src/a.js");
    let mut apps = Vec::new();
    for _ in 0..2 {
        match bench.event().await {
            Event::Restart(request) => apps.push(request.app.to_string()),
            other => panic!("{other:?}"),
        }
    }
    apps.sort();
    assert_eq!(apps, ["api", "worker"]);
    // What the kernel has not told yet is not lost when the apps are read again.
    bench.write("src/a.js");
    bench.files.set(std::slice::from_ref(&api));
    assert_eq!(bench.reload().await, ("src/a.js".to_owned(), 1));
    bench.nothing().await;
    worker.watch = None;
    bench.files.set(&[worker]);
    assert_eq!(bench.files.says(), None);
    assert!(bench.files.kernel.is_none());
    bench.files.set(&[api]);
    bench.ready().await;
    bench.write("src/a.js");
    assert_eq!(bench.reload().await, ("src/a.js".to_owned(), 1));
}

#[tokio::test]
async fn a_file_that_asks_again_and_again_is_told() {
    let mut bench = Bench::new(|_, _| {});
    bench.ready().await;
    let mut troubles = Vec::new();
    for _ in 0..12 {
        bench.write("src/a.js");
        loop {
            match bench.event().await {
                Event::Restart(_) => break,
                Event::Trouble { text, .. } => troubles.push(text),
                Event::Says => {}
            }
        }
    }
    assert_eq!(
        troubles,
        [
            "api was reloaded for src/a.js again and again; if it writes that file itself, add it to ignore_watch"
        ]
    );
}
