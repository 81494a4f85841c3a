//! Arguments on their way through a login shell of another machine, whichever that is: sh, bash, zsh, fish and csh agree on little more than that
//! letters stand for themselves. A word of others goes as the hex digits of its bytes.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Before hex digits; a word that begins with it goes as hex digits too.
const HEX: &[u8] = b"x_";

/// A word that every shell takes as it is.
pub fn encode(word: &OsStr) -> String {
    let bytes = word.as_bytes();
    let first = |one: &u8| one.is_ascii_alphanumeric() || b"_./-".contains(one);
    let other = |one: &u8| one.is_ascii_alphanumeric() || b"_./-@:,+=".contains(one);
    let plain =
        bytes.first().is_some_and(first) && bytes.iter().all(other) && !bytes.starts_with(HEX);
    if plain && let Some(text) = word.to_str() {
        return text.to_owned();
    }
    let digits: String = bytes.iter().map(|one| format!("{one:02x}")).collect();
    format!("x_{digits}")
}

/// The word again; None where nothing of ours encoded it.
pub fn decode(word: &OsStr) -> Option<OsString> {
    let Some(digits) = word.as_bytes().strip_prefix(HEX) else {
        return Some(word.to_owned());
    };
    let value = |digit: &u8| char::from(*digit).to_digit(16);
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(value(high)? * 16 + value(low)?).ok(),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    Some(OsString::from_vec(bytes?))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// The arguments as a program gets them that `shell -c` starts, as sshd does it.
    fn through(shell: &str, words: &[OsString]) -> Vec<OsString> {
        let mut line = "env printf %s\\\\0".to_owned();
        for word in words {
            line.push(' ');
            line.push_str(&encode(word));
        }
        let output = Command::new(shell).args(["-c", &line]).output().unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{shell}: {output:?}"
        );
        output
            .stdout
            .split_inclusive(|byte| *byte == 0)
            .map(|word| decode(OsStr::from_bytes(&word[..word.len() - 1])).unwrap())
            .collect()
    }

    /// `RPMCTL_TEST_SHELLS=zsh:fish:tcsh` tries others than those every machine has.
    fn shells() -> Vec<String> {
        let more = std::env::var("RPMCTL_TEST_SHELLS").unwrap_or_default();
        let more = more.split(':').filter(|shell| !shell.is_empty());
        ["sh", "bash"]
            .into_iter()
            .chain(more)
            .map(str::to_owned)
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_arrive(words in prop::collection::vec(prop::collection::vec(1u8.., 0..12), 1..6)) {
            let words: Vec<OsString> = words.into_iter().map(OsString::from_vec).collect();
            for shell in shells() {
                prop_assert_eq!(&through(&shell, &words), &words);
            }
        }
    }

    #[test]
    fn what_shells_expand_arrives() {
        let words: Vec<OsString> = [
            "status",
            "--json",
            "",
            " ",
            "it's",
            "\"",
            "\\",
            "!!",
            "$HOME",
            "`id`",
            "$(id)",
            "*",
            "~",
            "~root",
            "=ls",
            "a=b",
            "--since=-1h",
            "/^api-.*$/",
            "{a,b}",
            "%1",
            "^a^b",
            "#",
            "a\nb",
            "é日本",
            "x_",
            "x_61",
            "@foo",
            "-H",
            "a:b@2",
            "(id)",
            ";",
            "&",
            "|",
            ">x",
            "[a-z]",
            "+1",
            "-1",
        ]
        .map(OsString::from)
        .into();
        for shell in shells() {
            assert_eq!(through(&shell, &words), words, "{shell}");
        }
        assert_eq!(encode(OsStr::new("api@2")), "api@2");
    }

    #[test]
    fn what_nobody_encoded() {
        for word in ["x_6", "x_6g", "x_+1", "x_é"] {
            assert_eq!(decode(OsStr::new(word)), None, "{word}");
        }
    }
}
