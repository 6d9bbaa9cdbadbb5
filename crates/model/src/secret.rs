//! Values that must not be printed, logged or compared byte by byte.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A secret: no `Display`, no `Serialize`, `Debug` prints `...`, wiped when dropped, compared in
/// constant time (for its length; that is no secret).
///
/// ```compile_fail
/// println!("{}", evergate_model::Secret::new("tr0ub4dor".to_owned()));
/// ```
/// ```compile_fail
/// serde_json::to_string(&evergate_model::Secret::new("tr0ub4dor".to_owned()));
/// ```
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes a value in.
    #[must_use]
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value; every use is a place to look at.
    #[must_use]
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("...")
    }
}

impl<T: Zeroize + AsRef<[u8]>> PartialEq for Secret<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_ref().ct_eq(other.0.as_ref()).into()
    }
}
impl<T: Zeroize + AsRef<[u8]>> Eq for Secret<T> {}

impl From<String> for Secret<String> {
    fn from(value: String) -> Self {
        Self(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nothing_in_debug_also_inside_of_others() {
        let secret = Secret::new("tr0ub4dor".to_owned());
        assert_eq!(format!("{secret:?}"), "...");
        assert_eq!(format!("{:?}", Some((1, secret))), "Some((1, ...))");
    }

    #[test]
    fn secrets_are_equal_when_their_values_are() {
        let secret = |text: &str| Secret::new(text.to_owned());
        assert_eq!(secret("abc"), secret("abc"));
        for other in ["", "ab", "abd", "abcd", "ABC"] {
            assert_ne!(secret("abc"), secret(other), "{other}");
        }
    }

    #[test]
    fn a_wiped_secret_holds_nothing() {
        let mut secret = Secret::new(vec![7; 32]);
        secret.zeroize();
        assert!(secret.expose().is_empty());
    }
}
