//! What people type: bounded, with the blanks and dashes left out that they put between groups.

/// Longer than anything that is typed for a code or a seed, in bytes.
const LONGEST: usize = 512;

/// What is left of a typed text without blanks and dashes; `None` if it is longer than anybody types: a text is never
/// cut short, or what follows a code would be passed over.
pub(crate) fn characters(typed: &str) -> Option<impl Iterator<Item = char>> {
    let is_between = |c: &char| c.is_whitespace() || *c == '-';
    (typed.len() <= LONGEST).then(|| typed.chars().filter(move |c| !is_between(c)))
}

/// A code of six decimal digits (ASCII); `None` if that is not one.
pub(crate) fn six_digits(typed: &str) -> Option<String> {
    let digits: String = characters(typed)?.collect();
    (digits.len() == 6 && digits.bytes().all(|c| c.is_ascii_digit())).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_survives_being_typed_and_rubbish_is_nothing() {
        for good in ["123456", " 123-456", "123 456\n", "1 2 3 4 5 6"] {
            assert_eq!(six_digits(good), Some("123456".to_owned()), "{good}");
        }
        for bad in ["", "12345", "1234567", "12345a", "١٢٣٤٥٦", "１２３４５６", "+12345"] {
            assert_eq!(six_digits(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_follows_a_code_after_many_blanks_is_not_passed_over() {
        for blanks in [10, 30, 100, 1000] {
            assert_eq!(six_digits(&format!("123456{}7", " ".repeat(blanks))), None, "{blanks} blanks");
        }
    }
}
