//! Reads the bytes of a session token, which anyone may have written: every length is checked,
//! nothing is reserved on a stranger's word, and nothing may be left over.

use evergate_model::factor::ProvenFactor;
use evergate_model::id::{Key, Kind};
use evergate_model::{Factor, Host, Id, SessionFacts, Timestamp};

use super::{Claims, flag};

/// The bytes are not a token of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// The id of the key that is said to have signed, and what is said.
pub(super) fn read(bytes: &[u8]) -> Result<(Id<Key>, Claims), Malformed> {
    let mut reader = Reader { rest: bytes };
    let key = reader.id()?;
    let (session, user) = (reader.id()?, reader.id()?);
    let (issued_at, expires_at) = (reader.time()?, reader.time()?);
    let (opened_at, ends_at) = (reader.time()?, reader.time()?);
    let log_position = u64::from_be_bytes(reader.array()?);
    let flags = reader.byte()?;
    if flags & !flag::ALL != 0 {
        return Err(Malformed);
    }
    let host: Host = reader.parsed()?;
    let user_name = reader.text()?.to_owned();
    let has_email = flags & flag::HAS_EMAIL != 0;
    let email = if has_email { Some(reader.text()?.to_owned()) } else { None };
    let groups = reader.groups()?;
    let factors = reader.factors()?;
    reader.end()?;
    let facts = SessionFacts { session, user, user_name, email, groups, factors, opened_at, ends_at };
    let groups_left_out = flags & flag::GROUPS_LEFT_OUT != 0;
    Ok((key, Claims { facts, host, issued_at, expires_at, log_position, groups_left_out }))
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn id<K: Kind>(&mut self) -> Result<Id<K>, Malformed> {
        self.array().map(Id::from_bytes)
    }

    fn time(&mut self) -> Result<Timestamp, Malformed> {
        self.array().map(i64::from_be_bytes).map(Timestamp::from_milliseconds)
    }

    fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = self.byte()?;
        std::str::from_utf8(self.take(usize::from(length))?).map_err(|_| Malformed)
    }

    fn parsed<T: std::str::FromStr>(&mut self) -> Result<T, Malformed> {
        self.text()?.parse().map_err(|_| Malformed)
    }

    fn groups(&mut self) -> Result<Vec<String>, Malformed> {
        let number = u16::from_be_bytes(self.array()?);
        (0..number).map(|_| self.text().map(str::to_owned)).collect()
    }

    fn factors(&mut self) -> Result<Vec<ProvenFactor>, Malformed> {
        let number = self.byte()?;
        (0..number).map(|_| Ok(ProvenFactor { factor: self.factor()?, at: self.time()? })).collect()
    }

    fn factor(&mut self) -> Result<Factor, Malformed> {
        Ok(match self.byte()? {
            1 => Factor::Password,
            2 => Factor::Totp,
            3 => Factor::EmailCode,
            4 => Factor::RecoveryCode,
            5 => Factor::Passkey,
            6 => Factor::Certificate,
            7 => Factor::Method(self.parsed()?),
            _ => return Err(Malformed),
        })
    }

    const fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}
