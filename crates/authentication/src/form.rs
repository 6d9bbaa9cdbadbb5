//! What a browser posted: bounded, every field once.

use std::collections::BTreeMap;
use std::fmt;

use evergate_model::Secret;

/// The longest form, in bytes.
pub const LONGEST: usize = 64 * 1024;
/// The most fields.
const MOST_FIELDS: usize = 16;

/// The fields of a form. `Debug` shows their names only: there are passwords among them.
pub struct Form(BTreeMap<String, Secret<String>>);

/// Why a body is not a form of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// More than [`LONGEST`] bytes.
    #[error("the form is longer than {LONGEST} bytes")]
    TooLong,
    /// More fields than any of our forms has.
    #[error("the form has more than {MOST_FIELDS} fields")]
    TooManyFields,
    /// A field that could be read in two ways.
    #[error("the form holds a field twice")]
    FieldTwice,
    /// Not `application/x-www-form-urlencoded`, or not UTF-8.
    #[error("the form cannot be read")]
    Malformed,
}

impl Form {
    /// Reads `application/x-www-form-urlencoded` (WHATWG URL, section 5).
    ///
    /// # Errors
    /// When it is too long, has too many fields or one of them twice, or is not UTF-8.
    pub fn parse(body: &[u8]) -> Result<Self, FormError> {
        if body.len() > LONGEST {
            return Err(FormError::TooLong);
        }
        if body.iter().filter(|byte| **byte == b'&').count() >= MOST_FIELDS {
            return Err(FormError::TooManyFields);
        }
        let pairs: Vec<(String, String)> =
            serde_urlencoded::from_bytes(body).map_err(|_| FormError::Malformed)?;
        let mut fields = BTreeMap::new();
        for (name, value) in pairs {
            if fields.insert(name, Secret::new(value)).is_some() {
                return Err(FormError::FieldTwice);
            }
        }
        Ok(Self(fields))
    }

    /// A field's value; empty where it is absent.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |value| value.expose())
    }

    /// A field's value as a secret of its own.
    #[must_use]
    pub fn secret(&self, name: &str) -> Secret<String> {
        Secret::new(self.get(name).to_owned())
    }

    /// All fields in one order and so that no two forms look the same; to be hashed with a key.
    #[must_use]
    pub fn canonical(&self) -> Secret<String> {
        let mut text = String::new();
        for (name, value) in &self.0 {
            for part in [name.as_str(), value.expose().as_str()] {
                text.push_str(&part.len().to_string());
                text.push(':');
                text.push_str(part);
            }
        }
        Secret::new(text)
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_and_hides_its_values() {
        let form = Form::parse(b"name=alice&password=a+b%21").unwrap();
        assert_eq!((form.get("name"), form.get("password"), form.get("code")), ("alice", "a b!", ""));
        assert!(!format!("{form:?}").contains("a b!"));
    }

    #[test]
    fn forms_that_are_not_ours_are_refused() {
        assert_eq!(Form::parse(b"a=1&a=2").unwrap_err(), FormError::FieldTwice);
        assert_eq!(Form::parse(&[b'a'; LONGEST + 1]).unwrap_err(), FormError::TooLong);
        assert_eq!(Form::parse("a=1&".repeat(17).as_bytes()).unwrap_err(), FormError::TooManyFields);
        assert!(Form::parse(b"").unwrap().get("a").is_empty());
    }

    #[test]
    fn forms_with_other_fields_look_otherwise() {
        let canonical = |body: &[u8]| Form::parse(body).unwrap().canonical().expose().clone();
        assert_eq!(canonical(b"a=1&b=2"), canonical(b"b=2&a=1"));
        assert_ne!(canonical(b"a=1&b=2"), canonical(b"a=1b&=2"));
        assert_ne!(canonical(b"a=bc"), canonical(b"ab=c"));
    }
}
