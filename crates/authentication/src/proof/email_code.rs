//! Codes sent by e-mail: good once, for ten minutes, in the sign-in they were sent for.

use evergate_keys::email_code;
use evergate_store::attempts::Limits;
use evergate_store::email_codes::{self, EmailCode, Try};
use evergate_store::users;

use super::Attempt;
use super::attempts::{Check, Place};
use crate::error::Error;
use crate::flow::Judgement;
use crate::neighbours::{Mail, MailKind};
use crate::progress::LIFETIME;

/// Guesses are limited by the counted attempts, which unknown names have too; a limit per code
/// would end differently for them.
const TRIES: u32 = 1000;
/// So many mails to one user for each failure that is allowed.
const MAILS: u32 = 2;

/// Sends a code, or does the same work for somebody who has no address; `Some` where too many
/// were asked for.
///
/// # Errors
/// When the database or distribution does not answer.
pub(crate) async fn send(attempt: &Attempt<'_>) -> Result<Option<Judgement>, Error> {
    let visit = attempt.visit;
    let code = code_of(attempt);
    let check = Check::new(attempt, "mail");
    let limits = visit.settings.code_limits();
    // No guess at anything, so that it does not count against the address.
    let failures = limits.failures.saturating_mul(MAILS);
    let limits = Limits { failures, failures_per_address: None, ..limits };
    let mut tx = visit.site.store.begin().await?;
    let place = check.reserve(&mut tx, limits).await?;
    if let Place::Refused(refused) = place {
        return Ok(Some(refused));
    }
    let user = users::get(&mut tx, attempt.account.user).await?;
    let address = user.as_ref().and_then(|user| user.email.clone());
    // Begun before, the code has been kept before; by now a later request may have put another in
    // its place, whose mail the user is looking at.
    if let Some(user) = user.filter(|user| user.email.is_some() && matches!(place, Place::First(_))) {
        let kept = EmailCode {
            sign_in: attempt.sign_in,
            user: user.id,
            hash: &visit.secrets.keep_email_code(attempt.sign_in, &code),
            tries: TRIES,
            expires_at: visit.now.plus(LIFETIME),
        };
        email_codes::put(&mut tx, &kept).await?;
    }
    tx.commit().await?;
    let kind = if address.is_some() { MailKind::SignInCode } else { MailKind::Nothing };
    let mail = Mail {
        to: address.unwrap_or_else(|| "nobody@nowhere.invalid".to_owned()),
        kind,
        fields: vec![
            ("code", code),
            ("user", attempt.account.name.clone()),
            ("minutes", (LIFETIME.as_secs() / 60).to_string()),
            ("client", visit.client.to_string()),
        ],
    };
    visit.site.neighbours.send_mail(attempt.effect.of_part("mail"), mail).await?;
    Ok(None)
}

pub(super) async fn check(attempt: &Attempt<'_>, typed: &str) -> Result<Judgement, Error> {
    let visit = attempt.visit;
    let check = Check::new(attempt, "email-code");
    let mut tx = visit.site.store.begin().await?;
    if let Some(judgement) = check.before(&mut tx).await? {
        return Ok(judgement);
    }
    let counted = match check.reserve(&mut tx, visit.settings.code_limits()).await? {
        Place::First(counted) | Place::Again(counted) => counted,
        Place::Refused(refused) => return Ok(refused),
    };
    let code = email_code::normalise(typed).unwrap_or_default();
    for form in visit.secrets.email_code_forms(attempt.sign_in, &code) {
        let tried =
            email_codes::take(&mut tx, visit.now, attempt.sign_in, attempt.account.user, &form).await?;
        if tried == Try::Right {
            return check.judge(tx, counted, Judgement::Right).await;
        }
    }
    // Also where there is no code at all: unknown names have none.
    check.judge(tx, counted, Judgement::Wrong).await
}

/// The code of this submission. It follows from the effect key, so that an instance that repeats
/// the work of one that died keeps the code that is already on its way.
fn code_of(attempt: &Attempt<'_>) -> String {
    let hash = attempt.visit.secrets.hash(b"email code", &attempt.effect.text_of_part("email-code"));
    let number = hash.last_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let digits = email_code::DIGITS;
    format!("{:0width$}", number % 10_u64.pow(digits), width = digits as usize)
}
