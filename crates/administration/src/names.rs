//! What a new name of a user or group may not hold: characters that nobody sees. With them two
//! names look alike, and a line of a log reads as something else than it says. Names that are kept
//! already are found and shown as before.

use std::ops::RangeInclusive;

use crate::Failure;

/// What has no picture of its own (Unicode 16): format characters and default-ignorable code points
/// (DerivedCoreProperties.txt), the blanks that count as letters or symbols, private use, and
/// what can never be a character. From the fourth plane on there is nothing else.
const UNSEEN: [RangeInclusive<char>; 28] = [
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{600}'..='\u{605}',
    '\u{61c}'..='\u{61c}',
    '\u{6dd}'..='\u{6dd}',
    '\u{70f}'..='\u{70f}',
    '\u{890}'..='\u{891}',
    '\u{8e2}'..='\u{8e2}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{e000}'..='\u{f8ff}',
    '\u{fdd0}'..='\u{fdef}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{fffb}',
    '\u{110bd}'..='\u{110bd}',
    '\u{110cd}'..='\u{110cd}',
    '\u{13430}'..='\u{1343f}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{40000}'..='\u{10ffff}',
];

/// Refuses a name in which somebody would not see every character. Positions count characters,
/// from 1.
///
/// # Errors
/// [`Failure`] that names the first of them, and where it stands.
pub(crate) fn check_is_seen(field: &str, name: &str) -> Result<(), Failure> {
    let unseen = name.chars().zip(1_u32..).find(|(c, _)| is_unseen(*c));
    unseen.map_or(Ok(()), |(c, position)| {
        let code = u32::from(c);
        Err(Failure::invalid(
            field,
            format!(
                "`{}` has a character at position {position} that cannot be seen (U+{code:04X})",
                name.escape_debug()
            ),
        ))
    })
}

fn is_unseen(c: char) -> bool {
    // The last two of every plane are no characters.
    c.is_control()
        || c.is_whitespace() && c != ' '
        || u32::from(c) & 0xfffe == 0xfffe
        || UNSEEN.iter().any(|range| range.contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_refused_with_its_place() {
        let all = "\u{0}\n\u{7f}\u{85}\u{a0}\u{ad}\u{34f}\u{61c}\u{115f}\u{180e}\u{200b}\u{200d}\u{200f}\
            \u{2028}\u{202e}\u{2060}\u{2066}\u{2800}\u{3164}\u{e000}\u{fe0f}\u{feff}\u{ffa0}\u{fff9}\
            \u{ffff}\u{1fffe}\u{1d173}\u{e0041}\u{e01ef}\u{f0000}\u{10ffff}";
        for unseen in all.chars() {
            let problem = format!("{:?}", check_is_seen("name", &format!("zoë{unseen}b")));
            let place = format!("position 4 that cannot be seen (U+{:04X})", u32::from(unseen));
            assert!(problem.contains(&place), "{problem}");
        }
    }

    #[test]
    fn names_of_people_in_any_script_are_good() {
        for name in [
            "zoë",
            "zoe\u{308}",
            "Jürgen Groß",
            "Ольга",
            "王小明",
            "ゆき",
            "김철수",
            "नेहा",
            "שרה",
            "ليلى",
            "o'neil-2",
        ] {
            assert!(check_is_seen("name", name).is_ok(), "{name}");
        }
    }

    #[test]
    fn the_table_is_in_order() {
        assert!(UNSEEN.is_sorted_by(|a, b| a.end() < b.start()));
    }
}
