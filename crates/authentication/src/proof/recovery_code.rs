//! Recovery codes: each good once.

use evergate_keys::recovery;
use evergate_store::{Actor, audit, credentials};
use serde_json::json;

use super::Attempt;
use super::attempts::{Check, Place};
use crate::error::Error;
use crate::flow::Judgement;

pub(super) async fn check(attempt: &Attempt<'_>, typed: &str) -> Result<Judgement, Error> {
    let (visit, user) = (attempt.visit, attempt.account.user);
    let check = Check::new(attempt, "recovery-code");
    let mut tx = visit.site.store.begin().await?;
    if let Some(judgement) = check.before(&mut tx).await? {
        return Ok(judgement);
    }
    let counted = match check.reserve(&mut tx, visit.settings.code_limits()).await? {
        Place::First(counted) | Place::Again(counted) => counted,
        Place::Refused(refused) => return Ok(refused),
    };
    let code = recovery::normalise(typed).unwrap_or_default();
    for form in visit.secrets.recovery_code_forms(user, &code) {
        if credentials::use_recovery_code(&mut tx, visit.now, user, &form).await?.is_some() {
            let detail = json!({ "client": visit.client });
            let actor = Actor::User(user);
            audit::append(&mut tx, visit.now, &actor, "recovery-code.used", &user.to_string(), &detail)
                .await?;
            return check.judge(tx, counted, Judgement::Right).await;
        }
    }
    check.judge(tx, counted, Judgement::Wrong).await
}
