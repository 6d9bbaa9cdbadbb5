//! What is shown of a soft token that is being set up.

/// The seed of an `otpauth` address in groups of four, to be typed.
#[must_use]
pub(crate) fn seed_of(otpauth: &str) -> String {
    let seed = otpauth
        .split_once('?')
        .and_then(|(_, query)| query.split('&').find_map(|pair| pair.strip_prefix("secret=")))
        .unwrap_or_default();
    let letters: Vec<char> = seed.chars().collect();
    letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_shown_in_groups() {
        assert_eq!(seed_of("otpauth://totp/E:a?secret=JBSWY3DPEH&issuer=E"), "JBSW Y3DP EH");
        assert_eq!(seed_of("otpauth://totp/E:a"), "");
    }
}
