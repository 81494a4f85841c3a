//! Characters that change how a line looks and are not seen themselves.

/// It turns the direction of writing, breaks the line, joins what stands around it or takes no place: text of others shown without it reads as it is
/// written.
pub fn unseen(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}'
    )
}
