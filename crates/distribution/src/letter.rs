//! What a message says: one English text per kind, filled with the caller's fields.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use evergate_wire::convert::ConvertError;
use evergate_wire::proto::MailKind;

/// The longest value of a field, in bytes: an invitation's link is the longest.
const LONGEST_FIELD: usize = 2000;
/// The most fields.
const MOST_FIELDS: usize = 16;

/// Which text a message has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A code for signing in.
    SignInCode,
    /// Something happened to the account.
    Notice,
    /// An invitation to set a password.
    Invitation,
    /// Nothing: the drill's, which goes through the outbox and is not delivered.
    Probe,
}

/// What a text is filled with.
pub type Fields = BTreeMap<String, String>;

/// A text, filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The subject; nothing of a field is in it.
    pub subject: &'static str,
    /// The body.
    pub body: String,
}

impl Kind {
    const ALL: [Self; 4] = [Self::SignInCode, Self::Notice, Self::Invitation, Self::Probe];

    /// The kind's name in the database and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignInCode => "sign-in-code",
            Self::Notice => "notice",
            Self::Invitation => "invitation",
            Self::Probe => "probe",
        }
    }

    /// The kind that the caller names.
    ///
    /// # Errors
    /// When it is none of ours.
    pub fn from_wire(kind: i32) -> Result<Self, ConvertError> {
        match MailKind::try_from(kind) {
            Ok(MailKind::SignInCode) => Ok(Self::SignInCode),
            Ok(MailKind::Notice) => Ok(Self::Notice),
            Ok(MailKind::Invitation) => Ok(Self::Invitation),
            Ok(MailKind::Probe) => Ok(Self::Probe),
            Ok(MailKind::Unspecified) | Err(_) => Err(ConvertError::new("kind", "it is none that is known")),
        }
    }

    /// How long it is worth sending after it was accepted.
    #[must_use]
    pub const fn lifetime(self) -> Duration {
        match self {
            Self::SignInCode => Duration::from_secs(10 * 60),
            Self::Notice | Self::Invitation | Self::Probe => Duration::from_secs(86_400),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(())
    }
}

/// The text of this kind with these fields; none for a probe, which has no text.
///
/// # Errors
/// When a field that the text cannot do without is missing, or one is too long or has control
/// characters.
pub fn compose(kind: Kind, fields: &Fields) -> Result<Option<Letter>, ConvertError> {
    if fields.len() > MOST_FIELDS {
        return Err(ConvertError::new("fields", "there are more than 16"));
    }
    for value in fields.values() {
        if value.len() > LONGEST_FIELD || value.contains(char::is_control) {
            return Err(ConvertError::new("fields", "a value is too long or has control characters"));
        }
    }
    Ok(match kind {
        Kind::SignInCode => Some(sign_in_code(fields)?),
        Kind::Notice => Some(notice(fields)?),
        Kind::Invitation => Some(invitation(fields)?),
        Kind::Probe => None,
    })
}

fn sign_in_code(fields: &Fields) -> Result<Letter, ConvertError> {
    let code = required(fields, "code")?;
    let mut body = format!("Your code to sign in{}:\n\n    {code}\n\n", for_user(fields));
    match fields.get("minutes") {
        Some(minutes) => body.push_str(&format!("It works once, within {minutes} minutes. ")),
        None => body.push_str("It works once. "),
    }
    body.push_str(&format!("It was asked for{}.\n\n", by_client(fields)));
    body.push_str(
        "Do not tell it to anybody. If you did not ask for it, somebody knows your password:\n\
         change it, and tell your administrator.\n",
    );
    Ok(Letter { subject: "Your sign-in code", body })
}

fn notice(fields: &Fields) -> Result<Letter, ConvertError> {
    let what = required(fields, "what")?;
    let body = format!(
        "{what}\n\nThis happened{}{}.\n\nIf that was not you, tell your administrator.\n",
        for_user(fields),
        by_client(fields)
    );
    Ok(Letter { subject: "A change to your account", body })
}

fn invitation(fields: &Fields) -> Result<Letter, ConvertError> {
    let link = required(fields, "link")?;
    let mut body = format!("You have been given an account{}.\n\n", named(fields));
    body.push_str(&format!("Set your password here:\n\n    {link}\n\n"));
    match fields.get("minutes") {
        Some(minutes) => body.push_str(&format!("The link works once, within {minutes} minutes.\n")),
        None => body.push_str("The link works once.\n"),
    }
    Ok(Letter { subject: "Your invitation", body })
}

fn required<'a>(fields: &'a Fields, name: &str) -> Result<&'a str, ConvertError> {
    let value = fields.get(name).map(String::as_str).filter(|value| !value.is_empty());
    value.ok_or_else(|| ConvertError::new("fields", format!("`{name}` is missing")))
}

fn for_user(fields: &Fields) -> String {
    fields.get("user").map_or_else(String::new, |user| format!(" to the account `{user}`"))
}

fn named(fields: &Fields) -> String {
    fields.get("user").map_or_else(String::new, |user| format!(" with the name `{user}`"))
}

fn by_client(fields: &Fields) -> String {
    fields.get("client").map_or_else(String::new, |client| format!(" from the address {client}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_code_stands_alone_on_its_line() {
        let fields =
            fields(&[("code", "123456"), ("user", "alice"), ("minutes", "10"), ("client", "192.0.2.1")]);
        let letter = compose(Kind::SignInCode, &fields).unwrap().unwrap();
        assert!(letter.body.contains("\n    123456\n"), "{}", letter.body);
        assert!(letter.body.contains("`alice`") && letter.body.contains("192.0.2.1"));
        assert!(!letter.subject.contains("123456"));
    }

    #[test]
    fn a_text_without_what_it_is_about_is_refused() {
        for kind in [Kind::SignInCode, Kind::Notice, Kind::Invitation] {
            assert!(compose(kind, &Fields::new()).is_err(), "{kind}");
        }
        assert_eq!(compose(Kind::Probe, &Fields::new()).unwrap(), None);
    }

    #[test]
    fn control_characters_and_endless_values_are_refused() {
        for value in ["1\r\nBcc: x@example.com", &"1".repeat(2001)] {
            assert!(compose(Kind::SignInCode, &fields(&[("code", value)])).is_err());
        }
    }

    #[test]
    fn every_kind_survives_its_name() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert!(Kind::from_wire(0).is_err() && Kind::from_wire(99).is_err());
    }
}
