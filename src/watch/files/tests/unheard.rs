//! Where the kernel does not tell: its queue ran over, or the file system has no events.

use super::*;

#[tokio::test]
async fn events_that_were_lost_are_found_out_by_the_files() {
    let mut bench = Bench::new(|_, _| {});
    bench.ready().await;
    bench.write("src/b.js");
    let queue = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let most: u32 = queue.trim().parse().unwrap();
    // Nothing is read meanwhile. Two files in turn: the kernel makes one event of the same one twice.
    let files = [0, 1].map(|number| bench.at(&format!("src/busy{number}.log")));
    for number in 0..most + 10 {
        fs::write(&files[number as usize % 2], "").unwrap();
    }
    bench.run("mkdir src/late; echo 1 > src/late/a.js");
    assert_eq!(bench.reload().await.0, "src/b.js");
    bench.nothing().await;
    bench.write("src/late/a.js");
    assert_eq!(bench.reload().await, ("src/late/a.js".to_owned(), 1));
    // Lost again, and nothing that counts has changed since the kernel was last listened to.
    bench.nothing().await;
    bench.write("src/busy0.log");
    bench.nothing().await;
    for number in 0..most + 10 {
        fs::write(&files[number as usize % 2], "").unwrap();
    }
    bench.nothing().await;
}

#[tokio::test]
async fn polling_sees_the_same() {
    let mut bench = Bench::new(|_, watch| watch.poll = Some(Duration::from_millis(100)));
    fs::create_dir(bench.at("node_modules")).unwrap();
    bench.found().await;
    bench.looked().await;
    assert!(bench.files.kernel.is_none());
    bench.write("node_modules/a.js");
    let permissions = fs::Permissions::from_mode(0o600);
    fs::set_permissions(bench.at("src/a.js"), permissions).unwrap();
    bench.nothing().await;
    fs::write(bench.at("src/a.js"), "another").unwrap();
    assert_eq!(bench.reload().await, ("src/a.js".to_owned(), 1));
    bench.run("mkdir new; echo 1 > new/a.js");
    assert_eq!(bench.reload().await, ("new/a.js".to_owned(), 1));
    fs::remove_file(bench.at("new/a.js")).unwrap();
    assert_eq!(bench.reload().await, ("new/a.js".to_owned(), 1));
}
