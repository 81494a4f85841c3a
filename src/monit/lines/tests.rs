use super::*;

const ROOM: Room = Room {
    columns: 10,
    rows: 3,
    wrap: false,
    labels: false,
};
const WRAPPED: Room = Room { wrap: true, ..ROOM };

fn lines(texts: impl IntoIterator<Item = String>) -> Lines {
    let mut lines = Lines::default();
    for text in texts {
        lines.add(Line {
            label: "api@0".into(),
            stream: Stream::Out,
            text,
        });
    }
    lines
}

fn shown(lines: &Lines, room: &Room) -> Vec<String> {
    let view = lines.view(room);
    view.iter()
        .map(|(line, row)| match room.wrap {
            true => text::wrap(&line.text, room.columns)[*row].to_owned(),
            false => line.text.clone(),
        })
        .collect()
}

#[test]
fn the_newest_are_followed_until_one_scrolls_away() {
    let mut lines = lines((0..9).map(|n| n.to_string()));
    assert_eq!(shown(&lines, &ROOM), ["6", "7", "8"]);
    lines.scroll(-2, &ROOM);
    assert_eq!(shown(&lines, &ROOM), ["4", "5", "6"]);
    lines.add(Line {
        label: String::new(),
        stream: Stream::Out,
        text: "9".into(),
    });
    assert_eq!(shown(&lines, &ROOM), ["4", "5", "6"]);
    assert_eq!(lines.below(), 3);
    lines.scroll(-99, &ROOM);
    assert_eq!(shown(&lines, &ROOM), ["0", "1", "2"]);
    lines.scroll(99, &ROOM);
    assert_eq!(lines.place, None);
    lines.show_first(&ROOM);
    assert_eq!(shown(&lines, &ROOM), ["0", "1", "2"]);
}

#[test]
fn a_line_that_is_wrapped_is_scrolled_by_its_rows() {
    let mut lines = lines([
        "first".to_owned(),
        "0123456789abcdefghijklmnopqrst".to_owned(),
    ]);
    assert_eq!(
        shown(&lines, &WRAPPED),
        ["0123456789", "abcdefghij", "klmnopqrst"]
    );
    lines.scroll(-1, &WRAPPED);
    assert_eq!(
        shown(&lines, &WRAPPED),
        ["first", "0123456789", "abcdefghij"]
    );
    lines.scroll(-1, &WRAPPED);
    assert_eq!(
        shown(&lines, &WRAPPED),
        ["first", "0123456789", "abcdefghij"]
    );
    // Less room than a moment ago.
    let narrow = Room { rows: 1, ..ROOM };
    assert_eq!(shown(&lines, &narrow).len(), 1);
}

#[test]
fn what_is_kept_is_bounded_and_a_place_that_goes_moves_on() {
    let mut lines = lines((0..10).map(|n| n.to_string()));
    lines.show_first(&ROOM);
    for number in 0..KEPT {
        lines.add(Line {
            label: String::new(),
            stream: Stream::Out,
            text: format!("more {number}"),
        });
    }
    assert_eq!(lines.len(), KEPT);
    assert_eq!(shown(&lines, &ROOM).last().unwrap(), "more 0");
    for _ in 0..2000 {
        lines.add(Line {
            label: String::new(),
            stream: Stream::Out,
            text: "x".repeat(text::LONGEST),
        });
    }
    assert!(lines.bytes <= BYTES && lines.len() < 2000);
}

#[test]
fn a_search_goes_up_first_and_takes_what_is_no_pattern_as_it_is() {
    let mut lines = lines(["one", "Error a", "two", "error [b", "three"].map(str::to_owned));
    let room = Room { rows: 1, ..ROOM };
    lines.search("error");
    assert_eq!(lines.found(), 2);
    assert!(lines.seek(true, &room));
    assert_eq!(shown(&lines, &room), ["error [b"]);
    assert!(lines.seek(true, &room));
    assert_eq!(shown(&lines, &room), ["Error a"]);
    assert!(!lines.seek(true, &room));
    assert!(lines.seek(false, &room));
    assert_eq!(shown(&lines, &room), ["error [b"]);
    // Found at the top, the view is full all the same, and the search goes on from there.
    assert!(lines.seek(true, &ROOM));
    assert_eq!(shown(&lines, &ROOM), ["one", "Error a", "two"]);
    assert!(lines.seek(false, &ROOM));
    assert_eq!(shown(&lines, &ROOM), ["Error a", "two", "error [b"]);
    lines.search("Error");
    assert_eq!(lines.found(), 1);
    lines.search("[b");
    assert_eq!(lines.found(), 1);
    assert_eq!(lines.matches("a [b"), [(2, 4)]);
    lines.search("");
    assert_eq!((lines.found(), lines.seek(true, &room)), (0, false));
    assert!(!Lines::default().seek(true, &room));
}
