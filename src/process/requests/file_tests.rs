use std::fs;
use std::os::unix::fs::symlink;

use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

fn number(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn histogram(bytes: &mut Vec<u8>, all: &Histogram) {
    number(bytes, all.sum);
    number(bytes, all.buckets.len() as u64);
    let mut last = 0;
    for (upper, count) in &all.buckets {
        let index = buckets::index(upper - 1);
        number(bytes, index - last);
        number(bytes, *count);
        last = index;
    }
}

fn sealed(run: [u8; 16], body: &[u8]) -> Vec<u8> {
    let length = (BODY + body.len()) as u32;
    let mut bytes = [NAME, &length.to_le_bytes(), &[0; 4], &run, &[0; 8], body].concat();
    let sum = checksum(&bytes[16..]);
    bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn written(counted: &Counted) -> Vec<u8> {
    let mut body = Vec::new();
    for value in [
        counted.started,
        counted.written,
        counted.failed,
        counted.aborted,
    ] {
        number(&mut body, value);
    }
    histogram(&mut body, &counted.total);
    number(&mut body, counted.slots.len() as u64);
    for (slot, all) in &counted.slots {
        number(&mut body, *slot);
        histogram(&mut body, all);
    }
    sealed(counted.run, &body)
}

fn requests(count: u64, time: u64) -> Histogram {
    Histogram {
        count,
        sum: count * time,
        buckets: vec![(buckets::upper(buckets::index(time)), count)],
    }
}

/// 5 s into slot 100.
const NOW: u64 = 100 * SLOT + 5_000_000;

fn example() -> Counted {
    Counted {
        run: [7; 16],
        started: 3 * SLOT,
        written: NOW,
        failed: 2,
        aborted: 1,
        total: requests(1_000, 20_100),
        slots: (94..=100)
            .map(|slot| (slot, requests(10, 20_100)))
            .collect(),
    }
}

#[test]
fn the_last_minute_is_what_the_clock_says() {
    let at = |now| example().until(now);
    let seconds = |now| at(now).span.as_secs_f64();
    assert_eq!((at(NOW).recent.count, seconds(NOW)), (60, 55.0));
    assert_eq!(at(NOW).recent.buckets, [(20_500, 60)]);
    assert_eq!(at(NOW).total.count, 1_000);
    // Whatever came in the last second is not written yet.
    assert_eq!(seconds(NOW + 1_000_000), 55.0);
    assert_eq!(seconds(NOW + 3_000_000), 58.0);
    let later = |seconds: u64| at(NOW + seconds * 1_000_000).recent.count;
    assert_eq!([10, 30, 54, 55, 3_600].map(later), [50, 30, 10, 0, 0]);
    assert_eq!(at(NOW + SLOT * 60).per_second(), Some(0.0));
    assert_eq!(at(NOW + SLOT * 60).recent.quantile(0.5), None);
    assert_eq!(at(NOW + SLOT * 60).total.count, 1_000);

    let young = Counted {
        started: NOW - 2_000_000,
        ..example()
    };
    assert_eq!(young.until(NOW).span.as_secs_f64(), 2.0);
    // A clock that is behind: nothing is negative.
    assert_eq!(at(0).span, Duration::ZERO);
    assert_eq!(at(0).per_second(), None);
}

#[test]
fn several_processes_are_one_instance() {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, counted: &Counted| {
        fs::write(root.path().join(name), written(counted)).unwrap();
    };
    let count = || read(root.path(), NOW, 0).map(|all| (all.total.count, all.recent.count));
    assert_eq!(count(), None);
    write("requests-1", &example());
    assert_eq!(count(), None, "no first one");
    write("requests", &example());
    assert_eq!(count(), Some((2_000, 120)));
    let rate = read(root.path(), NOW, 0).unwrap().per_second().unwrap();
    assert!((rate - 120.0 / 55.0).abs() < 1e-9, "{rate}");
    // A file that makes no sense does not hide the next.
    fs::write(root.path().join("requests-2"), "?").unwrap();
    write("requests-3", &example());
    write(
        "requests-4",
        &Counted {
            run: [8; 16],
            ..example()
        },
    );
    assert_eq!(count(), Some((3_000, 180)));
}

#[test]
fn what_an_earlier_run_left_is_not_of_this_one() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("requests"), written(&example())).unwrap();
    let since = |since| read(root.path(), NOW, since).is_some();
    assert!(since(example().started));
    assert!(!since(example().started + 1));

    let now = monotonic();
    assert_eq!(on_our_clock(Duration::ZERO), 0);
    let of_now = Duration::from_micros(micros(ClockId::Boottime));
    assert!((now..now + 60_000_000).contains(&on_our_clock(of_now)));
}

#[test]
fn read_is_what_the_preload_wrote_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("requests");
    let read = || read(root.path(), NOW, 0);
    let bytes = written(&example());
    fs::write(&file, &bytes).unwrap();
    assert!(read().is_some());
    // The end of an older, longer text.
    fs::write(&file, [&bytes[..], b"rest"].concat()).unwrap();
    assert!(read().is_some());
    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(read(), None, "cut short");

    let other = root.path().join("other");
    fs::write(&other, &bytes).unwrap();
    fs::remove_file(&file).unwrap();
    symlink(&other, &file).unwrap();
    assert_eq!(read(), None, "a link");
    fs::remove_file(&file).unwrap();
    // Nobody writes into it.
    mknodat(CWD, &file, FileType::Fifo, Mode::RWXU, 0).unwrap();
    assert_eq!(read(), None, "a FIFO");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert_eq!(read(), None, "a folder");
    fs::remove_dir(&file).unwrap();
    fs::File::create(&file).unwrap().set_len(1 << 40).unwrap();
    assert_eq!(read(), None, "a terabyte");
    let mut huge = bytes.clone();
    huge[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    fs::write(&file, &huge).unwrap();
    assert_eq!(read(), None, "a length of four gigabytes");
}

#[test]
fn a_long_file_is_read_whole() {
    let root = tempfile::tempdir().unwrap();
    let all = Histogram {
        count: COUNT << 20,
        sum: 1 << 40,
        buckets: (0..COUNT)
            .map(|index| (buckets::upper(index), 1 << 20))
            .collect(),
    };
    let full = Counted {
        total: all.clone(),
        slots: (95..=100).map(|slot| (slot, all.clone())).collect(),
        ..example()
    };
    let bytes = written(&full);
    assert!((USUAL..LONGEST).contains(&bytes.len()), "{}", bytes.len());
    fs::write(root.path().join("requests"), bytes).unwrap();
    let read = read(root.path(), NOW, 0).unwrap();
    assert_eq!((read.total, read.recent.count), (all, 6 * (COUNT << 20)));
}

fn any_histogram() -> impl Strategy<Value = Histogram> {
    let buckets = prop::collection::btree_map(0..COUNT, 1..1_u64 << 30, 0..40);
    (0..SANE, buckets).prop_map(|(sum, buckets)| Histogram {
        count: buckets.values().sum(),
        sum,
        buckets: buckets
            .into_iter()
            .map(|(index, count)| (buckets::upper(index), count))
            .collect(),
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        total in any_histogram(),
        slots in prop::collection::vec((0..SANE, any_histogram()), 0..8),
        started in 0..SANE,
        run in any::<[u8; 16]>(),
    ) {
        let (failed, aborted) = (total.count / 3, total.count);
        let counted = Counted { run, started, written: started, failed, aborted, total, slots };
        let bytes = written(&counted);
        prop_assert_eq!(parse(&bytes), Some(counted));
    }

    /// A byte that is another one, as of a write half done.
    #[test]
    fn what_is_torn_is_seen(at in 16..60_usize, flip in 1..=255_u8) {
        let mut bytes = written(&example());
        bytes[at] ^= flip;
        prop_assert_eq!(parse(&bytes), None);
    }

    #[test]
    fn nothing_in_a_file_is_too_much(
        body in prop::collection::vec(prop_oneof![0..4_u8, any::<u8>()], 0..300),
        now in any::<u64>(),
    ) {
        if let Some(counted) = parse(&sealed([0; 16], &body)) {
            let all = counted.clone().until(now);
            let twice = Requests::sum([&all, &all]).unwrap();
            for share in [0.0, 0.5, 0.99, 1.0] {
                let _ = twice.recent.quantile(share);
                let _ = twice.total.quantile(share);
            }
            let _ = twice.per_second();
            prop_assert!(all.total.buckets.iter().all(|(_, count)| *count > 0));
        }
    }

    /// As above, but with numbers that are likely to be taken.
    #[test]
    fn nor_in_one_that_nearly_fits(
        numbers in prop::collection::vec(prop_oneof![0..3_u64, 0..1400_u64, any::<u64>()], 5..40),
        now in any::<u64>(),
    ) {
        let mut body = Vec::new();
        for value in numbers {
            number(&mut body, value % SANE);
        }
        if let Some(counted) = parse(&sealed([0; 16], &body)) {
            let all = counted.until(now);
            let _ = Requests::sum([&all, &all]).unwrap().per_second();
        }
    }
}
