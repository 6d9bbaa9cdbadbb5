//! Changing the configuration: on the draft, or published at once.

use evergate_model::{Configuration, Timestamp};
use evergate_store::{Actor, Tx, configurations};
use serde::Serialize;

use super::{changes_between, check};
use crate::vault::Vault;
use crate::{Failure, certificates, publishing};

/// How a change is to be made.
#[derive(Debug, Clone)]
pub struct Edit<'a> {
    /// Who makes it.
    pub actor: &'a Actor,
    /// Why.
    pub comment: &'a str,
    /// Whether it stays a draft.
    pub as_draft: bool,
    /// The version that must still be the latest; absent: whatever is.
    pub base: Option<u64>,
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Edited {
    /// The version in force.
    pub version: u64,
    /// Whether the change is in the draft only.
    pub is_draft: bool,
    /// Whether anything differs from before.
    pub is_changed: bool,
}

/// Changes the configuration (the draft's, with [`Edit::as_draft`]) by `change`, checks the outcome,
/// and publishes it with new snapshots for every service, all in the caller's transaction.
///
/// # Errors
/// [`Failure::Invalid`] with every problem; [`Failure::Stale`] when `base` is not the latest.
pub async fn edit(
    tx: &mut Tx,
    vault: &Vault,
    now: Timestamp,
    edit: &Edit<'_>,
    change: impl FnOnce(&mut Configuration) -> Result<(), Failure>,
) -> Result<Edited, Failure> {
    let (latest, published) = configurations::latest(tx).await?.ok_or(Failure::Missing("configuration"))?;
    require_base(tx, edit.base, latest, &published).await?;
    let draft = if edit.as_draft { configurations::draft(tx).await? } else { None };
    let (based_on, before) =
        draft.map_or_else(|| (latest, published), |draft| (draft.based_on, draft.configuration));
    let mut after = before.clone();
    change(&mut after)?;
    if after == before {
        return Ok(Edited { version: latest, is_draft: edit.as_draft, is_changed: false });
    }
    check(&after).map_err(Failure::Invalid)?;
    if edit.as_draft {
        configurations::set_draft(tx, edit.actor, now, based_on, &after).await?;
        return Ok(Edited { version: latest, is_draft: true, is_changed: true });
    }
    let version = publish(tx, vault, now, edit, latest, &after, None).await?;
    Ok(Edited { version, is_draft: false, is_changed: true })
}

/// Publishes the draft.
///
/// # Errors
/// [`Failure::NotFound`] without a draft; [`Failure::Stale`] when another version was published
/// since it was begun.
pub async fn publish_draft(
    tx: &mut Tx,
    vault: &Vault,
    now: Timestamp,
    edit: &Edit<'_>,
) -> Result<Edited, Failure> {
    let draft = configurations::draft(tx).await?.ok_or_else(|| Failure::NotFound("draft".to_owned()))?;
    let (latest, published) = configurations::latest(tx).await?.ok_or(Failure::Missing("configuration"))?;
    require_base(tx, Some(draft.based_on), latest, &published).await?;
    check(&draft.configuration).map_err(Failure::Invalid)?;
    let version = publish(tx, vault, now, edit, latest, &draft.configuration, None).await?;
    configurations::drop_draft(tx).await?;
    Ok(Edited { version, is_draft: false, is_changed: true })
}

/// Publishes an old version anew.
///
/// # Errors
/// [`Failure::NotFound`] when there was none of that number; [`Failure::Invalid`] when it does not
/// hold together any more.
pub async fn rollback(
    tx: &mut Tx,
    vault: &Vault,
    now: Timestamp,
    edit: &Edit<'_>,
    number: u64,
) -> Result<Edited, Failure> {
    let (latest, published) = configurations::latest(tx).await?.ok_or(Failure::Missing("configuration"))?;
    require_base(tx, edit.base, latest, &published).await?;
    let old = configurations::get(tx, number)
        .await?
        .ok_or_else(|| Failure::NotFound(format!("version `{number}`")))?;
    check(&old).map_err(Failure::Invalid)?;
    let version = publish(tx, vault, now, edit, latest, &old, Some(number)).await?;
    Ok(Edited { version, is_draft: false, is_changed: true })
}

async fn publish(
    tx: &mut Tx,
    vault: &Vault,
    now: Timestamp,
    edit: &Edit<'_>,
    base: u64,
    configuration: &Configuration,
    rollback_of: Option<u64>,
) -> Result<u64, Failure> {
    let new = configurations::NewVersion { base, configuration, comment: edit.comment, rollback_of };
    let version = configurations::publish(tx, edit.actor, now, &new)
        .await?
        .ok_or_else(|| Failure::Conflict("another version was published meanwhile".to_owned()))?;
    certificates::provide(tx, vault, now, configuration).await?;
    publishing::publish_snapshots(tx, vault, now).await?;
    Ok(version)
}

async fn require_base(
    tx: &mut Tx,
    base: Option<u64>,
    latest: u64,
    published: &Configuration,
) -> Result<(), Failure> {
    let Some(base) = base.filter(|base| *base != latest) else { return Ok(()) };
    let old =
        configurations::get(tx, base).await?.ok_or_else(|| Failure::NotFound(format!("version `{base}`")))?;
    Err(Failure::Stale { base, latest, changes: changes_between(&old, published) })
}
