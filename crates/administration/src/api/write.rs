//! A write that happens once: its answer is kept with its key, in the transaction of the change.

use std::ops::{Deref, DerefMut};

use data_encoding::BASE64;
use evergate_model::Timestamp;
use evergate_store::{Actor, Tx, effects};

use super::call::EffectKey;
use super::{Answer, Call, Stop};
use crate::Failure;
use crate::vault::Vault;

/// A transaction with what belongs to it. Dropped without [`Write::finish`], nothing has happened.
pub(super) struct Write {
    tx: Tx,
    pub(super) vault: Vault,
    pub(super) actor: Actor,
    pub(super) now: Timestamp,
    effect: Option<EffectKey>,
}

impl Deref for Write {
    type Target = Tx;

    fn deref(&self) -> &Tx {
        &self.tx
    }
}
impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut Tx {
        &mut self.tx
    }
}

impl Write {
    /// Begins; [`Stop::Done`] with the first answer where this request was answered before.
    pub(super) async fn begin(call: &Call) -> Result<Self, Stop> {
        let office = &call.office;
        let mut write = Self {
            tx: office.store.begin().await?,
            vault: office.vault.clone(),
            actor: call.actor(),
            now: office.now(),
            effect: call.effect.clone(),
        };
        match write.earlier().await? {
            Some(answer) => Err(Stop::Done(answer)),
            None => Ok(write),
        }
    }

    /// Keeps the answer, and makes all of it last.
    pub(super) async fn finish(mut self, answer: Answer) -> Result<Answer, Stop> {
        if let Some(EffectKey { key, fingerprint }) = &self.effect {
            // Sealed: it may hold a token or password that is shown once.
            let json = serde_json::to_vec(&answer).map_err(|error| Failure::crypto("an answer")(&error))?;
            let sealed = BASE64.encode(&self.vault.seal(&effect_name(key), &json));
            effects::remember(&mut self.tx, key, fingerprint, &sealed, self.now).await?;
        }
        self.tx.commit().await?;
        Ok(answer)
    }

    async fn earlier(&mut self) -> Result<Option<Answer>, Failure> {
        let Some(EffectKey { key, fingerprint }) = &self.effect else { return Ok(None) };
        let Some(sealed) = effects::find::<String>(&mut self.tx, key, fingerprint).await? else {
            return Ok(None);
        };
        let sealed =
            BASE64.decode(sealed.as_bytes()).map_err(|error| Failure::crypto("an answer")(&error))?;
        let json = self.vault.open(&effect_name(key), &sealed)?;
        serde_json::from_slice(json.expose()).map_err(|error| Failure::crypto("an answer")(&error))
    }
}

fn effect_name(key: &str) -> String {
    format!("effect/{key}")
}
