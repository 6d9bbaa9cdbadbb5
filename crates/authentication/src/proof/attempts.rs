//! Reserving an attempt before the proof is looked at, so that a limit of five raced from two
//! instances lets exactly five through.

use evergate_store::attempts::{self, Counted, Limits, Reservation};
use evergate_store::{Actor, Tx, audit, effects};
use serde_json::json;

use super::Attempt;
use crate::error::Error;
use crate::flow::Judgement;
use crate::progress::Standing;

/// The fingerprint of these effects: their keys already hash everything that was wanted.
const FINGERPRINT: &str = "sign-in";

/// Whether an attempt may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It may, for the first time.
    First(Counted),
    /// It may, and was begun before: by an instance that died or hangs.
    Again(Counted),
    /// It may not.
    Refused(Judgement),
}

/// One check, inside a transaction.
#[derive(Debug)]
pub(super) struct Check<'a> {
    attempt: &'a Attempt<'a>,
    /// What is checked: `password`, `totp` and so on.
    what: &'static str,
    /// Passwords are counted under the name itself; codes apart from them, so that a right password
    /// does not give an attacker new guesses at the code.
    counted_as: String,
    address: std::net::IpAddr,
}

impl<'a> Check<'a> {
    pub(super) fn new(attempt: &'a Attempt<'a>, what: &'static str) -> Self {
        let name = &attempt.account.counted_as;
        // A slash is in no name.
        let counted_as = if what == "password" { name.clone() } else { format!("{name}/{what}") };
        Self { attempt, what, counted_as, address: attempt.visit.client }
    }

    /// What came of this check if it was made before.
    pub(super) async fn before(&self, tx: &mut Tx) -> Result<Option<Judgement>, Error> {
        let key = self.attempt.effect.text_of_part(&format!("{}/judged", self.what));
        Ok(effects::find(tx, &key, FINGERPRINT).await?)
    }

    /// Counts the attempt, once however often its request arrives.
    pub(super) async fn reserve(&self, tx: &mut Tx, limits: Limits) -> Result<Place, Error> {
        let key = self.attempt.effect.text_of_part(&format!("{}/reserved", self.what));
        if let Some(counted) = effects::find(tx, &key, FINGERPRINT).await? {
            return Ok(Place::Again(counted));
        }
        let now = self.attempt.visit.now;
        match attempts::reserve(tx, now, &self.counted_as, self.address, limits).await? {
            Reservation::Refused { until } => Ok(Place::Refused(Judgement::Paused { until })),
            Reservation::Reserved(counted) => {
                effects::remember(tx, &key, FINGERPRINT, &counted, now).await?;
                Ok(Place::First(counted))
            }
        }
    }

    /// Keeps what came of it, gives the reservation back where it was right, and commits.
    pub(super) async fn judge(
        &self,
        mut tx: Tx,
        counted: Counted,
        judgement: Judgement,
    ) -> Result<Judgement, Error> {
        let (now, account) = (self.attempt.visit.now, self.attempt.account);
        if judgement == Judgement::Right {
            attempts::release(&mut tx, now, &self.counted_as, self.address, counted).await?;
        } else if judgement == Judgement::Used {
            // Whoever has the code is no stranger who tries many names.
            attempts::release_address(&mut tx, self.address, counted).await?;
        }
        if judgement != Judgement::Right && account.standing == Standing::User {
            let detail = json!({ "factor": self.what, "client": self.address, "judgement": judgement });
            let actor = Actor::System;
            audit::append(&mut tx, now, &actor, "sign-in.failed", &account.user.to_string(), &detail).await?;
        }
        let key = self.attempt.effect.text_of_part(&format!("{}/judged", self.what));
        effects::remember(&mut tx, &key, FINGERPRINT, &judgement, now).await?;
        tx.commit().await?;
        Ok(judgement)
    }
}
