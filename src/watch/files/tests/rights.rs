//! What an app's user may not see, by whatever link.

use super::*;

#[tokio::test]
async fn links_lead_no_farther_than_the_apps_user_may_look() {
    let allow =
        |path: &Path, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    let (private, public) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    allow(private.path(), 0o700);
    allow(public.path(), 0o755);
    for folder in [private.path(), public.path()] {
        fs::create_dir(folder.join("lib")).unwrap();
        fs::write(folder.join("one.js"), "1").unwrap();
    }
    for poll in [None, Some(Duration::from_millis(100))] {
        let mut bench = Bench::new(|root, watch| {
            allow(root, 0o755);
            watch.poll = poll;
            watch.paths.push(root.join("current"));
        });
        let mut facts = bench.files.coming.values().next().unwrap().facts.clone();
        facts.user = Some("nobody".to_owned());
        bench.run("mkdir later");
        for (link, to) in [("current", "lib"), ("lib", "lib"), ("one.js", "one.js")] {
            symlink(private.path().join(to), bench.at(link)).unwrap();
        }
        bench.files.set(&[facts]);
        bench.found().await;
        match poll {
            Some(_) => bench.looked().await,
            None => match bench.event().await {
                Event::Trouble { text, .. } => assert!(text.contains("/current cannot"), "{text}"),
                other => panic!("{other:?}"),
            },
        }
        let write = |folder: &tempfile::TempDir, name: &str| {
            fs::write(folder.path().join(name), "another").unwrap();
        };
        write(&private, "lib/a.js");
        write(&private, "one.js");
        bench.nothing().await;
        // Laid while it is watched.
        symlink(private.path().join("lib"), bench.at("later/lib")).unwrap();
        if poll.is_none() {
            assert_eq!(bench.reload().await, ("later/lib".to_owned(), 1));
        }
        write(&private, "lib/b.js");
        bench.nothing().await;
        symlink(public.path().join("lib"), bench.at("later/public")).unwrap();
        write(&public, "lib/a.js");
        assert!(bench.reload().await.0.starts_with("later/public"));
        // On a busy machine the link and the file behind it are two reloads.
        bench.nothing_but("later/public").await;
        write(&public, &format!("lib/{}.js", poll.is_some()));
        assert!(bench.reload().await.0.starts_with("later/public/"));
        bench.nothing_but("later/public").await;
        fs::remove_file(public.path().join("lib/a.js")).unwrap();
        assert!(rustix::process::geteuid().is_root());
    }
}
