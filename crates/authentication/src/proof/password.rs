//! Passwords: counted in one transaction, hashed outside of any, judged in another.

use evergate_keys::password;
use evergate_model::Secret;
use evergate_store::{Actor, credentials};

use super::Attempt;
use super::attempts::Check;
use crate::error::Error;
use crate::flow::Judgement;

pub(super) async fn check(attempt: &Attempt<'_>, proof: Secret<String>) -> Result<Judgement, Error> {
    let visit = attempt.visit;
    // The place comes first: an attempt that is shed must not count against the user.
    let place = visit.site.hashing.take_place()?;
    let check = Check::new(attempt, "password");
    let mut tx = visit.site.store.begin().await?;
    if let Some(judgement) = check.before(&mut tx).await? {
        return Ok(judgement);
    }
    if let Some(refused) = check.reserve(&mut tx, visit.settings.password_limits()).await? {
        return Ok(refused);
    }
    let stored = credentials::find_password(&mut tx, attempt.account.user).await?;
    tx.commit().await?;
    let phc = stored.as_ref().map(|(_, phc)| phc.clone());
    let is_right = place.verify(proof.clone(), phc).await?;
    let renewed = match &stored {
        Some((_, phc)) if is_right && password::is_outdated(phc) => {
            visit.site.hashing.take_place()?.hash(proof).await.ok()
        }
        _ => None,
    };
    let mut tx = visit.site.store.begin().await?;
    if let Some(judgement) = check.before(&mut tx).await? {
        return Ok(judgement);
    }
    if let Some((id, _)) = stored.filter(|_| is_right) {
        credentials::touch(&mut tx, visit.now, id).await?;
    }
    if let Some(phc) = renewed {
        let (user, id) = (attempt.account.user, evergate_keys::new_id(visit.now));
        credentials::set_password(&mut tx, &Actor::System, visit.now, user, id, &phc).await?;
    }
    check.judge(tx, if is_right { Judgement::Right } else { Judgement::Wrong }).await
}
