//! Passwords: counted in one transaction, hashed outside of any, judged in another, by the password
//! that is the user's then.

use evergate_keys::password;
use evergate_model::id::Credential;
use evergate_model::{Id, Secret};
use evergate_store::{Actor, Tx, credentials};

use super::Attempt;
use super::attempts::{Check, Place};
use crate::error::Error;
use crate::flow::Judgement;
use crate::hashing::Turn;

/// A password that was changed while it was hashed is hashed again; more changes than that in one
/// attempt nobody makes.
const CHANGES: u32 = 3;

/// The user's password as it is kept: which, and its PHC string.
type Kept = Option<(Id<Credential>, String)>;

pub(super) async fn check(attempt: &Attempt<'_>, proof: Secret<String>) -> Result<Judgement, Error> {
    let visit = attempt.visit;
    // The turn comes first: an attempt that is shed must not count against the user.
    let turn = visit.site.hashing.take_turn().await?;
    let check = Check::new(attempt, "password");
    let mut tx = visit.site.store.begin().await?;
    if let Some(judgement) = check.before(&mut tx).await? {
        return Ok(judgement);
    }
    let counted = match check.reserve(&mut tx, visit.settings.password_limits()).await? {
        Place::First(counted) | Place::Again(counted) => counted,
        Place::Refused(refused) => return Ok(refused),
    };
    let mut kept = credentials::find_password(&mut tx, attempt.account.user).await?;
    tx.commit().await?;
    for _ in 0..CHANGES {
        let compared = compare(&turn, &proof, &kept).await?;
        let mut tx = visit.site.store.begin().await?;
        if let Some(judgement) = check.before(&mut tx).await? {
            return Ok(judgement);
        }
        let now_kept = credentials::find_password(&mut tx, attempt.account.user).await?;
        if now_kept == kept {
            keep_up(&mut tx, attempt, &kept, &compared).await?;
            let judgement = if compared.is_right { Judgement::Right } else { Judgement::Wrong };
            return check.judge(tx, counted, judgement).await;
        }
        kept = now_kept;
    }
    Err(Error::Fault("a password that changes all the time"))
}

/// What came of comparing.
struct Compared {
    is_right: bool,
    /// The hash of the same password with the parameters of today, where it was kept with others.
    renewed: Option<String>,
}

async fn compare(turn: &Turn, proof: &Secret<String>, kept: &Kept) -> Result<Compared, Error> {
    let phc = kept.as_ref().map(|(_, phc)| phc.clone());
    let is_right = turn.verify(proof.clone(), phc).await?;
    let renewed = match kept {
        Some((_, phc)) if is_right && password::is_outdated(phc) => turn.hash(proof.clone()).await.ok(),
        _ => None,
    };
    Ok(Compared { is_right, renewed })
}

/// Notes that the password was used, and keeps its renewed hash.
async fn keep_up(tx: &mut Tx, attempt: &Attempt<'_>, kept: &Kept, compared: &Compared) -> Result<(), Error> {
    let (now, user) = (attempt.visit.now, attempt.account.user);
    if let Some((id, _)) = kept.as_ref().filter(|_| compared.is_right) {
        credentials::touch(tx, now, *id).await?;
    }
    if let Some(phc) = &compared.renewed {
        let id = evergate_keys::new_id(now);
        credentials::set_password(tx, &Actor::System, now, user, id, phc).await?;
    }
    Ok(())
}
