//! Recovery codes: printed beforehand, each good once, for when the authenticator app is gone.

use evergate_model::Secret;

use crate::{random, typed};

/// How many codes a set has.
pub const NUMBER: usize = 10;
/// How many letters and digits a code has: 50 random bits.
const LENGTH: usize = 10;
/// Crockford's alphabet: no letter that looks like a digit or another letter.
const ALPHABET: &str = "0123456789abcdefghjkmnpqrstvwxyz";

/// A new set of codes, as they are shown: `xxxxx-xxxxx`.
#[must_use]
pub fn generate() -> Vec<Secret<String>> {
    (0..NUMBER).map(|_| Secret::new(one())).collect()
}

fn one() -> String {
    let letter = || ALPHABET.chars().nth(random::below(32) as usize).unwrap_or('0');
    let mut code: String = (0..LENGTH).map(|_| letter()).collect();
    code.insert(LENGTH / 2, '-');
    code
}

/// The one form of what somebody typed, which is what is kept (as an HMAC). None if that cannot be
/// a code.
#[must_use]
pub fn normalise(typed: &str) -> Option<String> {
    let same = |c: char| match c.to_ascii_lowercase() {
        'o' => '0',
        'i' | 'l' => '1',
        other => other,
    };
    let code: String = typed::characters(typed)?.map(same).collect();
    (code.len() == LENGTH && code.chars().all(|c| ALPHABET.contains(c))).then_some(code)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_set_has_ten_different_codes_that_survive_being_typed() {
        let codes: BTreeSet<String> =
            generate().iter().map(|code| normalise(&code.expose().to_uppercase()).unwrap()).collect();
        assert_eq!(codes.len(), NUMBER);
    }

    #[test]
    fn look_alikes_are_the_same_and_rubbish_is_nothing() {
        assert_eq!(normalise("OOOOO iiill"), Some("0000011111".to_owned()));
        let with_more = format!("00000-00000{}1", " ".repeat(60));
        for bad in ["", "abc", "uuuuu-uuuuu", "0000000000000", "０0000-00000", &with_more] {
            assert_eq!(normalise(bad), None, "{bad}");
        }
    }
}
