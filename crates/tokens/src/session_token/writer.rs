//! Writes a session token, in two steps: the bytes to sign here, the signature by whoever may.

use data_encoding::BASE64URL_NOPAD;
use evergate_model::factor::ProvenFactor;
use evergate_model::id::Key;
use evergate_model::{Factor, Id, Timestamp};

use super::{CONTEXT, Claims, LONGEST_TEXT, PREFIX, SIGNATURE_LENGTH, flag};

/// Why claims do not fit a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The whole is too long; [`Claims::without_groups`] is shorter.
    #[error("the session token would be {0} bytes long, more than {LONGEST_TEXT}")]
    TooLong(usize),
    /// One text is too long, or there are too many of a kind.
    #[error("the session token has no room for the {0}")]
    NoRoom(&'static str),
}

/// A token that wants its signature.
#[derive(Debug, Clone)]
pub struct UnsignedToken {
    bytes: Vec<u8>,
}

impl UnsignedToken {
    /// The message that the key named in [`to_be_signed`] must sign.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.bytes
    }

    /// The token's text, with its signature.
    #[must_use]
    pub fn assemble(self, signature: &[u8; SIGNATURE_LENGTH]) -> String {
        let mut token = self.bytes.get(CONTEXT.len()..).unwrap_or_default().to_vec();
        token.extend_from_slice(signature);
        format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&token))
    }
}

/// The token that says `claims`, to be signed by the key `key`.
///
/// # Errors
/// When it would be longer than [`LONGEST_TEXT`], or a part of it does not fit its field.
pub fn to_be_signed(claims: &Claims, key: Id<Key>) -> Result<UnsignedToken, EncodeError> {
    let facts = &claims.facts;
    let mut bytes = CONTEXT.to_vec();
    bytes.extend_from_slice(key.as_bytes());
    bytes.extend_from_slice(facts.session.as_bytes());
    bytes.extend_from_slice(facts.user.as_bytes());
    for time in [claims.issued_at, claims.expires_at, facts.opened_at, facts.ends_at] {
        write_time(&mut bytes, time);
    }
    bytes.extend_from_slice(&claims.log_position.to_be_bytes());
    bytes.push(flags(claims));
    write_text(&mut bytes, claims.host.as_str(), "host")?;
    write_text(&mut bytes, &facts.user_name, "user's name")?;
    if let Some(email) = &facts.email {
        write_text(&mut bytes, email, "e-mail address")?;
    }
    write_groups(&mut bytes, &facts.groups)?;
    write_factors(&mut bytes, &facts.factors)?;
    let length = PREFIX.len() + BASE64URL_NOPAD.encode_len(bytes.len() - CONTEXT.len() + SIGNATURE_LENGTH);
    if length > LONGEST_TEXT { Err(EncodeError::TooLong(length)) } else { Ok(UnsignedToken { bytes }) }
}

fn flags(claims: &Claims) -> u8 {
    let has_email = if claims.facts.email.is_some() { flag::HAS_EMAIL } else { 0 };
    let groups_left_out = if claims.groups_left_out { flag::GROUPS_LEFT_OUT } else { 0 };
    has_email | groups_left_out
}

fn write_time(bytes: &mut Vec<u8>, time: Timestamp) {
    bytes.extend_from_slice(&time.as_milliseconds().to_be_bytes());
}

fn write_text(bytes: &mut Vec<u8>, text: &str, what: &'static str) -> Result<(), EncodeError> {
    bytes.push(u8::try_from(text.len()).map_err(|_| EncodeError::NoRoom(what))?);
    bytes.extend_from_slice(text.as_bytes());
    Ok(())
}

fn write_groups(bytes: &mut Vec<u8>, groups: &[String]) -> Result<(), EncodeError> {
    let number = u16::try_from(groups.len()).map_err(|_| EncodeError::TooLong(usize::MAX))?;
    bytes.extend_from_slice(&number.to_be_bytes());
    groups.iter().try_for_each(|group| write_text(bytes, group, "group's name"))
}

fn write_factors(bytes: &mut Vec<u8>, factors: &[ProvenFactor]) -> Result<(), EncodeError> {
    bytes.push(u8::try_from(factors.len()).map_err(|_| EncodeError::NoRoom("factors"))?);
    for proven in factors {
        bytes.push(factor_kind(&proven.factor));
        if let Factor::Method(name) = &proven.factor {
            write_text(bytes, name.as_str(), "method's name")?;
        }
        write_time(bytes, proven.at);
    }
    Ok(())
}

const fn factor_kind(factor: &Factor) -> u8 {
    match factor {
        Factor::Password => 1,
        Factor::Totp => 2,
        Factor::EmailCode => 3,
        Factor::RecoveryCode => 4,
        Factor::Passkey => 5,
        Factor::Certificate => 6,
        Factor::Method(_) => 7,
    }
}
