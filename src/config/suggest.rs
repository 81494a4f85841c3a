//! 'Did you mean': the nearest of the words that would have been right.

/// The word nearest to `written`, when it is near enough to be what was meant: within a third of its letters, swaps counting once.
pub fn nearest<'a>(written: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let small = written.to_lowercase();
    let plain = small.replace(['-', '_', ' '], "");
    words
        .into_iter()
        .filter_map(|word| {
            let lower = word.to_lowercase();
            let mut distance = strsim::damerau_levenshtein(&small, &lower);
            if lower.replace('_', "") == plain {
                distance = 0;
            }
            let allowed = (small.chars().count().max(3) / 3).min(4);
            (distance <= allowed && small.len() <= 200).then_some((distance, word))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// ``did you mean `x`?``, or nothing.
pub fn did_you_mean<'a>(written: &str, words: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(written, words).map(|word| format!("did you mean `{word}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_and_far() {
        let words = ["instances", "max_memory_restart", "name", "env"];
        assert_eq!(nearest("instnaces", words), Some("instances"));
        assert_eq!(
            nearest("max_memory_restrat", words),
            Some("max_memory_restart")
        );
        assert_eq!(
            nearest("MaxMemoryRestart", words),
            Some("max_memory_restart")
        );
        assert_eq!(nearest("nmae", words), Some("name"));
        assert_eq!(nearest("colour", words), None);
    }
}
