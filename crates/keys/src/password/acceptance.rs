//! Which new passwords are taken (NIST SP 800-63B, section 5.1.1.2: length and a list of common
//! ones; no rules about which letters).

use evergate_model::Secret;

/// The fewest characters.
const SHORTEST: usize = 8;
/// The most characters: what a person can type, and a bound on what is hashed.
const LONGEST: usize = 128;
/// The most common passwords of published leaks that are long enough, lower case, one a line.
const COMMON: &str = include_str!("common.txt");

/// Why a new password is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRefused {
    /// Too short.
    #[error("a password has at least {SHORTEST} characters")]
    TooShort,
    /// Too long.
    #[error("a password has at most {LONGEST} characters")]
    TooLong,
    /// One of the first that anybody would try.
    #[error("this password is one of the most common ones")]
    Common,
    /// The user's name, or nearly.
    #[error("a password must not be the name one signs in by")]
    UserName,
}

/// Whether `password` may become the password of the user who signs in by `user_name`.
///
/// # Errors
/// Says what is wrong with it, in words for the user.
pub fn check_new(password: &Secret<String>, user_name: &str) -> Result<(), PasswordRefused> {
    let text = password.expose();
    let length = text.chars().take(LONGEST + 1).count();
    if length < SHORTEST {
        return Err(PasswordRefused::TooShort);
    }
    if length > LONGEST {
        return Err(PasswordRefused::TooLong);
    }
    let lower = zeroize::Zeroizing::new(text.to_lowercase());
    if is_common(&lower) {
        return Err(PasswordRefused::Common);
    }
    if is_nearly(&lower, &user_name.to_lowercase()) {
        return Err(PasswordRefused::UserName);
    }
    Ok(())
}

/// On the list; or one character over and over.
fn is_common(lower: &str) -> bool {
    let mut characters = lower.chars();
    let first = characters.next();
    characters.all(|c| Some(c) == first) || COMMON.lines().any(|common| common == lower)
}

/// The name itself, or with digits and signs at its end.
fn is_nearly(lower: &str, name: &str) -> bool {
    !name.is_empty()
        && lower.strip_prefix(name).is_some_and(|rest| rest.len() <= 4 && !rest.contains(char::is_alphabetic))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), PasswordRefused> {
        check_new(&Secret::new(text.to_owned()), "margarethe")
    }

    #[test]
    fn long_unusual_passwords_are_taken() {
        for good in ["correct horse battery staple", "grün-Blau7", "margarethe likes tea", &"ab".repeat(64)]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn short_long_common_and_obvious_ones_are_not() {
        assert_eq!(check("short"), Err(PasswordRefused::TooShort));
        assert_eq!(check(&"ab".repeat(65)), Err(PasswordRefused::TooLong));
        assert_eq!(check("Password1"), Err(PasswordRefused::Common));
        assert_eq!(check("zzzzzzzzzzzz"), Err(PasswordRefused::Common));
        assert_eq!(check("Margarethe99"), Err(PasswordRefused::UserName));
    }

    #[test]
    fn the_list_is_lower_case_and_long_enough_to_matter() {
        assert!(COMMON.lines().count() > 100);
        for common in COMMON.lines() {
            assert!(common.len() >= SHORTEST && *common == common.to_lowercase(), "{common}");
        }
    }
}
