//! Codes of soft tokens: one code is good once, at whichever instance it comes first.

use evergate_keys::totp::Seed;
use evergate_model::Id;
use evergate_model::id::Credential;
use evergate_store::credentials::{self, Sort};

use super::Attempt;
use super::attempts::{Check, Place};
use crate::error::Error;
use crate::flow::Judgement;

pub(super) async fn check(attempt: &Attempt<'_>, typed: &str) -> Result<Judgement, Error> {
    let visit = attempt.visit;
    let user = attempt.account.user;
    let sealed = {
        let mut connection = visit.site.store.read().await?;
        credentials::secrets(&mut connection, user, Sort::Totp).await?
    };
    let steps = matching_steps(attempt, typed, &sealed);
    let check = Check::new(attempt, "totp");
    let mut tx = visit.site.store.begin().await?;
    if let Some(judgement) = check.before(&mut tx).await? {
        return Ok(judgement);
    }
    let counted = match check.reserve(&mut tx, visit.settings.code_limits()).await? {
        Place::First(counted) | Place::Again(counted) => counted,
        Place::Refused(refused) => return Ok(refused),
    };
    let mut judgement = if steps.is_empty() { Judgement::Wrong } else { Judgement::Used };
    for (credential, step) in steps {
        if credentials::use_code(&mut tx, visit.now, credential, step).await? {
            judgement = Judgement::Right;
            break;
        }
    }
    check.judge(tx, counted, judgement).await
}

/// The soft tokens that show this code, with the time step of it.
fn matching_steps(
    attempt: &Attempt<'_>,
    typed: &str,
    sealed: &[(Id<Credential>, Vec<u8>)],
) -> Vec<(Id<Credential>, i64)> {
    let context = attempt.account.user.to_string();
    let matching = |(credential, sealed): &(Id<Credential>, Vec<u8>)| {
        let Ok(bytes) = attempt.visit.secrets.seeds.open(context.as_bytes(), sealed) else {
            tracing::error!(%credential, "a soft token's seed cannot be opened");
            return None;
        };
        let step = Seed::from_bytes(&bytes)?.matching_step(typed, attempt.visit.now)?;
        Some((*credential, step))
    };
    if sealed.is_empty() {
        // Whoever has no soft token waits as long as one who has.
        let nobodys = Seed::generate();
        std::hint::black_box(nobodys.matching_step(typed, attempt.visit.now));
    }
    sealed.iter().filter_map(matching).collect()
}
