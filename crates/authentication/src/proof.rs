//! Checking what a user submits. Every check is counted before it is made, and done once however
//! often its request arrives: what came of it is kept under its effect key.

mod attempts;
pub(crate) mod email_code;
mod password;
mod recovery_code;
mod totp;

use evergate_model::id::SignIn;
use evergate_model::{Factor, Id, Secret};

use crate::effect::EffectKey;
use crate::error::Error;
use crate::flow::Judgement;
use crate::progress::Account;
use crate::visit::Visit;

/// What a check belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt<'a> {
    /// The request.
    pub visit: &'a Visit,
    /// The submission.
    pub effect: &'a EffectKey,
    /// Who says to be signing in.
    pub account: &'a Account,
    /// In which sign-in.
    pub sign_in: Id<SignIn>,
}

impl Attempt<'_> {
    /// Checks a proof of a factor.
    ///
    /// # Errors
    /// When the database does not answer, or too many passwords are being checked.
    pub(crate) async fn check(&self, factor: &Factor, proof: Secret<String>) -> Result<Judgement, Error> {
        match factor {
            Factor::Password => password::check(self, proof).await,
            Factor::Totp => totp::check(self, proof.expose()).await,
            Factor::EmailCode => email_code::check(self, proof.expose()).await,
            Factor::RecoveryCode => recovery_code::check(self, proof.expose()).await,
            Factor::Passkey | Factor::Certificate | Factor::Method(_) => {
                Err(Error::Fault("a factor was asked for that cannot be checked"))
            }
        }
    }
}
