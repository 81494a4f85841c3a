//! What `journalctl -o export` prints (systemd's "Journal Export Format"), as it comes in.
//!
//! Of 435,000 lines with nine fields each journalctl needed 2.9 s of processor in this form, 6.9 s as JSON, and bytes that are not text need no detour.

use std::ops::Range;

/// For `--output-fields=`; the `__` ones come anyway.
pub const FIELDS: &str = "MESSAGE,MESSAGE_ID,N_DROPPED,PRIORITY,RPMCTL_APP,SYSLOG_IDENTIFIER,_LINE_BREAK,_MACHINE_ID,_STREAM_ID,_SYSTEMD_UNIT,_SYSTEMD_USER_UNIT,_TRANSPORT,_UID";

const NAMES: [&[u8]; 15] = [
    b"__CURSOR",
    b"__REALTIME_TIMESTAMP",
    b"MESSAGE",
    b"MESSAGE_ID",
    b"N_DROPPED",
    b"PRIORITY",
    b"RPMCTL_APP",
    b"SYSLOG_IDENTIFIER",
    b"_LINE_BREAK",
    b"_STREAM_ID",
    b"_SYSTEMD_UNIT",
    b"_SYSTEMD_USER_UNIT",
    b"_TRANSPORT",
    b"_UID",
    b"_MACHINE_ID",
];

/// An entry; what it does not have is empty. Of a field that occurs more than once, the first.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    pub cursor: &'a str,
    /// Microseconds since the epoch at which journald received it.
    pub at: u64,
    pub message: &'a [u8],
    pub message_id: &'a [u8],
    pub dropped: &'a [u8],
    pub priority: &'a [u8],
    pub app: &'a [u8],
    pub tag: &'a [u8],
    pub line_break: &'a [u8],
    pub stream: &'a [u8],
    pub unit: &'a [u8],
    pub user_unit: &'a [u8],
    pub transport: &'a [u8],
    pub uid: &'a [u8],
    pub machine: &'a [u8],
}

/// Longest entry that is put together, in bytes. One line of stdout has at most journald's LineMax=, 48 KiB unless the machine says more; of a native entry a
/// field may have 768 MiB.
const LONGEST: usize = 4 << 20;

/// Puts entries together from what is read piece by piece; each byte is looked at once.
#[derive(Default)]
pub struct Reader {
    buffer: Vec<u8>,
    /// Where the entry begins that is next; the other places count from here.
    start: usize,
    /// Where its field begins that is next.
    at: usize,
    /// No line ends between `at` and here.
    seen: usize,
    found: [Option<Range<usize>>; 15],
    passing: Option<Passing>,
    passed: usize,
}

/// The entry is longer than [`LONGEST`]: its bytes are dropped as they come.
#[derive(Clone, Copy, PartialEq)]
enum Passing {
    /// The next field begins.
    Field,
    /// Within a field that ends with the line.
    Text,
    /// So many bytes are still of a field.
    Bytes(u64),
}

impl Reader {
    /// What was read next.
    pub fn add(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
        // One long line must not cost memory for good.
        if self.buffer.capacity() > (1 << 20) && self.buffer.len() < (1 << 18) {
            self.buffer.shrink_to(1 << 18);
        }
    }

    /// How many entries were too long since this was last asked; [`Reader::entry`] does not give them.
    pub fn passed(&mut self) -> usize {
        std::mem::take(&mut self.passed)
    }

    /// The next whole entry; None until more is added. Errors: it is not that format, in words.
    pub fn entry(&mut self) -> Result<Option<Line<'_>>, String> {
        if !self.whole()? {
            return Ok(None);
        }
        let found = std::mem::take(&mut self.found);
        let entry = self.start;
        self.begin();
        line(&self.buffer[entry..], &found).map(Some)
    }

    /// What follows is another entry.
    fn begin(&mut self) {
        self.start += self.at;
        (self.at, self.seen) = (0, 0);
    }

    /// Takes one field after the other: true when an entry ends at `at`.
    fn whole(&mut self) -> Result<bool, String> {
        loop {
            let entry = &self.buffer[self.start..];
            if self.passing.is_none() && self.seen > LONGEST {
                self.passing = Some(Passing::Field);
            }
            if let Some(Passing::Bytes(left)) = self.passing {
                let here = usize::try_from(left).unwrap_or(usize::MAX);
                let here = here.min(entry.len() - self.at);
                self.next_at(self.at + here);
                let left = left - here as u64;
                if left > 0 {
                    self.passing = Some(Passing::Bytes(left));
                    self.begin();
                    return Ok(false);
                }
                self.passing = Some(Passing::Field);
                continue;
            }
            let from = self.seen.max(self.at);
            let Some(end) = entry[from..].iter().position(|byte| *byte == b'\n') else {
                let (at, length) = (self.at, entry.len());
                self.seen = length;
                if self.passing.is_none() && length <= LONGEST {
                    return Ok(false);
                }
                let text = self.passing == Some(Passing::Text) || entry[at..].contains(&b'=');
                if text {
                    self.next_at(length);
                    self.passing = Some(Passing::Text);
                } else if length - at > LONGEST {
                    return Err("a field whose name does not end".into());
                } else {
                    self.passing = Some(Passing::Field);
                }
                self.begin();
                return Ok(false);
            };
            let (begin, end) = (self.at, from + end);
            if self.passing == Some(Passing::Text) {
                self.passing = Some(Passing::Field);
                self.next_at(end + 1);
                continue;
            }
            if begin == end {
                self.next_at(end + 1);
                if self.passing.take().is_some() {
                    self.passed += 1;
                    self.found = Default::default();
                    self.begin();
                } else if self.found.iter().any(Option::is_some) {
                    return Ok(true);
                }
                continue;
            }
            let text = &entry[begin..end];
            let (name, value) = match text.iter().position(|byte| *byte == b'=') {
                Some(equals) => (&text[..equals], begin + equals + 1..end),
                None => {
                    self.seen = end;
                    let Some(size) = entry.get(end + 1..end + 9) else {
                        return Ok(false);
                    };
                    let size = u64::from_le_bytes(size.try_into().expect("eight bytes"));
                    if size > 1 << 30 {
                        return Err("a field of more than 1 GiB".into());
                    }
                    let begin = end + 9;
                    if self.passing.is_some() || size > LONGEST as u64 {
                        // And the end of its line.
                        self.passing = Some(Passing::Bytes(size + 1));
                        self.next_at(begin);
                        continue;
                    }
                    let end = begin + size as usize;
                    if entry.len() <= end {
                        if end > LONGEST {
                            self.passing = Some(Passing::Bytes(size + 1));
                            self.next_at(begin);
                            continue;
                        }
                        return Ok(false);
                    }
                    (text, begin..end)
                }
            };
            let next = value.end + 1;
            if self.passing.is_none()
                && let Some(index) = NAMES.iter().position(|known| *known == name)
                && self.found[index].is_none()
            {
                self.found[index] = Some(value);
            }
            self.next_at(next);
        }
    }

    fn next_at(&mut self, at: usize) {
        (self.at, self.seen) = (at, at);
    }
}

fn line<'a>(entry: &'a [u8], found: &[Option<Range<usize>>; 15]) -> Result<Line<'a>, String> {
    let get = |index: usize| -> &'a [u8] {
        match &found[index] {
            Some(range) => &entry[range.clone()],
            None => &[],
        }
    };
    let text = |index| std::str::from_utf8(get(index)).unwrap_or_default();
    let cursor = text(0);
    if cursor.is_empty() {
        return Err("an entry without a cursor".into());
    }
    Ok(Line {
        cursor,
        at: text(1).parse().map_err(|_| "an entry without a time")?,
        message: get(2),
        message_id: get(3),
        dropped: get(4),
        priority: get(5),
        app: get(6),
        tag: get(7),
        line_break: get(8),
        stream: get(9),
        unit: get(10),
        user_unit: get(11),
        transport: get(12),
        uid: get(13),
        machine: get(14),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(number: usize, message: &[u8]) -> Vec<u8> {
        let mut text =
            format!("__CURSOR=s=1;i={number}\n__REALTIME_TIMESTAMP={number}\n_UID=0\nOTHER\n")
                .into_bytes();
        text.extend(3u64.to_le_bytes());
        text.extend(b"a\n\n\nMESSAGE\n");
        text.extend((message.len() as u64).to_le_bytes());
        text.extend(message);
        text.extend(b"\nPRIORITY=6\nPRIORITY=7\n\n");
        text
    }

    #[test]
    fn what_is_no_entry_is_told() {
        let mut reader = Reader::default();
        reader.add(b"-- No entries --=\n\n");
        assert_eq!(reader.entry(), Ok(None));
        reader.add(b"_UID=0\n\n");
        assert!(reader.entry().unwrap_err().contains("cursor"));
    }

    #[test]
    fn an_entry_that_is_too_long_is_passed_over_and_each_byte_looked_at_once() {
        let long = vec![b'x'; 3 * LONGEST];
        let text = |size: usize| [b"MESSAGE=", &long[..size], b"\n"].concat();
        let mut sized = b"MESSAGE\n".to_vec();
        sized.extend((long.len() as u64).to_le_bytes());
        sized.extend(&long);
        sized.extend(b"\n");
        // Many fields that are short, of which all together are too long.
        let many: Vec<u8> = (0..5).flat_map(|_| text(1 << 20)).collect();
        for field in [text(long.len()), sized, many] {
            let mut reader = Reader::default();
            let mut seen = Vec::new();
            let mut all = entry(1, b"a");
            all.extend(b"__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=2\n");
            all.extend(field);
            all.extend(b"PRIORITY=1\n\n");
            all.extend(entry(3, b"c"));
            for piece in all.chunks(1000) {
                reader.add(piece);
                assert!(reader.buffer.len() <= LONGEST + 2000);
                while let Some(line) = reader.entry().unwrap() {
                    seen.push((line.at, line.message.to_vec()));
                }
            }
            assert_eq!(seen, [(1, b"a".to_vec()), (3, b"c".to_vec())]);
            assert_eq!((reader.passed(), reader.passed()), (1, 0));
        }
    }

    proptest! {
        #[test]
        fn entries_come_back_however_they_are_cut(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6),
            piece in 1usize..50,
        ) {
            let all: Vec<u8> = messages.iter().enumerate().flat_map(|(number, message)| entry(number, message)).collect();
            let mut reader = Reader::default();
            let mut seen = Vec::new();
            for piece in all.chunks(piece) {
                reader.add(piece);
                while let Some(line) = reader.entry().unwrap() {
                    prop_assert_eq!((line.uid, line.priority), (&b"0"[..], &b"6"[..]));
                    prop_assert_eq!(line.cursor, format!("s=1;i={}", line.at));
                    seen.push(line.message.to_vec());
                }
            }
            prop_assert_eq!(seen, messages);
        }

        #[test]
        fn anything_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = Reader::default();
            reader.add(&bytes);
            let _ = reader.entry();
        }
    }
}
