//! Soft tokens: a seed is made, shown as a QR code, and bound to its user after one right code.
//!
//! Until then the seed is sealed with distribution's own key; bound, it is sealed for
//! authentication and distribution cannot read it any more.

use std::sync::Arc;
use std::time::Duration;

use evergate_keys::totp::Seed;
use evergate_keys::{SeedSealer, new_id, seed};
use evergate_model::id::{Credential, Enrolment, User};
use evergate_model::{Id, Secret, Timestamp};
use evergate_store::credentials::{NewCredential, Sort};
use evergate_store::effects::Effect;
use evergate_store::enrolments::NewEnrolment;
use evergate_store::{Actor, Store, Tx, credentials, enrolments, users};
use serde::{Deserialize, Serialize};

use crate::DistributionError;
use crate::current::Current;

/// How long an enrolment stays open.
const OPEN: Duration = Duration::from_secs(15 * 60);
/// How many codes may be tried: a guess in a million, each.
const TRIES: u32 = 10;

/// Whose soft token, and what the app shows.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) user: Id<User>,
    pub(crate) account: String,
    pub(crate) issuer: String,
}

/// A soft token that was handed out.
#[derive(Debug, Clone)]
pub(crate) struct HandedOut<K: evergate_model::id::Kind> {
    pub(crate) id: Id<K>,
    pub(crate) otpauth: Secret<String>,
}

/// What a code did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Confirmation {
    /// The soft token is the user's from now on.
    Bound(Id<Credential>),
    /// The code was wrong.
    WrongCode,
    /// The enrolment has expired, was tried too often, or never was.
    Gone,
}

/// A code for an enrolment.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) user: Id<User>,
    pub(crate) enrolment: Id<Enrolment>,
    pub(crate) code: &'a str,
    pub(crate) label: &'a str,
}

/// What a soft token that was bound without a code left: the address for the QR code, sealed, so
/// that a repeated call gets it too.
#[derive(Debug, Serialize, Deserialize)]
struct Direct {
    credential: Id<Credential>,
    sealed: String,
}

/// Begins an enrolment.
pub(crate) async fn begin(
    store: &Store,
    current: &Arc<Current>,
    effect: &Effect,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<HandedOut<Enrolment>, DistributionError> {
    let mut tx = store.begin().await?;
    if let Some(id) = effect.done::<Id<Enrolment>>(&mut tx).await? {
        let sealed = enrolments::find(&mut tx, now, wanted.user, id).await?;
        let seed = open(current, id, &sealed.ok_or(DistributionError::Unreadable)?)?;
        return Ok(HandedOut { id, otpauth: seed.to_uri(&wanted.issuer, &wanted.account) });
    }
    known(&mut tx, wanted.user).await?;
    let (id, seed) = (new_id(now), Seed::generate());
    let sealed = current.sealer.seal(&context(id), seed.expose());
    let expires_at = now.plus(OPEN);
    let new = NewEnrolment { id, user: wanted.user, sealed: &sealed, tries: TRIES, expires_at };
    enrolments::add(&mut tx, &new).await?;
    effect.keep(&mut tx, &id, now).await?;
    tx.commit().await?;
    Ok(HandedOut { id, otpauth: seed.to_uri(&wanted.issuer, &wanted.account) })
}

/// Tries a code; the right one binds the soft token and is used up.
pub(crate) async fn confirm(
    store: &Store,
    current: &Arc<Current>,
    effect: &Effect,
    attempt: &Attempt<'_>,
    now: Timestamp,
) -> Result<Confirmation, DistributionError> {
    let mut tx = store.begin().await?;
    if let Some(before) = effect.done(&mut tx).await? {
        return Ok(before);
    }
    let outcome = attempted(&mut tx, current, attempt, now).await?;
    effect.keep(&mut tx, &outcome, now).await?;
    tx.commit().await?;
    Ok(outcome)
}

async fn attempted(
    tx: &mut Tx,
    current: &Arc<Current>,
    attempt: &Attempt<'_>,
    now: Timestamp,
) -> Result<Confirmation, DistributionError> {
    let Some(sealed) = enrolments::take_try(tx, now, attempt.user, attempt.enrolment).await? else {
        return Ok(Confirmation::Gone);
    };
    let seed = open(current, attempt.enrolment, &sealed)?;
    let Some(step) = seed.matching_step(attempt.code, now) else { return Ok(Confirmation::WrongCode) };
    let actor = Actor::User(attempt.user);
    let credential = bind(tx, current, &actor, attempt.user, attempt.label, &seed, now).await?;
    credentials::use_code(tx, now, credential, step).await?;
    enrolments::remove(tx, attempt.enrolment).await?;
    Ok(Confirmation::Bound(credential))
}

/// Makes a soft token and binds it at once: an administrator's word stands for the code.
pub(crate) async fn enrol_directly(
    store: &Store,
    current: &Arc<Current>,
    effect: &Effect,
    wanted: &Wanted,
    (actor, label): (&Actor, &str),
    now: Timestamp,
) -> Result<HandedOut<Credential>, DistributionError> {
    let mut tx = store.begin().await?;
    if let Some(Direct { credential, sealed }) = effect.done(&mut tx).await? {
        let opened = current.sealer.open_text(&seed::context(wanted.user), &sealed);
        let otpauth = opened.ok().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
        let otpauth = Secret::new(otpauth.ok_or(DistributionError::Unreadable)?);
        return Ok(HandedOut { id: credential, otpauth });
    }
    known(&mut tx, wanted.user).await?;
    let seed = Seed::generate();
    let otpauth = seed.to_uri(&wanted.issuer, &wanted.account);
    let id = bind(&mut tx, current, actor, wanted.user, label, &seed, now).await?;
    let sealed = current.sealer.seal_text(&seed::context(wanted.user), otpauth.expose().as_bytes());
    effect.keep(&mut tx, &Direct { credential: id, sealed }, now).await?;
    tx.commit().await?;
    Ok(HandedOut { id, otpauth })
}

async fn bind(
    tx: &mut Tx,
    current: &Arc<Current>,
    actor: &Actor,
    user: Id<User>,
    label: &str,
    seed: &Seed,
    now: Timestamp,
) -> Result<Id<Credential>, DistributionError> {
    let sealer: &SeedSealer = current.seeds.as_ref().ok_or(DistributionError::NoSeedKey)?;
    let sealed = sealer.seal(&seed::context(user), seed.expose())?;
    let id = new_id(now);
    let new = NewCredential { id, user, sort: Sort::Totp, label, secret: Some(&sealed) };
    credentials::add(tx, actor, now, &new).await?;
    Ok(id)
}

async fn known(tx: &mut Tx, user: Id<User>) -> Result<(), DistributionError> {
    users::get(tx, user).await?.map(drop).ok_or(DistributionError::NoUser)
}

fn open(current: &Arc<Current>, id: Id<Enrolment>, sealed: &[u8]) -> Result<Seed, DistributionError> {
    let opened = current.sealer.open(&context(id), sealed).ok();
    opened.and_then(|bytes| Seed::from_bytes(&bytes)).ok_or(DistributionError::Unreadable)
}

fn context(id: Id<Enrolment>) -> Vec<u8> {
    id.to_string().into_bytes()
}
