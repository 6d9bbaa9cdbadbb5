//! Codes that are sent by e-mail, as people type them. Whoever sends one derives it from a keyed
//! hash of the step it belongs to, so that a step which is repeated keeps its code.

/// How many digits a code has.
pub const DIGITS: u32 = 6;

/// The digits of what somebody typed: blanks and dashes left out. None if that is not a code.
#[must_use]
pub fn normalise(typed: &str) -> Option<String> {
    let digits: String = typed.chars().take(32).filter(|c| !c.is_whitespace() && *c != '-').collect();
    (digits.len() == DIGITS as usize && digits.bytes().all(|c| c.is_ascii_digit())).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_survives_being_typed_and_rubbish_is_nothing() {
        assert_eq!(normalise(" 123-456"), Some("123456".to_owned()));
        for bad in ["", "12345", "1234567", "12345a", "١٢٣٤٥٦"] {
            assert_eq!(normalise(bad), None, "{bad}");
        }
    }
}
