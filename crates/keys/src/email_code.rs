//! Codes that are sent by e-mail, as people type them. Whoever sends one derives it from a keyed
//! hash of the step it belongs to, so that a step which is repeated keeps its code.

use crate::typed;

/// How many digits a code has.
pub const DIGITS: u32 = 6;

/// The digits of what somebody typed: blanks and dashes left out. None if that is not a code.
#[must_use]
pub fn normalise(typed: &str) -> Option<String> {
    typed::six_digits(typed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_as_many_digits_as_are_sent() {
        let code = "7".repeat(DIGITS as usize);
        assert_eq!(normalise(&code), Some(code));
    }
}
