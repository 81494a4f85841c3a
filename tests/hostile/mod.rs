//! Strings that break careless quoting: every one hand-picked, then random mixes of their parts, the same in every run.
#![allow(dead_code)] // each program that includes this uses a part of it

/// Whole strings, each of which some generator of units has got wrong.
pub const PICKED: &[&str] = &[
    "",
    " ",
    "  two  blanks  ",
    "\t",
    "\n",
    "\n\n",
    "\r",
    "\r\n",
    "a\nb",
    "a\n[Service]\nExecStart=/bin/false",
    "a\\\nb",
    "ends with \\",
    "ends with \\\\",
    "\\",
    "\\\\",
    "\\n",
    "\\x41",
    "\\u00e9",
    "\\s",
    "C:\\tmp\\new",
    "\"",
    "\"\"",
    "'",
    "''",
    "it's",
    "say \"no\"",
    "'single'",
    "\"double\"",
    "\"'\"'\"",
    "a\"b'c\\d",
    "`id`",
    "$(id)",
    "$",
    "$$",
    "$HOME",
    "${HOME}",
    "${HOME:-x}",
    "$1",
    "${X}Y",
    "a$b${c}d$$e",
    "%",
    "%%",
    "%i",
    "%n",
    "%h/%u",
    "100%",
    "50%%",
    "%40",
    "%Z",
    "p%20w",
    "postgres://u:p%40ss@h:5432/db?x=1&y=2#z",
    "-",
    "--",
    "-x",
    "--help",
    "-c",
    "-- -x",
    ";",
    "a ; b",
    "; rm -rf /",
    "\\;",
    "#",
    "# comment",
    "a # b",
    "@",
    "@/bin/x",
    "!",
    "!!",
    "!x",
    ":",
    ":x",
    "+x",
    "|",
    "|x",
    "~",
    "~root",
    "~/x",
    "=",
    "a=b",
    "A=1 B=2",
    "&&",
    "a && b || c",
    "a > b < c >> d 2>&1",
    "*",
    "?",
    "[a-z]*",
    "{a,b}",
    "(x)",
    "^",
    "<3>message",
    "<script>",
    "[Service]",
    "Environment=X=1",
    "{\"json\": [1, \"two\", null], \"path\": \"C:\\\\x\"}",
    "{{ app }}",
    "{% if x %}",
    "{# x #}",
    "0",
    "-1",
    "1e3",
    "true",
    "null",
    "\u{1}",
    "\u{7}\u{8}\u{b}\u{c}",
    "\u{1b}[31mred\u{1b}[0m",
    "\u{7f}",
    "\u{80}\u{85}\u{9f}",
    "\u{a0}",
    "\u{a0}x\u{a0}",
    "\u{2028}",
    "a\u{2028}b\u{2029}c",
    "\u{feff}",
    "\u{feff}bom",
    "é",
    "e\u{301}",
    "日本語",
    "🦀",
    "👩‍👩‍👧‍👦",
    "\u{202e}rtl",
    "\u{fffd}",
    "\u{10fffd}",
    "\u{e000}",
];

/// What random strings are put together from.
const PARTS: &[&str] = &[
    "\"", "'", "\\", "\\\\", "%", "%%", "%i", "%n", "%", "$", "$$", "${X}", "$HOME", "\n", "\r",
    "\t", " ", "  ", ";", "#", "@", "!", ":", "~", "-", "--", "+", "|", "&", "<", ">", "*", "?",
    "[", "]", "{", "}", "(", ")", "`", "=", ",", ".", "/", "^", "a", "B", "7", "word", "x41", "n",
    "é", "日", "🦀", "\u{2028}", "\u{feff}", "\u{a0}", "\u{85}", "\u{1}", "\u{1b}", "\u{7f}",
    "\u{c}", "\u{b}",
];

/// SplitMix64: enough for mixing, and the same everywhere.
pub struct Mix(u64);

impl Mix {
    pub fn new(seed: u64) -> Mix {
        Mix(seed)
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    fn any_char(&mut self) -> char {
        loop {
            let end = [0x80, 0x800, 0x1_0000, 0x11_0000][self.below(4)];
            match char::from_u32(self.below(end) as u32) {
                Some('\0') | None => {}
                // No characters: refused when the file is checked.
                Some(c)
                    if c as u32 & 0xfffe == 0xfffe || ('\u{fdd0}'..='\u{fdef}').contains(&c) => {}
                Some(c) => return c,
            }
        }
    }

    /// Up to two dozen parts; one in three is any character but NUL.
    pub fn string(&mut self) -> String {
        let parts = self.below(24);
        let mut text = String::new();
        for _ in 0..parts {
            match self.below(3) {
                0 => text.push(self.any_char()),
                _ => text.push_str(PARTS[self.below(PARTS.len())]),
            }
        }
        text
    }
}

/// Every picked string, every character below U+0100 but NUL by itself and within a word, then mixes, `count` in all.
///
/// # Panics
/// When `count` leaves no room for mixes.
pub fn strings(count: usize, seed: u64) -> Vec<String> {
    let mut all: Vec<String> = PICKED.iter().map(|text| (*text).to_owned()).collect();
    for c in (1..0x100).filter_map(char::from_u32) {
        all.push(c.to_string());
        all.push(format!("a{c}b{c}"));
    }
    assert!(all.len() < count, "{} are fixed", all.len());
    let mut mix = Mix::new(seed);
    all.resize_with(count, || mix.string());
    all
}

/// `length` bytes of mixes.
pub fn long(length: usize, seed: u64) -> String {
    let mut mix = Mix::new(seed);
    let mut text = String::new();
    while text.len() < length {
        text.push_str(&mix.string());
    }
    while text.len() > length {
        text.pop();
    }
    while text.len() < length {
        text.push('x');
    }
    text
}

/// A TOML basic string.
pub fn toml(text: &str) -> String {
    toml::Value::from(text).to_string()
}
