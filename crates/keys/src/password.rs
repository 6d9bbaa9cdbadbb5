//! Passwords: hashed with Argon2id (RFC 9106) as OWASP's Password Storage Cheat Sheet recommends (19 MiB, two passes,
//! one lane: about 22 ms of one core), and looked at before they are taken.

use std::sync::LazyLock;

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc};
use argon2::{Algorithm, Argon2, Params, Version};
use evergate_model::Secret;

use crate::random;

mod acceptance;

pub use acceptance::{PasswordRefused, check_new};

const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// What an unknown user's password is compared with, so that the answer takes as long as a known
/// user's: a hash of the right form that is nobody's, its salt and hash being arbitrary.
const DECOY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$ZXZlcmdhdGUgZGVjb3kgMQ$bm9ib2R5J3MgcGFzc3dvcmQ6IDMyIGJ5dGVzIQ";

static HASHER: LazyLock<Option<Argon2<'static>>> = LazyLock::new(|| {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
});

/// A password could not be hashed: it is longer than 2^32 bytes, or there is no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct HashError;

/// The PHC string of `password` under a new salt. Takes about 22 ms: not for an async task.
///
/// # Errors
/// When there is no memory for it.
pub fn hash(password: &Secret<String>) -> Result<String, HashError> {
    let hasher = HASHER.as_ref().ok_or(HashError)?;
    let salt = random::bytes::<16>();
    let hash = hasher.hash_password_with_salt(password.expose().as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|_| HashError)
}

/// Whether `password` is the one that was hashed; `None` stands for an unknown user or one without
/// a password, and takes as long. Not for an async task.
#[must_use]
pub fn verify(password: &Secret<String>, hash: Option<&str>) -> bool {
    let matches = |hash: &str| match (HASHER.as_ref(), phc::PasswordHash::new(hash)) {
        (Some(hasher), Ok(hash)) => hasher.verify_password(password.expose().as_bytes(), &hash).is_ok(),
        _ => false,
    };
    match hash {
        Some(hash) => matches(hash),
        None => {
            std::hint::black_box(matches(DECOY));
            false
        }
    }
}

/// Whether a hash was made with other parameters than today's: then the password is hashed anew
/// the next time that it was right.
#[must_use]
pub fn is_outdated(hash: &str) -> bool {
    !hash.starts_with(&format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[test]
    fn a_password_verifies_against_its_own_hash_only() {
        let hash = hash(&secret("correct horse")).unwrap();
        assert!(verify(&secret("correct horse"), Some(&hash)));
        assert!(!verify(&secret("correct horse "), Some(&hash)));
        assert!(!verify(&secret("correct horse"), None));
        assert!(!verify(&secret("correct horse"), Some("rubbish")));
        assert!(!is_outdated(&hash), "{hash}");
        assert!(is_outdated(&hash.replace("t=2", "t=1")));
    }

    #[test]
    fn a_hash_that_argon2_itself_made_verifies() {
        // argon2 of the reference implementation: printf password | argon2 somesaltsomesalt -id ...
        let reference = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$\
                         nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        assert!(verify(&secret("password"), Some(reference)));
        assert!(!verify(&secret("Password"), Some(reference)));
    }

    #[test]
    fn the_decoy_is_a_hash_of_todays_cost() {
        assert!(phc::PasswordHash::new(DECOY).is_ok());
        assert!(!is_outdated(DECOY));
    }
}
