//! The key of what one submitted form does: the same request, repeated by the access point at
//! another instance with the same fields, has the same key and so no second effect; another
//! password in the same form is another attempt.

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use evergate_model::Id;
use evergate_model::id::Request;

use crate::form::Form;
use crate::secrets::Secrets;

/// The key of one submission. It is made with an internal key, since fields may be passwords and
/// effect keys are stored.
#[derive(Debug, Clone)]
pub(crate) struct EffectKey(Vec<u8>);

impl EffectKey {
    /// The key of this form in this request.
    #[must_use]
    pub(crate) fn of(secrets: &Secrets, request: Id<Request>, form: &Form) -> Self {
        let context = [b"effect ".as_slice(), request.as_bytes()].concat();
        Self(secrets.hash(&context, form.canonical().expose()))
    }

    /// The key of this request, which has no form.
    #[must_use]
    pub(crate) fn of_request(secrets: &Secrets, request: Id<Request>) -> Self {
        let context = [b"effect ".as_slice(), request.as_bytes()].concat();
        Self(secrets.hash(&context, ""))
    }

    /// The key of one of the things that the submission does.
    #[must_use]
    pub(crate) fn of_part(&self, part: &str) -> Vec<u8> {
        digest(&SHA256, &[self.0.as_slice(), part.as_bytes()].concat()).as_ref().to_vec()
    }

    /// The same as text, for the database.
    #[must_use]
    pub(crate) fn text_of_part(&self, part: &str) -> String {
        HEXLOWER.encode(&self.of_part(part))
    }
}
