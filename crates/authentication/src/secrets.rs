//! The internal keys, ready to be used: sealing of progress, opening of seeds, keyed hashes.

use data_encoding::HEXLOWER;
use evergate_keys::{CodeMac, KeyBundle, KeyError, Purpose, Sealer, SeedOpener};
use evergate_model::Id;
use evergate_model::id::{Session, SignIn, User};

use crate::progress::{Enrolment, Progress, ProgressError};

/// What progress is sealed for; recovery codes waiting to be shown once more are sealed for another.
const PROGRESS: &[u8] = b"evergate sign-in progress v1";
const RECOVERY_CODES: &[u8] = b"evergate recovery codes v1";
/// The longest sealed progress, as text.
const LONGEST: usize = 16 * 1024;

/// The internal keys of one generation.
#[derive(Debug)]
pub struct Secrets {
    sealer: Sealer,
    /// Opens the seeds of soft tokens.
    pub seeds: SeedOpener,
    codes: CodeMac,
}

impl Secrets {
    /// The keys of a bundle.
    ///
    /// # Errors
    /// When one is missing or malformed.
    pub fn from_bundle(bundle: &KeyBundle) -> Result<Self, KeyError> {
        Ok(Self {
            sealer: bundle.sealer(Purpose::ProgressSealing)?,
            seeds: bundle.seed_opener()?,
            codes: bundle.code_mac()?,
        })
    }

    /// The progress as it stands in a form.
    #[must_use]
    pub fn seal(&self, progress: &Progress) -> String {
        let plain = serde_json::to_vec(progress).unwrap_or_default();
        self.sealer.seal_text(PROGRESS, &plain)
    }

    /// The progress that a form brought.
    ///
    /// # Errors
    /// When it was not sealed by this installation.
    pub fn open(&self, sealed: &str) -> Result<Progress, ProgressError> {
        if sealed.len() > LONGEST {
            return Err(ProgressError::Unknown);
        }
        let plain = self.sealer.open_text(PROGRESS, sealed).map_err(|_| ProgressError::Unknown)?;
        serde_json::from_slice(&plain).map_err(|_| ProgressError::Unknown)
    }

    /// New recovery codes, to be kept until their page has surely arrived.
    #[must_use]
    pub fn seal_codes(&self, codes: &[String]) -> String {
        self.sealer.seal_text(RECOVERY_CODES, &serde_json::to_vec(codes).unwrap_or_default())
    }

    /// Recovery codes that [`Secrets::seal_codes`] kept.
    #[must_use]
    pub fn open_codes(&self, sealed: &str) -> Option<Vec<String>> {
        serde_json::from_slice(&self.sealer.open_text(RECOVERY_CODES, sealed).ok()?).ok()
    }

    /// A soft token that is being set up, as it stands in the form of that session.
    #[must_use]
    pub fn seal_enrolment(&self, session: Id<Session>, enrolment: &Enrolment) -> String {
        self.sealer.seal_text(&enrolling(session), &serde_json::to_vec(enrolment).unwrap_or_default())
    }

    /// The soft token that a form of that session brought.
    #[must_use]
    pub fn open_enrolment(&self, session: Id<Session>, sealed: &str) -> Option<Enrolment> {
        let sealed = Some(sealed).filter(|sealed| sealed.len() <= LONGEST)?;
        serde_json::from_slice(&self.sealer.open_text(&enrolling(session), sealed).ok()?).ok()
    }

    /// The kept form of a recovery code.
    #[must_use]
    pub fn keep_recovery_code(&self, user: Id<User>, code: &str) -> String {
        HEXLOWER.encode(&self.codes.keep(&recovery(user), code))
    }

    /// All kept forms that a recovery code may have.
    #[must_use]
    pub fn recovery_code_forms(&self, user: Id<User>, code: &str) -> Vec<String> {
        self.codes.candidates(&recovery(user), code).iter().map(|kept| HEXLOWER.encode(kept)).collect()
    }

    /// The kept form of a code sent by e-mail in a sign-in.
    #[must_use]
    pub fn keep_email_code(&self, sign_in: Id<SignIn>, code: &str) -> String {
        HEXLOWER.encode(&self.codes.keep(&email(sign_in), code))
    }

    /// All kept forms that a code sent by e-mail may have.
    #[must_use]
    pub fn email_code_forms(&self, sign_in: Id<SignIn>, code: &str) -> Vec<String> {
        self.codes.candidates(&email(sign_in), code).iter().map(|kept| HEXLOWER.encode(kept)).collect()
    }

    /// What every form of a session carries, so that no other site can post it.
    #[must_use]
    pub fn form_token(&self, session: Id<Session>) -> String {
        HEXLOWER.encode(&self.codes.keep(b"form", &session.to_string()))
    }

    /// Whether a form's token is this session's.
    #[must_use]
    pub fn is_form_token(&self, session: Id<Session>, token: &str) -> bool {
        let kept = HEXLOWER.decode(token.as_bytes());
        kept.is_ok_and(|kept| self.codes.matches(b"form", &session.to_string(), &kept))
    }

    /// A keyed hash of anything, as bytes: the same at every instance that has the same keys.
    #[must_use]
    pub fn hash(&self, context: &[u8], text: &str) -> Vec<u8> {
        self.codes.keep(context, text)
    }
}

fn recovery(user: Id<User>) -> Vec<u8> {
    [b"recovery ".as_slice(), user.as_bytes()].concat()
}

fn email(sign_in: Id<SignIn>) -> Vec<u8> {
    [b"email ".as_slice(), sign_in.as_bytes()].concat()
}

fn enrolling(session: Id<Session>) -> Vec<u8> {
    [b"enrolment ".as_slice(), session.as_bytes()].concat()
}
