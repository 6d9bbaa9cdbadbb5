//! Soft tokens: time-based one-time codes (RFC 6238 over RFC 4226), as authenticator apps make
//! them: SHA-1, six digits, steps of 30 s.

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;
use evergate_model::{Secret, Timestamp};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{random, typed};

/// How long one code holds, in seconds.
pub const STEP_SECONDS: i64 = 30;
/// How many steps a clock may be off, either way (RFC 6238, section 5.2, allows one for the way and section 6 a
/// clock that drifts): 90 s in all, in which a guess has three codes to meet.
const DRIFT: i64 = 1;
const DIGITS: usize = 6;
const SEED_LENGTH: usize = 20;

/// What a soft token and the server share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed(Secret<Vec<u8>>);

impl Seed {
    /// A new seed of 160 bits, as RFC 4226 recommends.
    #[must_use]
    pub fn generate() -> Self {
        Self(Secret::new(random::bytes::<SEED_LENGTH>().to_vec()))
    }

    /// The seed with these bytes; 16 to 64 of them (RFC 4226 requires 128 bits).
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (16..=64).contains(&bytes.len()).then(|| Self(Secret::new(bytes.to_vec())))
    }

    /// The seed in base32 (RFC 4648), of either case, with or without padding, blanks and dashes.
    #[must_use]
    pub fn from_base32(text: &str) -> Option<Self> {
        let wanted = typed::characters(text)?.filter(|c| *c != '=');
        let letters = Zeroizing::new(wanted.map(|c| c.to_ascii_uppercase()).collect::<String>());
        Self::from_bytes(&Zeroizing::new(BASE32_NOPAD.decode(letters.as_bytes()).ok()?))
    }

    /// The bytes, to be sealed.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// The seed in base32, for those who type it.
    #[must_use]
    pub fn to_base32(&self) -> Secret<String> {
        Secret::new(BASE32_NOPAD.encode(self.expose()))
    }

    /// What an authenticator app reads from the QR code (the Key URI format).
    #[must_use]
    pub fn to_uri(&self, issuer: &str, account: &str) -> Secret<String> {
        let (issuer, account) = (escape(issuer), escape(account));
        let secret = BASE32_NOPAD.encode(self.expose());
        Secret::new(format!(
            "otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}\
             &algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}"
        ))
    }

    /// The code at this moment.
    #[must_use]
    pub fn code_at(&self, now: Timestamp) -> String {
        self.code_of(step_at(now))
    }

    /// The time step whose code `typed` is, among those that a clock a little off may show.
    /// Whoever accepts it must see to it that no step of a seed is accepted twice.
    #[must_use]
    pub fn matching_step(&self, typed: &str, now: Timestamp) -> Option<i64> {
        let typed = normalise(typed)?;
        let near = (-DRIFT..=DRIFT).map(|drift| step_at(now).saturating_add(drift));
        // no early end: which step matched must not show in the time taken
        near.fold(None, |found, step| {
            let is_equal: bool = self.code_of(step).as_bytes().ct_eq(typed.as_bytes()).into();
            if is_equal { Some(step) } else { found }
        })
    }

    fn code_of(&self, step: i64) -> String {
        format!("{:0DIGITS$}", self.number_of(step) % 10_u32.pow(DIGITS as u32))
    }

    /// RFC 4226, section 5.3: the dynamic truncation.
    fn number_of(&self, step: i64) -> u32 {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.expose());
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let offset = tag.as_ref().last().map_or(0, |last| usize::from(last & 0xf));
        let four = tag.as_ref().get(offset..).and_then(|rest| rest.first_chunk::<4>());
        u32::from_be_bytes(four.copied().unwrap_or_default()) & 0x7fff_ffff
    }
}

/// The number of the time step of this moment.
#[must_use]
pub const fn step_at(now: Timestamp) -> i64 {
    now.as_seconds().div_euclid(STEP_SECONDS)
}

/// The digits of what somebody typed: blanks and dashes left out. None if that is not a code.
#[must_use]
pub fn normalise(typed: &str) -> Option<String> {
    typed::six_digits(typed)
}

/// Percent-encoded for a label and for a query alike (RFC 3986: all but the unreserved).
fn escape(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests;
