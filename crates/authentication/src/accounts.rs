//! Who a name is, and what they can prove themselves with. A name that nobody has becomes a decoy.

use std::time::Duration;

use evergate_model::factor::ProvenFactor;
use evergate_model::{Factor, Id};
use evergate_store::credentials::{self, Sort};
use evergate_store::users::{self, State};
use evergate_store::{Connection, invitations};

use crate::error::Error;
use crate::flow::Means;
use crate::progress::{Account, Standing};
use crate::visit::Visit;

/// So long after it was made, or its invitation was followed, an account counts as new: a first
/// soft token may be bound with the password alone.
const NEW: Duration = Duration::from_secs(7 * 86_400);
/// The longest name that is shown again.
const NAME: usize = 128;

/// Who the name is.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn identify(visit: &Visit, name: &str) -> Result<Account, Error> {
    let normal = users::normal_name(name);
    let mut connection = visit.site.store.read().await?;
    let user = users::find_by_name(&mut connection, name).await?;
    let hash = visit.secrets.hash(b"decoy", normal.as_deref().unwrap_or(name));
    let mut decoy = [0; 16];
    decoy.iter_mut().zip(hash.iter().rev()).for_each(|(to, from)| *to = *from);
    // What cannot be a name is counted by its hash, so that nobody fills the table with long ones.
    let hidden = data_encoding::HEXLOWER.encode(&decoy);
    Ok(Account {
        name: name.chars().take(NAME).collect(),
        counted_as: normal.unwrap_or_else(|| format!("?{hidden}")),
        standing: if user.is_some() { Standing::User } else { Standing::Decoy },
        user: user.map_or_else(|| Id::from_bytes(decoy), |user| user.id),
    })
}

/// What the account's owner can prove themselves with. `proven` is what they have proven in this
/// sign-in or session.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn means(visit: &Visit, account: &Account, proven: &[ProvenFactor]) -> Result<Means, Error> {
    let mut connection = visit.site.store.read().await?;
    let Some(user) = users::get(&mut connection, account.user).await? else { return Ok(Means::EVERYTHING) };
    let all = credentials::list(&mut connection, user.id).await?;
    let has = |sort| all.iter().any(|credential| credential.sort == sort);
    Ok(Means {
        is_locked: user.state == State::Locked,
        password: has(Sort::Password),
        totp: has(Sort::Totp),
        may_enrol_totp: may_enrol(&mut connection, visit, &user, proven).await?,
        email: user.email.is_some(),
        recovery_codes: credentials::recovery_codes_left(&mut connection, user.id).await? > 0,
    })
}

/// Whether a soft token may be bound: whoever has only a stolen password must not be able to give
/// themselves the second factor. So either something stronger was proven, or there never was any
/// and the account is new or was just invited.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn may_enrol(
    connection: &mut Connection,
    visit: &Visit,
    user: &users::User,
    proven: &[ProvenFactor],
) -> Result<bool, Error> {
    let has_proven_more =
        proven.iter().any(|p| matches!(p.factor, Factor::Totp | Factor::EmailCode | Factor::RecoveryCode));
    if has_proven_more {
        return Ok(true);
    }
    if credentials::ever_had(connection, user.id, Sort::Totp).await? {
        return Ok(false);
    }
    let since = visit.now.minus(NEW);
    Ok(user.created_at > since || invitations::accepted_since(connection, user.id, since).await?)
}
