//! Codes that are sent by e-mail.

use evergate_model::Secret;

use crate::random;

/// How many digits a code has.
pub const DIGITS: u32 = 6;

/// A new code of [`DIGITS`] digits, each equally likely.
#[must_use]
pub fn generate() -> Secret<String> {
    from_number(u64::from(random::below(10_u32.pow(DIGITS))))
}

/// The code that the last digits of a number are.
pub(crate) fn from_number(number: u64) -> Secret<String> {
    let width = DIGITS as usize;
    Secret::new(format!("{:0width$}", number % 10_u64.pow(DIGITS)))
}

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
    fn a_code_has_six_digits_and_survives_being_typed() {
        for _ in 0..100 {
            let code = generate();
            assert_eq!(normalise(code.expose()).as_ref(), Some(code.expose()));
        }
        assert_eq!(normalise(" 123 456"), Some("123456".to_owned()));
        for bad in ["", "12345", "1234567", "12345a", "١٢٣٤٥٦"] {
            assert_eq!(normalise(bad), None, "{bad}");
        }
    }
}
